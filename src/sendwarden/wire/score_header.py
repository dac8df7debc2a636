"""Score headers that filters before us write: SpamAssassin's, rspamd's, plain numbers and stars. No I/O.

X-Spam-Status: Yes, score=15.3 required=5.0 tests=A,B
X-Spamd-Result: default: True [16.20 / 15.00]; A(1.00)[]; B(2.00)[]
X-Spam-Score: 15.3
X-Spam-Level: ***************
"""

import re
from dataclasses import dataclass

# Letters that are looked at: the numbers stand at the beginning, then names of rules.
LETTERS = 4096
MAX_SYMBOLS = 500

_NUMBER = r"[-+]?\d{1,9}(?:\.\d{1,9})?"
_FORMS = tuple(
    re.compile(form, re.ASCII | re.IGNORECASE)
    for form in (
        rf"(?:yes|no)\s*,\s*(?:score|hits)=({_NUMBER})(?:\s+required=({_NUMBER}))?(?=\s|$)",
        rf"[\w.-]{{1,64}}:\s*(?:true|false)\s*\[({_NUMBER})\s*/\s*({_NUMBER})\]",
        rf"({_NUMBER})(?:\s*/\s*({_NUMBER}))?(?=\s|$)",
    )
)
_STARS = re.compile(r"\*{0,1000}")
_TESTS = re.compile(r"\btests=([A-Za-z0-9_,\s]{1,2000})", re.ASCII)
_RESULTS = re.compile(r";\s*([A-Z0-9_]{1,100})\(", re.ASCII)
_NAME = re.compile(r"[A-Z0-9_]{2,100}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ScoreHeader:
    """``threshold`` None: the header does not say it."""

    score: float
    threshold: float | None = None
    symbols: tuple[str, ...] = ()


def read_score(value: str) -> ScoreHeader | None:
    """The score in a header's value as it was sent; None: it holds none in a form that is known."""
    text = value[:LETTERS].strip()
    for form in _FORMS:
        if found := form.match(text):
            threshold = float(found[2]) if found[2] else None
            return ScoreHeader(float(found[1]), threshold, _symbols(text))
    if _STARS.fullmatch(text):
        return ScoreHeader(float(len(text)))
    return None


def _symbols(text: str) -> tuple[str, ...]:
    tests = _TESTS.search(text)
    names = _NAME.findall(tests[1]) if tests else _RESULTS.findall(text)
    return tuple(names[:MAX_SYMBOLS])
