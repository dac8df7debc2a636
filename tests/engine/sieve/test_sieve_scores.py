"""RFC 5235: what `spamtest` and `virustest` say of findings."""

import pytest

from sendwarden.core.scan import Finding
from tests.engine.sieve.scripts import compiled, mail

HEAD = (
    'require ["spamtest", "spamtestplus", "virustest", "relational", "comparator-i;ascii-numeric"];\n'
    "if {} {{ discard; }}"
)
NUMBER = ':comparator "i;ascii-numeric"'
HALF, VIRUS, CLEAN = Finding("s", 2.5, 5.0), Finding("c", virus="Eicar"), Finding("c", virus="")
SILENT = Finding("s", failed="down")


@pytest.mark.parametrize(
    ("test", "findings", "holds"),
    [
        ('spamtest "0"', (), True),
        ('spamtest "0"', (SILENT,), True),
        ('spamtest "5"', (HALF,), True),
        (f'spamtest :value "ge" {NUMBER} "6"', (HALF,), False),
        (f'spamtest :percent :value "eq" {NUMBER} "50"', (HALF,), True),
        (f'spamtest :percent :count "eq" {NUMBER} "0"', (SILENT, CLEAN), True),
        (f'spamtest :percent :count "eq" {NUMBER} "1"', (HALF,), True),
        ('virustest "0"', (HALF,), True),
        ('virustest "1"', (CLEAN,), True),
        (f'virustest :value "ge" {NUMBER} "4"', (CLEAN, VIRUS), True),
    ],
)
def test_the_value_is_what_scanners_found(test: str, findings: tuple[Finding, ...], *, holds: bool) -> None:
    message = mail()
    message.findings = findings
    script = compiled(HEAD.format(test))

    assert script.facts.scores
    assert bool(script.run(message, ("v@x.example",)).actions) is holds


def test_percent_belongs_to_spamtestplus() -> None:
    with pytest.raises(AssertionError, match="spamtestplus"):
        compiled('require "spamtest"; if spamtest :percent "0" { discard; }')
