"""RFC 5229: `set` with its modifiers, and the `string` test. Reading variables is `sieve.text`'s business."""

import re
from collections.abc import Callable

from sendwarden.core.ascii import ascii_lower, ascii_upper
from sendwarden.engine.sieve.registry import Capability, Parameter, Spec, Tag, Use
from sendwarden.engine.sieve.run import Run, Step, cut

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MATCH_SIGNS = re.compile(r"([*?\\])")

# Modifiers with their precedence: the highest is applied first (section 4.1). Of one precedence only one may
# stand.
MODIFIERS: dict[str, tuple[int, Callable[[str], str]]] = {
    ":lower": (40, ascii_lower),
    ":upper": (40, ascii_upper),
    ":lowerfirst": (30, lambda text: ascii_lower(text[:1]) + text[1:]),
    ":upperfirst": (30, lambda text: ascii_upper(text[:1]) + text[1:]),
    ":quotewildcard": (20, lambda text: _MATCH_SIGNS.sub(r"\\\1", text)),
    ":length": (10, lambda text: str(len(text))),
}


def whole_quotes(text: str) -> str:
    """A quoted text cut to a variable's size, and not within a quote: that would quote what follows."""
    short = cut(text)
    quotes = len(short) - len(short.rstrip("\\"))
    return short[:-1] if short != text and quotes % 2 else text


def _set(use: Use) -> Step:
    name, get, line = use.text("name"), use.text("value").get, use.line
    if name.constant is None or not _NAME.fullmatch(name.constant):
        use.problem("name", "this is not the name of a variable", "letters, digits and _, as in RESULT")
        return lambda _run: False
    variable = name.constant.lower()
    tags = [use.tag(f"precedence {number}") for number in (40, 30, 20, 10)]
    modifiers = [MODIFIERS[tag][1] for tag in tags if tag]
    if tags[2] and not tags[3]:
        modifiers.append(whole_quotes)

    def set_plain(run: Run) -> bool:
        run.set_variable(variable, get(run), line)
        return False

    def set_modified(run: Run) -> bool:
        text = get(run)
        for modify in modifiers:
            text = modify(text)
        run.set_variable(variable, text, line)
        return False

    return set_modified if modifiers else set_plain


def _string(use: Use) -> Step:
    sources = use.texts("source")
    matched, counted = use.matched(), use.matched_count()
    if counted:  # non-empty strings are counted (section 5)
        return lambda run: counted(run, sum(1 for source in sources if source.get(run)))
    if len(sources) == 1:
        get = sources[0].get
        return lambda run: matched(run, (get(run),))
    return lambda run: matched(run, [source.get(run) for source in sources])


CAPABILITIES = (
    Capability(
        "variables",
        (
            Spec(
                "set",
                "command",
                _set,
                (Parameter("name", "string"), Parameter("value", "string")),
                tags=tuple(Tag(tag, f"precedence {number}") for tag, (number, _) in MODIFIERS.items()),
            ),
            Spec(
                "string",
                "test",
                _string,
                (Parameter("source", "strings"), Parameter("keys", "strings")),
                matching=True,
            ),
        ),
    ),
)
