"""The document's table over every answer of grossd's, and every way in which the call can fail."""

from dataclasses import dataclass, field

import pytest

from sendwarden.engine.mapping.grosscheck import read_call
from sendwarden.engine.meters.keys import MeterError
from sendwarden.engine.world import GreylistCall
from tests.engine.mapping.worlds import EXAMPLES, TestWorld, codes, read, tables

DOCUMENTS = (EXAMPLES / "greylist" / "mappings").read_text()
PROBE = "192.0.2.1|eve@example.org|uwc"


@dataclass(slots=True)
class GreyWorld(TestWorld):
    """Whose greylisting answers as told."""

    __test__ = False

    answer: str | None = None
    asked: list[GreylistCall] = field(default_factory=list)

    def greylist(self, call: GreylistCall) -> str | None:
        self.asked.append(call)
        return self.answer


# What the server says, and whether the table holds, and its text (gross.md section 1).
ANSWERS: list[tuple[str | None, bool, str]] = [
    ("$X4.4.3|$NPlease$ try$ again$ later", True, "4.4.3|Please try again later"),
    ("$NBad$ reputation", True, "Bad reputation"),
    ("$Y", True, ""),
    (None, True, ""),  # it falls to the last line
]


@pytest.mark.parametrize(("answer", "yes", "text"), ANSWERS)
def test_the_documents_table(answer: str | None, yes: bool, text: str) -> None:
    world = GreyWorld(answer=answer)
    result = tables(DOCUMENTS).scan("FILTER_GREYLIST", PROBE, world)

    assert (result.yes, result.text) == (yes, text)
    (call,) = world.asked
    assert (call.servers, call.port) == (("129.158.87.192",), 5525)
    assert (call.client_address, call.recipient, call.sender) == ("192.0.2.1", "eve@example.org", "uwc")
    assert call.helo is None


def test_the_order_is_the_codes_not_the_manuals() -> None:
    call = read_call(["192.0.2.5", "192.0.2.6", "5525", "198.51.100.1", "to@x", "from@y", "mail.example"])

    assert (call.servers, call.recipient, call.sender) == (("192.0.2.5", "192.0.2.6"), "to@x", "from@y")
    assert call.helo == "mail.example"


def test_no_sender_is_the_null_sender_and_a_bad_second_server_is_none() -> None:
    call = read_call(["192.0.2.5", "elsewhere", "5525", "a", "b", ""])

    assert (call.servers, call.sender, call.helo) == (("192.0.2.5",), "<>", None)


NO_SERVER = [("", "5525"), ("mail.example.org", "5525"), ("::1", "5525")]
NO_PORT = [("192.0.2.5", "0"), ("192.0.2.5", "x"), ("192.0.2.5", ""), ("192.0.2.5", "65536")]


@pytest.mark.parametrize(("server", "port"), [*NO_SERVER, *NO_PORT])
def test_a_call_that_names_no_server_fails(server: str, port: str) -> None:
    with pytest.raises(MeterError):
        read_call([server, "", port, "a", "b", "c"])


@pytest.mark.parametrize("more", [",$0,$1", ",$0,$1,$2,$3,$4"])
def test_too_few_or_too_many_arguments_are_told_when_the_table_is_read(more: str) -> None:
    text = f"T\n*|*|*|*|* $[IMTA_LIB:grosscheck.so,grosscheck,192.0.2.5,,5525{more}]$Y\n"

    assert codes(read(text)) == ["SW212"]


def test_where_nobody_can_wait_the_call_fails_and_that_is_told() -> None:
    world = TestWorld()
    result = tables(DOCUMENTS).scan("FILTER_GREYLIST", PROBE, world)

    assert (result.yes, result.text) == (True, "")
    assert [warning for warning, _ in world.warnings] == ["callout-failed"]
