"""service.greychecks: what the checks of a site find, in the words of greylisting."""

import asyncio

import pytest

from sendwarden.engine.greylist.question import Findings, Found, Question, Word
from sendwarden.engine.reputation.findings import Finding, Said
from sendwarden.engine.reputation.lists import DnsList
from sendwarden.service.greychecks import GreyChecks, findings
from sendwarden.service.reputation import Reputation
from tests.service.resolving import FakeResolver
from tests.stores.around import HandClock, KeptLog

BLACK = DnsList("black", "dnsbl", "bl.test", health_check="off")
SECOND = DnsList("second", "dnsbl", "two.test", health_check="off")
WHITE = DnsList("white", "dnswl", "wl.test", health_check="off")
DOMAINS = DnsList("domains", "rhsbl", "rh.test", health_check="off")
ZONE = {
    "7.2.0.192.bl.test": "127.0.0.2",
    "7.2.0.192.two.test": "127.0.0.2",
    "9.2.0.192.bl.test": "127.0.0.2",
    "9.2.0.192.wl.test": "127.0.0.2",
    "8.2.0.192.bl.test": "!no answer",
    "bad.example.rh.test": "127.0.0.2",
}


def checks(*names: str, slow: tuple[str, ...] = ()) -> tuple[GreyChecks, FakeResolver]:
    resolver = FakeResolver(ZONE, remembers=True)
    resolver.never.update(slow)
    reputation = Reputation((BLACK, SECOND, WHITE, DOMAINS), resolver, (HandClock(), KeptLog()))
    return GreyChecks(reputation, names), resolver


def found(asked: GreyChecks, client: str, sender: str = "a@bad.example") -> Findings:
    async def ask() -> Findings:
        answer = asked.ask(Question(sender, "r", client))
        return answer if isinstance(answer, Findings) else await answer(0.2)

    return asyncio.run(ask())


def test_only_what_is_named_is_asked() -> None:
    for names, questions in (
        (("dnsbl",), {"7.2.0.192.bl.test", "7.2.0.192.two.test"}),
        (("second",), {"7.2.0.192.two.test"}),
        (("rhsbl", "second"), {"7.2.0.192.two.test", "bad.example.rh.test"}),
    ):
        asked, resolver = checks(*names)
        found(asked, "192.0.2.7")
        assert set(resolver.asked) == questions


def test_weights_are_complete_and_lists_stand_in_gross_order() -> None:
    asked, _ = checks("black", "dnswl", "second", "rhsbl")

    assert sorted(map(str, found(asked, "192.0.2.7").found)) == ["black+1", "domains+1", "second+1"]
    assert asked.lists == ("domains", "white", "black", "second")


def test_what_is_known_is_said_at_once() -> None:
    asked, _ = checks("black", "second")
    found(asked, "192.0.2.7")

    answer = asked.ask(Question("a", "r", "192.0.2.7"))
    assert isinstance(answer, Findings) and answer.weight == 2


def test_a_list_of_good_clients_ends_the_inquiry() -> None:
    asked, _ = checks("dnsbl", "dnswl", slow=("9.2.0.192.two.test",))

    (white,) = (one for one in found(asked, "192.0.2.9").found if one.word is Word.PASSED)
    assert white == Found("white", word=Word.PASSED)


def test_known_to_be_good_nobody_else_is_waited_for() -> None:
    asked, resolver = checks("dnsbl", "dnswl", slow=("9.2.0.192.bl.test", "9.2.0.192.two.test"))
    found(asked, "192.0.2.9")  # of which the white list's answer is remembered
    resolver.asked.clear()

    assert isinstance(asked.ask(Question("a", "r", "192.0.2.9")), Findings) and not resolver.asked


@pytest.mark.parametrize("slow", [(), ("8.2.0.192.two.test",)])
def test_who_gives_no_answer_is_named_and_weighs_nothing(slow: tuple[str, ...]) -> None:
    asked, _ = checks("dnsbl", slow=slow)

    assert found(asked, "192.0.2.8") == Findings((), ("black", "second") if slow else ("black",))


def test_a_list_that_is_not_believed_is_named() -> None:
    untested = DnsList("untested", "dnsbl", "bl.test")
    reputation = Reputation((untested, WHITE), FakeResolver(), (HandClock(), KeptLog()))

    assert GreyChecks(reputation, ("dnsbl", "dnswl")).out_of_service == ("untested",)
    assert GreyChecks(reputation, ("dnswl",)).out_of_service == ()


def test_a_block_carries_its_reason() -> None:
    said = [Finding("spf", "spf", Said.BLOCK, why="not one of ours"), Finding("helo", "helo", Said.CLEAR)]

    assert findings(said) == Findings((Found("spf", 0, Word.BLOCK, "not one of ours"),))
