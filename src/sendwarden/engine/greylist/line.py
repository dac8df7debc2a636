"""The line of a decision in gross's own form, for programs that read its log.

Only where a value could be taken for more than one field is it written differently: in quotes, with
backslashes, which gross's own lines never have.
"""

import re

from .question import NOTHING, Answer, Question

_PLAIN = re.compile(r"[^\s\x00-\x1f\x7f\"\\]*")
_ESCAPED = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\"\\]")


def line(asked: Question, answer: Answer, took_ms: int) -> str:
    """``a=greylist d=0 w=1 c=192.0.2.1 s=a@example.org r=b@example.net h=example.org m=bl.example+1``."""
    plain = _PLAIN.fullmatch(f"{asked.client_address}{asked.sender}{asked.recipient}{asked.helo}")
    if plain and answer.findings is NOTHING:  # nearly all are
        helo = "" if asked.helo is None else f" h={asked.helo}"
        return (
            f"a={answer.action.value} d={took_ms} w=0 "
            f"c={asked.client_address} s={asked.sender} r={asked.recipient}{helo}"
        )
    names = f"c={value(asked.client_address)} s={value(asked.sender)} r={value(asked.recipient)}"
    found = answer.findings.found
    said = f"a={answer.action.value} d={took_ms} w={answer.findings.weight if found else 0} {names}"
    if asked.helo is not None:
        said += f" h={value(asked.helo)}"
    return said + "".join([f" m={value(str(one))}" for one in found])


def value(text: str) -> str:
    """A value that ends where it seems to."""
    if _PLAIN.fullmatch(text):
        return text
    return '"' + _ESCAPED.sub(_escape, text) + '"'


def _escape(found: re.Match[str]) -> str:
    letter = found[0]
    return f"\\{letter}" if letter in '"\\' else f"\\u{ord(letter):04x}"
