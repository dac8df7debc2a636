"""rspamd's HTTP protocol: the fields of a question to ``/checkv2`` and its answer in JSON. No I/O.

Source: rspamd's documentation, "Protocol". HTTP frames both. Symbols that hit are the keys of an object.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .base import ProtocolError, json_object

PATH = "/checkv2"
# An answer with a few hundred symbols and their options takes some tens of thousand bytes.
MAX_ANSWER_BYTES = 1024 * 1024
MAX_SYMBOLS = 500
# Of a question: a head has its limits, and rules look at the first few recipients.
MAX_RECIPIENTS = 50
MAX_FIELD_LETTERS = 500
# Scores beyond this are no scores.
LARGEST_SCORE = 1e9
# Actions from which mail is spam to rspamd.
SPAM_ACTIONS = frozenset({"add header", "rewrite subject", "reject", "quarantine", "discard"})
_KNOWN_ACTIONS = SPAM_ACTIONS | {"no action", "greylist", "soft reject"}
_SYMBOL = re.compile(r"[A-Za-z0-9_.:-]{1,100}", re.ASCII)
_NOT_IN_FIELDS = re.compile(r"[^!-~]+")


@dataclass(frozen=True, slots=True)
class RspamdAnswer:
    """rspamd's verdict.

    ``threshold`` is the score of its action "add header", or of "reject" where it tells no other.
    """

    spam: bool
    score: float
    threshold: float
    action: str
    symbols: tuple[str, ...] = ()


def question_fields(values: Mapping[str, str], recipients: Sequence[str]) -> list[tuple[str, str]]:
    """HTTP fields; what is empty is left out, and what cannot stand in a field becomes "?"."""
    pairs = [*values.items(), *(("Rcpt", recipient) for recipient in recipients[:MAX_RECIPIENTS])]
    return [(name, _NOT_IN_FIELDS.sub("?", value)[:MAX_FIELD_LETTERS]) for name, value in pairs if value]


def decode_answer(body: bytes) -> RspamdAnswer:
    """Raises `ProtocolError`, in one sentence."""
    found = json_object(body, MAX_ANSWER_BYTES)
    if "error" in found:
        raise ProtocolError("it answers with an error")
    action = found.get("action")
    if found.get("is_skipped") is True and action == "no action":
        raise ProtocolError("it skipped the message")
    if not isinstance(action, str) or action not in _KNOWN_ACTIONS:
        raise ProtocolError('"action" is none that is known')
    score = _number(found.get("score"), "score")
    thresholds = found.get("thresholds")
    wanted = thresholds.get("add header") if isinstance(thresholds, dict) else None
    threshold = _number(found.get("required_score") if wanted is None else wanted, "required_score")
    if threshold <= 0:
        raise ProtocolError("its threshold makes all mail spam")
    return RspamdAnswer(action in SPAM_ACTIONS, score, threshold, action, _symbols(found.get("symbols")))


def _number(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ProtocolError(f'"{name}" is no number')
    if not (abs(value) <= LARGEST_SCORE and math.isfinite(value)):  # 1e999 is read as infinity
        raise ProtocolError(f'"{name}" is no score')
    return float(value)


def _symbols(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, dict):
        raise ProtocolError('"symbols" is not an object')
    return tuple(name for name in value if _SYMBOL.fullmatch(name))[:MAX_SYMBOLS]
