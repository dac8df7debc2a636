"""engine.greylist.decide: gross's algorithm row by row, exemptions before it, weights that are complete."""

from ipaddress import ip_network

import pytest

from sendwarden.engine.greylist.clients import KEPT_S, Clients
from sendwarden.engine.greylist.decide import Exemptions, Greylister, GreylistRules, Undecided
from sendwarden.engine.greylist.line import line, value
from sendwarden.engine.greylist.question import Action, Answer, Findings, Found, Question, Word

ASKED = Question("a@example.org", "b@example.net", "192.0.2.1", "h")
NOW = 1_800_000_000.0
LISTED = Findings((Found("bl.test", 1),))
TWICE = Findings((Found("bl.test", 1), Found("other.test", 2)))
TRUSTED = Findings((Found("bl.test", 5), Found("wl.test", 0, Word.PASSED)))
CLEAN = Findings()


def ask(warden: Greylister, now: float, findings: Findings = CLEAN, asked: Question = ASKED) -> Answer:
    answer = warden.ask(asked, now)
    return warden.decide(answer, findings, now) if isinstance(answer, Undecided) else answer


def test_without_checks_everything_waits_once() -> None:
    warden = Greylister(GreylistRules())

    found = [ask(warden, NOW + later).action for later in (0, 9, 10, 11, 3600 * 6.9)]
    assert found == [Action.GREY, Action.GREY, Action.MATCH, Action.MATCH, Action.MATCH]


def test_the_reason_of_a_delay_is_the_settings() -> None:
    assert ask(Greylister(GreylistRules(grey_reason="Wait")), NOW).reason == "Wait"


@pytest.mark.parametrize("address", ["", "nonsense", "192.0.2", "192.0.2.1 "])
def test_who_names_no_client_gets_no_answer(address: str) -> None:
    warden = Greylister(GreylistRules(checks=True))
    answer = warden.ask(ASKED._replace(client_address=address), NOW)

    assert answer == Answer(Action.FAIL)
    assert len(warden.triplets) == 0


# Findings, thresholds for grey and block, what becomes of a new triplet, and of one that has waited.
ROWS: list[tuple[Findings, int, int, Action, Action]] = [
    (CLEAN, 1, 0, Action.TRUST, Action.MATCH),
    (LISTED, 1, 0, Action.GREY, Action.MATCH),
    (LISTED, 2, 0, Action.TRUST, Action.MATCH),
    (TWICE, 3, 0, Action.GREY, Action.MATCH),
    (CLEAN, 0, 0, Action.GREY, Action.MATCH),
    (TRUSTED, 0, 0, Action.TRUST, Action.MATCH),
    (LISTED, 1, 2, Action.GREY, Action.MATCH),
    (TWICE, 1, 3, Action.BLOCK, Action.BLOCK),
    (TWICE, 1, 4, Action.GREY, Action.MATCH),
    (CLEAN, 1, 4, Action.TRUST, Action.TRUST),
    (CLEAN, 0, 4, Action.GREY, Action.MATCH),
    (TRUSTED, 1, 3, Action.TRUST, Action.TRUST),
    (Findings((Found("spf", 0, Word.BLOCK, "not ours"),)), 1, 0, Action.BLOCK, Action.MATCH),
    (Findings((Found("spf", 0, Word.BLOCK), Found("wl", 0, Word.PASSED))), 1, 9, Action.TRUST, Action.TRUST),
    (Findings((Found("good.test", -2), Found("bl.test", 2))), 1, 0, Action.TRUST, Action.MATCH),
]


@pytest.mark.parametrize(("findings", "grey", "block", "new", "waited"), ROWS)
def test_grosss_algorithm(findings: Findings, grey: int, block: int, new: Action, waited: Action) -> None:
    rules = GreylistRules(checks=True, grey_threshold=grey, block_threshold=block)
    assert ask(Greylister(rules), NOW, findings).action is new

    warden = Greylister(rules)
    warden.triplets.tried(warden.keys.key("192.0.2.0", ASKED), NOW - 60)
    assert ask(warden, NOW, findings).action is waited


def test_who_waits_is_not_asked_about_unless_there_is_something_to_block() -> None:
    warden = Greylister(GreylistRules(checks=True))
    ask(warden, NOW, LISTED)

    assert warden.ask(ASKED, NOW + 60) == Answer(Action.MATCH)
    warden.use(GreylistRules(checks=True, block_threshold=3))
    assert isinstance(warden.ask(ASKED, NOW + 60), Undecided)


def test_who_is_trusted_or_blocked_is_remembered_only_where_all_are() -> None:
    for always in (False, True):
        rules = GreylistRules(checks=True, always=always)
        warden = Greylister(rules)
        ask(warden, NOW, CLEAN)
        assert (len(warden.triplets) == 1) is always
        assert (ask(warden, NOW + 60, LISTED).action is Action.MATCH) is always


def test_what_a_check_says_of_a_block_is_no_template() -> None:
    found = Findings((Found("spf", 0, Word.BLOCK, "see $Y$[x,y]"),))

    assert ask(Greylister(GreylistRules(checks=True)), NOW, found).reason == "see Y[x,y]"


EXEMPT = Exemptions((ip_network("192.0.2.0/28"),), frozenset({"eve", "x@y"}))


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (ASKED, "network"),
        (ASKED._replace(client_address="198.51.100.1", account="eve"), "account"),
        (ASKED._replace(client_address="198.51.100.1", sender="x@y"), "account"),
        (ASKED._replace(client_address="198.51.100.1", recipient="Postmaster@example.net"), "recipient"),
        (ASKED._replace(client_address="198.51.100.1", recipient="abuse"), "recipient"),
        (ASKED._replace(client_address="198.51.100.1"), ""),
        (ASKED._replace(client_address="198.51.100.1", sender="x@y", account="bob"), ""),
    ],
)
def test_exemptions(asked: Question, why: str) -> None:
    answer = ask(Greylister(GreylistRules(exempt=EXEMPT)), NOW, asked=asked)

    assert answer.exempt == why
    assert answer.action is (Action.TRUST if why else Action.GREY)


def test_a_network_that_has_waited_often_enough_waits_no_more() -> None:
    warden = Greylister(GreylistRules(exempt=Exemptions(after_passes=2)))
    for number in range(2):
        asked = ASKED._replace(sender=f"{number}@example.org")
        found = [ask(warden, NOW + later, asked=asked).action for later in (0, 9, 10)]
        assert found == [Action.GREY, Action.GREY, Action.MATCH]

    third = ASKED._replace(sender="3@example.org", client_address="192.0.2.77")
    assert ask(warden, NOW + 20, asked=third) == Answer(Action.TRUST, exempt="passes")
    assert ask(warden, NOW + 20, asked=third._replace(client_address="192.0.3.1")).action is Action.GREY
    assert ask(warden, NOW + KEPT_S + 99, asked=third).action is Action.GREY


def test_what_networks_passed_survives_a_restart() -> None:
    before, after = Clients(10), Clients(10)
    for network in ("192.0.2.0", "192.0.2.0", "198.51.100.0"):
        before.passed(network, NOW)
    after.passed("192.0.2.0", NOW + 5)  # while rows are read
    for change in before.changes(NOW):
        after.restore(change.key, dict(change.parts), NOW + 5)

    assert [after.count(network, NOW + 5) for network in ("192.0.2.0", "198.51.100.0", "x")] == [3, 1, 0]
    assert {change.key for change in after.everything()} == {"192.0.2.0", "198.51.100.0"}


def test_of_too_many_networks_the_one_seen_longest_ago_goes() -> None:
    clients = Clients(2)
    for network in ("a", "b", "a", "c"):
        clients.passed(network, NOW)

    assert [clients.count(network, NOW) for network in ("a", "b", "c")] == [2, 0, 1]
    assert [change.key for change in clients.changes(NOW) if change.drop] == ["b"]
    clients.restore("d", {0: b"short"}, NOW)
    clients.restore("e", {0: bytes(8)}, NOW)
    assert [change.key for change in clients.changes(NOW) if change.drop] == ["e"]


def test_a_network_that_is_seen_is_written_down_once_a_day() -> None:
    clients = Clients(2)
    clients.passed("a", NOW)
    list(clients.changes(NOW))
    clients.seen("a", NOW + 3600)
    assert not list(clients.changes(NOW))
    clients.seen("a", NOW + 90_000)
    assert [change.key for change in clients.changes(NOW)] == ["a"]
    assert clients.count("a", NOW + KEPT_S + 80_000) == 1


# gross.md section 6, with its own values.
LINES: list[tuple[Question, Answer, int, str]] = [
    (
        Question("uwc", "user@example.com", "129.158.87.66"),
        Answer(Action.GREY, Findings((Found("relays.test", 1),))),
        1,
        "a=greylist d=1 w=1 c=129.158.87.66 s=uwc r=user@example.com m=relays.test+1",
    ),
    (
        Question("uwc", "user@example.com", "129.158.87.66"),
        Answer(Action.MATCH),
        0,
        "a=match d=0 w=0 c=129.158.87.66 s=uwc r=user@example.com",
    ),
    (
        ASKED._replace(helo="<unknown>"),
        Answer(Action.TRUST, Findings((Found("wl.test"),))),
        3,
        "a=trust d=3 w=0 c=192.0.2.1 s=a@example.org r=b@example.net h=<unknown> m=wl.test",
    ),
    (
        ASKED._replace(sender="", helo=""),
        Answer(Action.BLOCK, TWICE),
        12,
        "a=block d=12 w=3 c=192.0.2.1 s= r=b@example.net h= m=bl.test+1 m=other.test+2",
    ),
    (
        ASKED._replace(sender="x s=y", helo='a"b\\\n'),
        Answer(Action.GREY),
        0,
        'a=greylist d=0 w=0 c=192.0.2.1 s="x s=y" r=b@example.net h="a\\"b\\\\\\u000a"',
    ),
]


@pytest.mark.parametrize(("asked", "answer", "took_ms", "expected"), LINES)
def test_the_line_is_grosss(asked: Question, answer: Answer, took_ms: int, expected: str) -> None:
    assert line(asked, answer, took_ms) == expected


@pytest.mark.parametrize("text", ["a b", "a\tb", "a\u00a0b", "a\u2028b", "a\x85b", "a\x00b"])
def test_a_value_forges_no_field(text: str) -> None:
    assert value(text).startswith('"')
    assert len(value(text).splitlines()) == 1
