"""Any text compiles or has problems with a place inside it, and whatever compiles runs over any message."""

from sendwarden.engine.mapping.parse import read_mappings
from sendwarden.engine.mapping.run import Mappings
from sendwarden.engine.sieve.compile import compile_script
from sendwarden.engine.sieve.ext import ADMINISTRATOR, CAPABILITIES
from sendwarden.engine.sieve.ext.mailserver import MappingCalls
from sendwarden.engine.sieve.mail import Mail
from sendwarden.engine.sieve.registry import Language
from tests.fuzz.target_mapping import World

TABLES = read_mappings("mappings", "FILTER_t\n*|* $0$Y\n").tables
LANGUAGE = Language((*CAPABILITIES, *ADMINISTRATOR), MappingCalls(Mappings(TABLES)), dialect=True)


def check(data: bytes) -> None:
    text, _, header = data.decode("utf-8", "surrogateescape").partition("\0")
    script, problems = compile_script("fuzz", text, LANGUAGE)
    lines = text.split("\n")
    for problem in problems:
        assert problem.place is not None
        assert 0 <= problem.place.line <= len(lines)
    if script is None:
        assert problems
        return
    mail = Mail(
        [("Subject", header), ("From", header), ("X", "y")], header[:50], ("a@b",), size_bytes=len(header)
    )
    plain = script.run(mail, ("a@b",), world=World())
    traced = script.run(mail, ("a@b",), world=World(), trace=True)
    assert (plain.actions, plain.error) == (traced.actions, traced.error), "a trace changes the outcome"
