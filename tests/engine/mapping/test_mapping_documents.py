"""The document's own tables and filter: the test vectors of messaging-server.md, section 2."""

import time
from collections.abc import Callable

import pytest

from sendwarden.engine.mapping.callouts import IMAGES, Images
from sendwarden.engine.mapping.check_metermaid import Routine
from sendwarden.engine.mapping.run import Mappings
from sendwarden.engine.meters.options import read_options
from sendwarden.engine.sieve.compile import compile_script
from sendwarden.engine.sieve.ext import ADMINISTRATOR, CAPABILITIES
from sendwarden.engine.sieve.ext.mailserver import MappingCalls
from sendwarden.engine.sieve.mail import Mail
from sendwarden.engine.sieve.registry import Language
from sendwarden.stores.memory import MemoryMeters
from tests.engine.mapping.worlds import EXAMPLES, TestWorld, entries, outcome, scan, tables


def gross(answer: Callable[[list[str]], str | None]) -> Images:
    """The library of gross, which may leave its last argument empty or out (its source, grosscheck.c)."""
    names = ("server", "other server", "port", "client", "recipient", "sender", "helo")
    routine = Routine(lambda _world, arguments: answer(arguments), names, rescan=True, optional=1)
    return {**IMAGES, "grosscheck.so": {"grosscheck": routine}}


def document(name: str, images: Images = IMAGES) -> Mappings:
    return tables((EXAMPLES / name / "mappings").read_text(), images)


def document_world() -> TestWorld:
    options, problems = read_options(
        "metermaid.options", (EXAMPLES / "authspam" / "metermaid.options").read_text()
    )
    assert problems == []
    return TestWorld(meters=MemoryMeters(options))


@pytest.fixture
def spammer() -> TestWorld:
    """Fifty counted messages of eve's within the hour."""
    world = document_world()
    found = document("authspam")
    for _ in range(50):
        assert outcome(found.scan("FILTER_limitauthspam", "eve@example.org|v@ex.net", world)) == (
            "eve@example.org|v@ex.net",
            "",
        )
        world.now += 60
    return world


@pytest.mark.parametrize("recipient", ["is-spam", "not-spam", "abuse", "postmaster", "ABUSE"])
def test_the_documents_limit_exempts_some_recipients(spammer: TestWorld, recipient: str) -> None:
    result = document("authspam").scan(
        "FILTER_limitauthspam", f"eve@example.org|{recipient}@example.net", spammer
    )

    assert outcome(result) == ("", "N")


def test_the_documents_limit_leaves_others_alone(spammer: TestWorld) -> None:
    probe = "bob@example.org|x@example.net"

    assert outcome(document("authspam").scan("FILTER_limitauthspam", probe, spammer)) == (probe, "")


def test_the_documents_limit_names_the_sender_at_the_51st_message_in_an_hour(spammer: TestWorld) -> None:
    found = document("authspam")

    result = found.scan("filter_LIMITAUTHSPAM", "EVE@example.org|v@ex.net", spammer)

    assert outcome(result) == ("EVE@example.org", "Y")
    (note,) = spammer.notes
    assert (note.id, note.numbers["key"], note.numbers["hits"]) == ("meter-over", "EVE@example.org", 50)
    assert note.numbers["frees_in"] == 600  # the first was counted 50 minutes ago


def test_the_documents_limit_lets_one_more_through_when_the_first_is_an_hour_old(spammer: TestWorld) -> None:
    found = document("authspam")
    spammer.now += 600

    assert not found.scan("FILTER_limitauthspam", "eve@example.org|v@ex.net", spammer).yes
    assert found.scan("FILTER_limitauthspam", "eve@example.org|v@ex.net", spammer).yes


def test_the_null_sender_is_never_counted_by_the_documents_limit() -> None:
    world, found = document_world(), document("authspam")

    for _ in range(60):
        assert outcome(found.scan("FILTER_limitauthspam", "|v@ex.net", world)) == ("|v@ex.net", "")

    assert (len(world.meters.tables["limitauthspam"]), world.warnings) == (0, [])


GREY = "$X4.4.3|$NPlease$ try$ again$ later"


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        pytest.param("$Y", ("", "Y"), id="trusted"),
        pytest.param(GREY, ("4.4.3|Please try again later", "NXY"), id="grey"),
        pytest.param("$N", ("", "NY"), id="blocked"),
        pytest.param("$NBad$ reputation", ("Bad reputation", "NY"), id="blocked, with a reason"),
        pytest.param(None, ("", "Y"), id="silent"),
    ],
)
def test_the_documents_greylist_hands_on_what_gross_says(answer: str | None, result: tuple[str, str]) -> None:
    asked: list[list[str]] = []

    def say(arguments: list[str]) -> str | None:
        asked.append(arguments)
        return answer

    found = document("greylist", gross(say))
    scanned = found.scan("FILTER_GREYLIST", "129.158.87.66|user@example.com|uwc", TestWorld())

    assert outcome(scanned) == result
    assert asked == [["129.158.87.192", "", "5525", "129.158.87.66", "user@example.com", "uwc", ""]]


@pytest.mark.parametrize(
    ("client", "text"), [("10.1.2.3", ""), ("192.0.2.1", "EXTERNAL")], ids=["internal", "external"]
)
def test_port_access_by_an_internal_networks_table(client: str, text: str) -> None:
    found = tables(
        "PORT_ACCESS\n\n  *|*|*|*|*  $C$|INTERNAL_IP;$3|$Y$E\n  *  $YEXTERNAL\n\n"
        "INTERNAL_IP\n\n  $(10.0.0.0/8)  $Y\n  *  $N\n"
    )

    result = found.scan("PORT_ACCESS", f"TCP|192.0.2.25|587|{client}|51539", TestWorld())

    assert outcome(result) == (text, "Y")


def test_the_case_of_a_local_part_alone() -> None:
    assert outcome(scan(entries("*@*  $\\$0$_@$1$Y"), "BOB@EX.Org")) == ("bob@EX.Org", "Y")


@pytest.mark.parametrize(
    ("sender", "recipient"),
    [
        pytest.param("eve@x", '"a|is-spam@b"@y', id="in the recipient"),
        pytest.param('"x|abuse@"@x', "v@y", id="in the sender"),
    ],
)
def test_a_bar_in_an_address_exempts_nobody_in_the_documents_filter(sender: str, recipient: str) -> None:
    world, found = document_world(), document("authspam")
    language = Language((*CAPABILITIES, *ADMINISTRATOR), MappingCalls(found), dialect=True)
    script, problems = compile_script(
        "authspam.filter", (EXAMPLES / "authspam" / "authspam.filter").read_text(), language
    )
    assert script and problems == []
    mail = Mail([("X-Spam-Score-Internal", "****")], sender, (recipient,))

    refused = [bool(script.run(mail, (recipient,), world=world).actions) for _ in range(51)]

    assert refused == [False] * 50 + [True]


# --- numbers


def test_a_million_letters_of_probes_are_no_work() -> None:
    found = document("authspam")
    world, started = document_world(), time.process_time()

    for number in range(250):
        found.scan("FILTER_limitauthspam", f"{number}@example.org|{'|a@' * 1300}", world)

    assert time.process_time() - started < 5
