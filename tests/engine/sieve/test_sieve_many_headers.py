"""Whoever writes a message chooses how many headers and recipients it has: their product must stay cheap."""

import pytest

from sendwarden.engine.sieve.compile import Script, compile_script
from sendwarden.engine.sieve.mail import Mail
from sendwarden.engine.sieve.outcome import Reject
from tests.engine.sieve.scripts import PLAIN

MANY = [("X-Spam", "no")] * 150 + [("X-Spam", "****"), ("From", "Eve <eve@example.org>")]


@pytest.mark.parametrize("headers", [MANY, MANY[-2:]], ids=["many", "few"])
def test_a_test_made_once_for_all_recipients_says_the_same_to_each(headers: list[tuple[str, str]]) -> None:
    """Match variables among what it says."""
    compiled = script_of(
        'require ["variables", "envelope", "reject"];\n'
        'if header :contains "X-Spam" "****" { if header :matches "From" "*<*>" {\n'
        '  if envelope :matches "to" "*@*" { if address :matches "From" "*@*" { reject "${1}${2}"; } }\n'
        '  else { reject "${2}"; } } }'
    )
    mail = Mail(headers, "", ("a@b.example", "c@d.example", "no address"))
    actions = [action for to in mail.recipients for action in compiled.run(mail, (to,)).actions]
    said = [action.text for action in actions if isinstance(action, Reject)]
    assert said == ["eveexample.org", "eveexample.org", "eve@example.org"]


def test_many_headers_are_looked_at_once_for_all_recipients() -> None:
    compiled = script_of('if header :contains "X-Spam" "****" { keep; }')
    mail = Mail(MANY)
    for _ in range(3):
        compiled.run(mail, ("a@b.example",))
    assert len(mail.outcomes) == 1


def script_of(text: str) -> Script:
    compiled, problems = compile_script("a.filter", text, PLAIN)
    assert compiled is not None, problems
    return compiled
