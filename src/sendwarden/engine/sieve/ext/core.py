"""RFC 5228: the base language, with `fileinto`, `envelope` and the comparators that need no extension.

`if`, `elsif`, `else` and `require` belong to the compiler.
"""

from collections.abc import Callable

from sendwarden.core.mailbox import Mailbox, parse_mailboxes
from sendwarden.engine.sieve.matching import ASCII_CASEMAP, ASCII_NUMERIC, CONTAINS, IS, MATCHES, OCTET
from sendwarden.engine.sieve.outcome import Discard, FileInto, Keep, Redirect
from sendwarden.engine.sieve.registry import Capability, Parameter, Spec, Tag, Use
from sendwarden.engine.sieve.run import Run, Step
from sendwarden.engine.sieve.text import Text

_HEADER_NAME = frozenset(map(chr, range(33, 127))) - {":"}

ADDRESS_PARTS = tuple(Tag(name, "address-part") for name in (":all", ":localpart", ":domain"))

# What an address part takes of a mailbox.
AddressPart = Callable[[Mailbox], str | None]
PARTS: dict[str, AddressPart] = {
    "": lambda mailbox: mailbox.address,
    ":all": lambda mailbox: mailbox.address,
    ":localpart": lambda mailbox: mailbox.local,
    ":domain": lambda mailbox: mailbox.domain,
}


def header_names(use: Use, parameter: str) -> tuple[Text, ...]:
    """The header names of a test. Constant ones are checked, and noted among the facts."""
    names = use.texts(parameter)
    for name in names:
        if name.constant is None:
            continue
        if not name.constant or not _HEADER_NAME.issuperset(name.constant):
            remedy = 'names have no colon and no blank, as in "Subject"'
            use.problem(parameter, f'"{name.constant}" is not the name of a header', remedy)
        use.facts.headers.add(name.constant.lower())
    return names


# Headers that hold addresses; `address` must not be used on others (RFC 5228 section 5.1).
ADDRESS_HEADERS = frozenset(
    {
        *("from", "to", "cc", "bcc", "sender", "reply-to"),
        *(f"resent-{name}" for name in ("from", "to", "cc", "bcc", "sender", "reply-to")),
        *("return-path", "apparently-to", "errors-to", "delivered-to", "x-original-to", "x-beenthere"),
        *("disposition-notification-to", "return-receipt-to", "mail-followup-to", "mail-reply-to"),
        *("x-complaints-to", "abuse-reports-to", "x-sender", "x-envelope-from", "x-envelope-to"),
    }
)


def _names_of(names: tuple[Text, ...]) -> Callable[[Run], tuple[str, ...]]:
    constants = tuple(name.constant.lower() for name in names if name.constant is not None)
    if len(constants) == len(names):
        return lambda _run: constants
    return lambda run: tuple(name.get(run).lower() for name in names)


# --- actions


def _keep(use: Use) -> Step:
    action = Keep(use.line)

    def keep(run: Run) -> bool:
        run.act(action)
        return False

    return keep


def _discard(use: Use) -> Step:
    action = Discard(use.line)

    def discard(run: Run) -> bool:
        run.act(action)
        return False

    return discard


def _fileinto(use: Use) -> Step:
    line, mailbox, copy = use.line, use.text("mailbox"), use.tag("copy") != ""

    def fileinto(run: Run) -> bool:
        run.act(FileInto(line, mailbox.get(run), copy))
        return False

    return fileinto


def _redirect(use: Use) -> Step:
    line, address, copy = use.line, use.text("address"), use.tag("copy") != ""
    if address.constant is not None and not _one_address(address.constant):
        use.problem("address", f'"{address.constant}" is not an address', 'write "user@example.org"')

    def redirect(run: Run) -> bool:
        target = _one_address(address.get(run))
        if target:
            run.act(Redirect(line, target, copy))
        return False

    return redirect


def _one_address(text: str) -> str:
    """The one complete address in a text, or ""."""
    match parse_mailboxes(text):
        case [Mailbox(address=str(address), domain=str(domain))] if domain:
            return address
        case _:
            return ""


def _stop(_use: Use) -> Step:
    return lambda _run: True


# --- tests


def _constant(truth: bool) -> Callable[[Use], Step]:  # noqa: FBT001
    return lambda _use: lambda _run: truth


def _not(use: Use) -> Step:
    (test,) = use.tests
    return lambda run: not test(run)


def _allof(use: Use) -> Step:
    tests = use.tests

    return lambda run: all(test(run) for test in tests)


def _anyof(use: Use) -> Step:
    tests = use.tests

    return lambda run: any(test(run) for test in tests)


def _exists(use: Use) -> Step:
    names = _names_of(header_names(use, "headers"))

    def exists(run: Run) -> bool:
        return all(run.mail.raw(name) for name in names(run))

    return exists


def _size(use: Use) -> Step:
    limit = use.number("limit")
    if not use.tag("size"):
        use.problem("", '"size" needs a direction', "write: size :over 100K")
    if use.tag("size") == ":over":
        return lambda run: run.mail.size_bytes > limit
    return lambda run: run.mail.size_bytes < limit


def _header(use: Use) -> Step:
    names = header_names(use, "headers")
    matched, counted = use.matched(), use.matched_count()
    all_names = _names_of(names)
    if counted:
        return lambda run: counted(run, sum(len(run.mail.raw(name)) for name in all_names(run)))
    if len(names) == 1 and names[0].constant is not None:
        only = names[0].constant.lower()
        return lambda run: matched(run, run.mail.values(only))

    def header(run: Run) -> bool:
        return any(matched(run, run.mail.values(name)) for name in all_names(run))

    return header


def _address(use: Use) -> Step:
    texts = header_names(use, "headers")
    for text in texts:
        if text.constant is not None and text.constant.lower() not in ADDRESS_HEADERS:
            use.problem("headers", f'"{text.constant}" holds no addresses', 'use the test "header"')
    names = _names_of(texts)
    part = PARTS[use.tag("address-part")]
    matched, counted = use.matched(), use.matched_count()

    def values(run: Run) -> list[str]:
        found = [
            part(box) for name in names(run) for raw in run.mail.raw(name) for box in parse_mailboxes(raw)
        ]
        return [value for value in found if value is not None]

    if counted:
        return lambda run: counted(run, len(values(run)))
    return lambda run: matched(run, values(run))


# What an envelope part is made of; RFC 5228 section 5.4.
ENVELOPE_PARTS: dict[str, Callable[[Run], tuple[str, ...]]] = {
    "from": lambda run: (run.mail.sender,),
    "to": lambda run: run.recipients,
}


def _envelope(use: Use) -> Step:
    names = use.texts("parts")
    for name in names:
        known = name.constant is None or name.constant.lower() in ENVELOPE_PARTS
        if not known:
            use.problem(
                "parts", f'the envelope has no part "{name.constant}"', 'its parts are "from" and "to"'
            )
    use.facts.recipient = use.facts.recipient or any(
        name.constant is None or name.constant.lower() == "to" for name in names
    )
    use.facts.sender = use.facts.sender or any(
        name.constant is None or name.constant.lower() == "from" for name in names
    )
    tag = use.tag("address-part")
    matched, counted = use.matched(), use.matched_count()
    parts = _names_of(names)

    def values(run: Run) -> list[str]:
        found = [address for part in parts(run) for address in ENVELOPE_PARTS.get(part, _none)(run)]
        return (
            found
            if tag in ("", ":all")
            else [value for a in found if (value := _part_of(a, tag)) is not None]
        )

    if counted:  # the null sender is no address (RFC 5228 section 5.4)
        return lambda run: counted(run, sum(1 for value in values(run) if value))
    return lambda run: matched(run, values(run))


def _none(_run: Run) -> tuple[str, ...]:
    return ()


def _part_of(address: str, tag: str) -> str:
    local, at, domain = address.rpartition("@")
    if not at:
        local, domain = domain, ""
    return local if tag == ":localpart" else domain


_BASE = (
    Spec("keep", "command", _keep),
    Spec("discard", "command", _discard),
    Spec("redirect", "command", _redirect, (Parameter("address", "string"),)),
    Spec("stop", "command", _stop),
    Spec("true", "test", _constant(True)),  # noqa: FBT003
    Spec("false", "test", _constant(False)),  # noqa: FBT003
    Spec("not", "test", _not, tests="one"),
    Spec("allof", "test", _allof, tests="many"),
    Spec("anyof", "test", _anyof, tests="many"),
    Spec("exists", "test", _exists, (Parameter("headers", "strings"),)),
    Spec(
        "size",
        "test",
        _size,
        (Parameter("limit", "number"),),
        tags=(Tag(":over", "size"), Tag(":under", "size")),
    ),
    Spec(
        "header",
        "test",
        _header,
        (Parameter("headers", "strings"), Parameter("keys", "strings")),
        matching=True,
    ),
    Spec(
        "address",
        "test",
        _address,
        (Parameter("headers", "strings"), Parameter("keys", "strings")),
        tags=ADDRESS_PARTS,
        matching=True,
    ),
)

CAPABILITIES = (
    Capability(
        "",
        _BASE,
        match_types=(IS, CONTAINS, MATCHES),
        comparators=(OCTET, ASCII_CASEMAP, ASCII_NUMERIC),
    ),
    Capability("fileinto", (Spec("fileinto", "command", _fileinto, (Parameter("mailbox", "string"),)),)),
    Capability(
        "envelope",
        (
            Spec(
                "envelope",
                "test",
                _envelope,
                (Parameter("parts", "strings"), Parameter("keys", "strings")),
                tags=ADDRESS_PARTS,
                matching=True,
            ),
        ),
    ),
    Capability("encoded-character"),
    Capability("comparator-i;octet"),
    Capability("comparator-i;ascii-casemap"),
    Capability("comparator-i;ascii-numeric"),
)
