"""RFC 5228: the base language, with `fileinto`, `envelope` and the comparators that need no extension.

`if`, `elsif`, `else` and `require` belong to the compiler.
"""

import re
from collections.abc import Callable

from sendwarden.core.mailbox import Mailbox, parse_mailboxes
from sendwarden.engine.sieve.limits import HEADER_LETTERS, MANY_HEADERS
from sendwarden.engine.sieve.matching import ASCII_CASEMAP, ASCII_NUMERIC, CONTAINS, IS, MATCHES, OCTET
from sendwarden.engine.sieve.outcome import Discard, FileInto, Keep, Redirect
from sendwarden.engine.sieve.registry import Capability, EnvelopePart, Parameter, Spec, Tag, Use
from sendwarden.engine.sieve.run import Run, SieveError, Step
from sendwarden.engine.sieve.text import Text

_HEADER_NAME = frozenset(map(chr, range(33, 127))) - {":"}
_NO_LETTERS = re.compile("[\ud800-\udfff]")

ADDRESS_PARTS = tuple(Tag(name, "address-part") for name in (":all", ":localpart", ":domain"))

# What an address part takes of a mailbox.
AddressPart = Callable[[Mailbox], str | None]
PARTS: dict[str, AddressPart] = {
    "": lambda mailbox: mailbox.address,
    ":all": lambda mailbox: mailbox.address,
    ":localpart": lambda mailbox: mailbox.local,
    ":domain": lambda mailbox: mailbox.domain,
}


def is_header_name(name: str) -> bool:
    return name != "" and _HEADER_NAME.issuperset(name)


def header_names(use: Use, parameter: str) -> tuple[Text, ...]:
    """The header names of a test. Constant ones are noted among the facts.

    A name that no header can have is no error and matches nothing (RFC 5228 section 2.4.2.2): a warning.
    """
    names = use.texts(parameter)
    for name in names:
        if name.constant is None:
            continue
        if not is_header_name(name.constant):
            remedy = 'names have no colon and no blank, as in "Subject"'
            use.warning("SW304", parameter, f'"{name.constant}" is not the name of a header', remedy)
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
    use.facts.actions.add("keep")

    def keep(run: Run) -> bool:
        run.act(action)
        return False

    return keep


def _discard(use: Use) -> Step:
    action = Discard(use.line)
    use.facts.actions.add("discard")

    def discard(run: Run) -> bool:
        run.act(action)
        return False

    return discard


def _fileinto(use: Use) -> Step:
    line, mailbox, copy = use.line, use.text("mailbox"), use.tag("copy") != ""
    use.facts.actions.add("fileinto")
    if mailbox.constant is not None and not _is_mailbox_name(mailbox.constant):
        use.problem("mailbox", "this is not the name of a mailbox", "names are UTF-8 and not empty")

    def fileinto(run: Run) -> bool:
        name = mailbox.get(run)
        if not _is_mailbox_name(name):
            raise SieveError(line, f"{name!r} is not the name of a mailbox")
        run.act(FileInto(line, name, copy))
        return False

    return fileinto


def _is_mailbox_name(name: str) -> bool:
    """Mailboxes are named in UTF-8 (RFC 5228 section 4.1)."""
    return name != "" and (name.isascii() or not _NO_LETTERS.search(name))


def _redirect(use: Use) -> Step:
    use.facts.actions.add("redirect")
    line, address, copy = use.line, use.text("address"), use.tag("copy") != ""
    if address.constant is not None and not _one_address(address.constant):
        use.problem("address", f'"{address.constant}" is not an address', 'write "user@example.org"')

    def redirect(run: Run) -> bool:
        text = address.get(run)
        target = _one_address(text)
        if not target:
            raise SieveError(line, f"{text!r} is not an address")
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
    use.facts.body = True  # a mail server that is told not to send bodies does not tell their size either
    if not use.tag("size"):
        use.problem("", '"size" needs a direction', "write: size :over 100K")
    if use.tag("size") == ":over":
        return lambda run: run.mail.size_bytes > limit
    return lambda run: run.mail.size_bytes < limit


def _warn_of_bare_addresses(use: Use, names: tuple[Text, ...]) -> None:
    """A pattern that wants angle brackets does not see ``From: bob@example.org``."""
    keys = [key.constant for key in use.texts("keys")]
    holds_addresses = any((name.constant or "").lower() in ADDRESS_HEADERS for name in names)
    if use.match_type is MATCHES and holds_addresses and all(key and "<" in key for key in keys):
        says = f'"{keys[0]}" does not match an address that is written without angle brackets'
        remedy = 'address :matches "From" "*" sees both'
        use.warning("SW322", "keys", says, remedy)


def _once_for_all(test: Step, *lists: tuple[Text, ...]) -> Step:
    """A test that comes out the same for each recipient: of many headers it looks at them once.

    Whoever writes a message chooses how many headers and recipients it has; their product is ours to pay.
    """
    if any(text.constant is None for texts in lists for text in texts):
        return test
    this = object()

    def once(run: Run) -> bool:
        mail = run.mail
        if len(mail.headers) < MANY_HEADERS or run.trace is not None:
            return test(run)
        known = mail.outcomes.get(this)
        if known is None:
            before, run.match_values = run.match_values, ()
            found = test(run)
            known = mail.outcomes[this] = found, run.match_values
            run.match_values = before
        found, values = known
        if values:
            run.match_values = values
        return found

    return once


def _header(use: Use) -> Step:
    return _once_for_all(_header_test(use), use.texts("headers"), use.texts("keys"))


def _header_test(use: Use) -> Step:
    names = header_names(use, "headers")
    _warn_of_bare_addresses(use, names)
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
    return _once_for_all(_address_test(use), use.texts("headers"), use.texts("keys"))


def _address_test(use: Use) -> Step:
    texts = header_names(use, "headers")
    for text in texts:
        name = text.constant
        if name is not None and is_header_name(name) and name.lower() not in ADDRESS_HEADERS:
            use.problem("headers", f'"{text.constant}" holds no addresses', 'use the test "header"')
    names = _names_of(texts)
    part = PARTS[use.tag("address-part")]
    matched, counted = use.matched(), use.matched_count()

    def values(run: Run) -> list[str]:
        raws = [raw[:HEADER_LETTERS] for name in names(run) for raw in run.mail.raw(name)]
        found = [part(box) for raw in raws for box in parse_mailboxes(raw)]
        return [value for value in found if value is not None]

    if counted:
        return lambda run: counted(run, len(values(run)))
    return lambda run: matched(run, values(run))


# What an envelope part is made of (RFC 5228 section 5.4). Other extensions have parts of their own.
ENVELOPE_PARTS: dict[str, EnvelopePart] = {
    "from": lambda run: (run.mail.sender,),
    "to": lambda run: run.recipients,
}


def _envelope(use: Use) -> Step:
    names = use.texts("parts")
    known = use.envelope_parts
    for name in names:
        if name.constant is not None and name.constant.lower() not in known:
            says = f'the envelope has no part "{name.constant}"'
            use.problem("parts", says, f"its parts are {', '.join(known)}")
    use.facts.recipient = use.facts.recipient or any(
        name.constant is None or name.constant.lower() == "to" for name in names
    )
    use.facts.sender = use.facts.sender or any(
        name.constant is None or name.constant.lower() == "from" for name in names
    )
    tag = use.tag("address-part")
    whole = tag in ("", ":all")
    matched, counted = use.matched(), use.matched_count()
    if whole and not counted and len(names) == 1 and names[0].constant is not None:
        only = known.get(names[0].constant.lower(), _none)
        return lambda run: matched(run, only(run))
    parts = _names_of(names)

    def values(run: Run) -> list[str]:
        found = [address for part in parts(run) for address in known.get(part, _none)(run)]
        if whole:
            return found
        return [value for address in found if (value := _part_of(address, tag)) is not None]

    if counted:  # the null sender is no address (RFC 5228 section 5.4)
        return lambda run: counted(run, sum(1 for value in values(run) if value))
    return lambda run: matched(run, values(run))


def _none(_run: Run) -> tuple[str, ...]:
    return ()


# A path without its brackets, as lenient about its words as mail servers are (RFC 5321 section 4.1.2).
_PATH = re.compile(
    r"""
      ( "(?:[^"\\]|\\.)*" | [^\s()<>@,;:\\"\[\]]+ )
    @ ( [^\s()<>@,;:\\"\[\]]+ | \[ [^\s\\\[\]]* \] )
    """,
    re.VERBOSE | re.DOTALL,
)
_QUOTED = re.compile(r"\\(.)", re.DOTALL)


def _part_of(address: str, tag: str) -> str | None:
    """Local part (its quotes taken off) or domain. What is no address has none (RFC 5228 section 2.7.4)."""
    if "@" not in address:  # "postmaster", and the null sender
        return address if tag == ":localpart" else ""
    path = _PATH.fullmatch(address)
    if not path:
        return None
    if tag == ":domain":
        return path[2]
    return _QUOTED.sub(r"\1", path[1][1:-1]) if path[1][0] == '"' else path[1]


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
        envelope_parts=ENVELOPE_PARTS,
    ),
    Capability("encoded-character"),
    Capability("comparator-i;octet"),
    Capability("comparator-i;ascii-casemap"),
    Capability("comparator-i;ascii-numeric"),
)
