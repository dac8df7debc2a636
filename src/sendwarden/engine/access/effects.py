"""What an access table's answer means: its flags, and their arguments out of its text.

Arguments are parted by ``|`` and taken from the text in one fixed order, wherever the flags stand:
``$N$D30|text``, ``30|text$D$N`` and ``30|$N$Dtext`` are the same. The last one, a refusal's text or
PORT_ACCESS's tag, is all that is left. Text is cleaned of control characters here, since captures may bring
them along.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from sendwarden.core.decision import Verdict
from sendwarden.core.identity import bare_address

# Flags with an argument, in the order in which these stand; letters of one group share one place.
ORDER = ("U", "J", "K", "I", "<", ">", "D", "T", "A", "X", "S", "NF")
# AUTH_REWRITE has an order and meanings of its own (AG63-bganw).
REWRITE_ORDER = ("JK", "YT", "N", "Z")
# Flags whose argument is several fields: $I names a user and a group.
PARTS: Mapping[str, int] = {"I": 2}
# Understood, and without effect: debug output, the group check of another system, a flag that no source
# explains, and no vacation replies, since we send none.
VOID = frozenset("UIS!")
# What becomes of a message that is not refused, the first that is set: verdict, and whether for all.
FATES: tuple[tuple[str, Verdict, bool], ...] = (
    ("Z", Verdict.DISCARD, True),
    ("H", Verdict.HOLD, True),
    ("V", Verdict.DISCARD, True),
    ("B", Verdict.DISCARD, False),
)
# Longest delay of one answer, in seconds: our own deadline for an answer is 1.
DELAY_S = 0.8
DELAY_UNIT_S = 0.01

UNAUTHORIZED = "unauthorized"
INVALID_ORIGINATOR = "invalid originator address used"

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_NUMBER = re.compile(r" *([+-]?)([0-9]{1,9}) *")
_HEADER = re.compile(r"([!-9;-~]+) *: *(\S.*)")
_STATUS = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}")
# A refusal's text may begin with an SMTP code and an extended one.
_SPOKEN = re.compile(r" *(?:([45][0-9]{2})(?:[ -]+|$))?(?:([45]\.[0-9]{1,3}\.[0-9]{1,3})(?: +|$))?(.*)")
_ADDRESS = re.compile(r"[^\s<>]*")


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a client is told. ``code`` is 0 where the table names none."""

    text: str
    enhanced: str
    code: int = 0

    @property
    def temporary(self) -> bool:
        return self.enhanced[0] == "4"


@dataclass(frozen=True, slots=True)
class Effects:
    """All that one answer asks for."""

    refusal: Refusal | None = None
    fate: Verdict = Verdict.ACCEPT
    whole: bool = False  # the fate is that of all recipients
    delay_s: float = 0.0
    delays_on: bool = False  # the delay holds for the later commands of the message too
    header: tuple[str, str] | None = None
    sender: str | None = None  # new envelope sender
    fields: Mapping[str, str] = field(default_factory=dict)  # header fields to set: Sender, From
    tag: str = ""  # for the event log
    connection: str = ""  # PORT_ACCESS's tag
    told: str = ""  # to tell in the event log
    void: tuple[str, ...] = ()  # flags that have no effect here


def effects_of(table: str, flags: frozenset[str], text: str) -> Effects:
    """Read one answer. Never raises: what cannot be read has no effect and is named in ``void``."""
    if not flags:
        return NOTHING
    if table == "AUTH_REWRITE":
        return _rewriting(flags, text)
    said, rest = arguments(flags, text, ORDER)
    refused = bool(flags & {"N", "F"})
    refusal = _refusal(said.get("X", ""), said.get("N") or said.get("F") or "") if refused else None
    fate, whole = _fate(flags) if not refused else (Verdict.ACCEPT, False)
    number = _NUMBER.fullmatch(said.get("D", ""))
    header = _HEADER.fullmatch(said.get("A", ""))
    sender = _sender(said["J"]) if "J" in said else None
    unread = {
        "D": "D" in said and number is None,
        "A": "A" in said and header is None,
        "J": "J" in said and sender is None,
    }
    return Effects(
        refusal,
        fate,
        whole,
        min(int(number[2]) * DELAY_UNIT_S, DELAY_S) if number else 0.0,
        number is not None and number[1] != "-",
        (header[1], header[2]) if header else None,
        sender,
        {"Sender": said["K"]} if said.get("K") else {},
        said.get("T", ""),
        rest if table == "PORT_ACCESS" and "Y" in flags and not refused else "",
        "; ".join(filter(None, (said.get("<"), said.get(">") if refused else ""))),
        tuple(sorted({flag for flag in flags if flag in VOID or unread.get(flag)})),
    )


def arguments(flags: frozenset[str], text: str, order: tuple[str, ...]) -> tuple[dict[str, str], str]:
    """The argument of each flag that is set, cleaned, and what is left of the text.

    A flag whose argument is not there has an empty one. The last of the order takes all that is left.
    """
    fields: list[str] = _CONTROL.sub(" ", text).split("|")
    found: dict[str, str] = {}
    for letters in order:
        those = [letter for letter in letters if letter in flags]
        if not those:
            continue
        parts = len(fields) if letters == ORDER[-1] else PARTS.get(letters, 1)
        taken, fields = "|".join(fields[:parts]), fields[parts:]
        found |= dict.fromkeys(those, taken.strip(" "))
    return found, "|".join(fields).strip(" ")


def _fate(flags: frozenset[str]) -> tuple[Verdict, bool]:
    found = ((verdict, whole) for flag, verdict, whole in FATES if flag in flags)
    return next(found, (Verdict.ACCEPT, False))


def _sender(text: str) -> str | None:
    """A new envelope sender, "" for the null sender; None for what is no path."""
    address = bare_address(text)
    return address if _ADDRESS.fullmatch(address) else None


def _refusal(status: str, text: str) -> Refusal:
    """A refusal by its status and text: the flag's status, else that of the text, else by the text's code."""
    spoken = _SPOKEN.fullmatch(text)
    code, in_text, words = (spoken[1] or "", spoken[2] or "", spoken[3]) if spoken else ("", "", text)
    status = status if _STATUS.fullmatch(status) and status[0] != "2" else ""
    enhanced = status or in_text or ("4.7.1" if code.startswith("4") else "5.7.1")
    agrees = code[:1] == enhanced[0]
    return Refusal(words.strip(" ") or UNAUTHORIZED, enhanced, int(code) if agrees else 0)


def _rewriting(flags: frozenset[str], text: str) -> Effects:
    said, _rest = arguments(flags, text, REWRITE_ORDER)
    if "N" in flags:
        refusal = _refusal("", said["N"])
        words = INVALID_ORIGINATOR if refusal.text == UNAUTHORIZED else refusal.text
        return Effects(Refusal(words, refusal.enhanced, refusal.code))
    new = next((said[flag] for flag in "JK" if flag in said), None)
    fields = {"Sender": said.get("Y") or said.get("T") or "", "From": said.get("Z", "")}
    sender = None if new is None else _sender(new)
    void = tuple(flag for flag in "JK" if flag in said and sender is None)
    return Effects(sender=sender, fields={name: value for name, value in fields.items() if value}, void=void)


NOTHING = Effects()
