"""service.reputation: what checks say within a time limit; a list in trouble weighs nothing."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.engine.reputation.findings import Finding, Said
from sendwarden.engine.reputation.health import CREDITS, REST_S, TEST_AGAIN_S, TEST_S
from sendwarden.engine.reputation.lists import DnsList
from sendwarden.service.question import Answer, Refusal
from sendwarden.service.reputation import CHECKS, About, Reputation
from sendwarden.service.reputation_desk import verbs
from tests.service.resolving import LATE, FakeResolver
from tests.stores.around import HandClock, KeptLog

BLACK = DnsList("black", "dnsbl", "bl.test")
WHITE = DnsList("white", "dnswl", "wl.test")
DOMAINS = DnsList("domains", "rhsbl", "rh.test")
GOOD = {
    **{f"2.0.0.127.{zone}": "127.0.0.2" for zone in ("bl.test", "wl.test", "s3cr3t.bl.test")},
    "test.rh.test": "127.0.0.2",
    "7.2.0.192.bl.test": "127.0.0.2",
    "8.2.0.192.bl.test": "127.0.0.9",
    "9.2.0.192.wl.test": "127.0.0.2",
    "bad.example.rh.test": "127.0.0.2",
}
CLIENT = About("192.0.2.7", "bad.example", "mail.example.org")


class Site:
    """A reputation over these lists, of which all are good to begin with."""

    def __init__(self, *lists: DnsList, zone: dict[str, str] | None = None, remembers: bool = False) -> None:
        self.resolver = FakeResolver({**GOOD, **(zone or {})}, remembers=remembers)
        self.clock, self.log = HandClock(), KeptLog()
        self.reputation = Reputation(lists, self.resolver, (self.clock, self.log))

    def test(self, *, due: bool = False) -> None:
        asyncio.run(self.reputation.test(due=due))

    def ask(
        self, about: About = CLIENT, checks: Sequence[str] = CHECKS, within_s: float = 5.0
    ) -> list[Finding]:
        async def asked() -> list[Finding]:
            return await self.reputation.begin(about, checks).finish(within_s)

        return asyncio.run(asked())


def ready(*lists: DnsList, zone: dict[str, str] | None = None, remembers: bool = False) -> Site:
    site = Site(*lists, zone=zone, remembers=remembers)
    site.test()
    site.resolver.asked.clear()
    return site


def test_each_check_says_its_own_and_only_those_asked_for_run() -> None:
    site = ready(BLACK, WHITE, DOMAINS)

    found = {one.name: one for one in site.ask()}
    assert {name: (one.said, one.weight) for name, one in found.items()} == {
        "black": (Said.LISTED, 1),
        "white": (Said.CLEAR, 0),
        "domains": (Said.LISTED, 1),
        "reverse": (Said.LISTED, 1),
        "helo": (Said.LISTED, 2),
        "spf": (Said.CLEAR, 0),
    }
    site.resolver.asked.clear()
    assert [one.name for one in site.ask(checks=("rhsbl",))] == ["domains"]
    assert site.resolver.asked == ["bad.example.rh.test"]


@pytest.mark.parametrize(
    ("about", "names"),
    [
        (About("192.0.2.7"), {"black", "white", "reverse", "helo", "spf"}),
        (About("", "bad.example"), {"domains"}),
        (About("no address", "no domain"), {"black", "white", "domains"}),
    ],
)
def test_what_is_not_there_is_not_asked_about(about: About, names: set[str]) -> None:
    site = ready(BLACK, WHITE, DOMAINS)

    found = site.ask(about)
    assert {one.name for one in found} == names
    if about.client == "no address":
        assert {one.said for one in found} == {Said.CLEAR} and not site.resolver.asked


def test_what_is_known_already_is_complete_at_once() -> None:
    site = ready(BLACK, remembers=True)
    assert not site.reputation.begin(CLIENT, {"dnsbl"}).complete
    site.ask(checks=("dnsbl",))

    inquiry = site.reputation.begin(CLIENT, {"dnsbl"})

    assert inquiry.complete and [one.weight for one in inquiry.found] == [1]


def test_before_its_first_test_a_list_says_nothing() -> None:
    site = Site(BLACK)

    (found,) = site.ask(checks=("dnsbl",))
    assert (found.said, found.weight, found.why) == (Said.UNKNOWN, 0, "not tested yet")
    assert not site.resolver.asked


def test_a_check_without_an_answer_in_time_is_unknown_and_others_count() -> None:
    site = ready(BLACK, WHITE)
    site.resolver.never.add("7.2.0.192.wl.test")

    found = site.ask(checks=("dnsbl", "dnswl"), within_s=0.05)

    assert [(one.name, one.said, one.why) for one in found] == [
        ("black", Said.LISTED, ""), ("white", Said.UNKNOWN, LATE),
    ]  # fmt: skip


def test_an_inquiry_ends_early_when_it_is_enough_but_waits_for_whitelists() -> None:
    slow = DnsList("slow", "dnsbl", "slow.test", health_check="off")
    site = ready(BLACK, WHITE, slow)
    site.resolver.never.add("7.2.0.192.slow.test")
    seen: list[tuple[int, bool]] = []

    def enough(found: Sequence[Finding], definitive: bool) -> bool:
        seen.append((sum(one.weight for one in found), definitive))
        return not definitive and sum(one.weight for one in found) >= 1

    async def asked() -> list[Finding]:
        async with asyncio.timeout(5):
            return await site.reputation.begin(CLIENT, {"dnsbl", "dnswl"}).finish(60.0, enough)

    assert {one.name for one in asyncio.run(asked())} == {"black", "white"}
    assert seen[0] == (0, True)


@pytest.mark.parametrize(
    ("zone", "why"),
    [
        ({"1.0.0.127.bl.test": "127.0.0.2"}, "lists 127.0.0.1, which no list may"),
        ({"2.0.0.127.bl.test": ""}, "does not list 127.0.0.2"),
        ({"2.0.0.127.bl.test": "127.255.255.254"}, "refuses to answer: 127.255.255.254"),
        ({"2.0.0.127.bl.test": "!SERVFAIL"}, "gave no answer to its test: SERVFAIL"),
    ],
)
def test_a_list_that_fails_its_test_is_told_and_weighs_nothing(zone: dict[str, str], why: str) -> None:
    site = ready(BLACK, zone=zone, remembers=True)

    (found,) = site.ask(checks=("dnsbl",))
    assert (found.said, found.weight) == (Said.UNKNOWN, 0) and found.why.startswith(f"out of service: {why}")
    assert not site.resolver.asked, "it is not asked any more"
    assert site.log.about("dns-list-unfit")[0].startswith("black: out of service, ")
    (status,) = site.reputation.status()
    assert status["standing"] == "out of service" and why in str(status["why"]) and not status["in_service"]


def test_a_list_that_is_repaired_comes_back_with_the_next_test() -> None:
    site = ready(BLACK, zone={"1.0.0.127.bl.test": "127.0.0.2"})
    site.resolver.zone["1.0.0.127.bl.test"] = ""
    site.clock.at += TEST_AGAIN_S - 1
    site.test(due=True)
    assert not site.resolver.asked

    site.clock.at += 1
    site.test(due=True)

    assert [one.weight for one in site.ask(checks=("dnsbl",))] == [1]
    assert [event["standing"] for name, event in site.log.events if name == "dns-list"] == [
        "out of service", "good",
    ]  # fmt: skip


def test_a_good_list_is_tested_each_hour() -> None:
    site = ready(BLACK)
    site.clock.at += TEST_S - 1
    site.test(due=True)
    assert not site.resolver.asked

    site.clock.at += 1
    site.test(due=True)
    assert "1.0.0.127.bl.test" in site.resolver.asked


def test_a_list_of_everything_counts_where_its_test_is_off_or_only_warns() -> None:
    everything = {"1.0.0.127.bl.test": "127.0.0.2"}
    off = ready(replace(BLACK, health_check="off"), zone=everything)
    warn = ready(replace(BLACK, health_check="warn"), zone=everything)

    assert [one.weight for site in (off, warn) for one in site.ask(checks=("dnsbl",))] == [1, 1]
    assert not off.log.warnings and warn.log.about("dns-list-unfit")[0].startswith("black: doubtful, lists")


@pytest.mark.parametrize("answer", ["!late", "127.255.255.254", "203.0.113.9"])
def test_a_list_that_gives_no_answers_rests_and_comes_back(answer: str) -> None:
    site = ready(BLACK, zone={f"{number}.2.0.192.bl.test": answer for number in range(100, 120)})
    for number in range(100, 100 + CREDITS):
        (found,) = site.ask(About(f"192.0.2.{number}"), ("dnsbl",))
        assert (found.said, found.weight) == (Said.UNKNOWN, 0)

    (found,) = site.ask(checks=("dnsbl",))
    assert found.why.startswith("rests for 10 s: ") and len(site.resolver.asked) == CREDITS
    assert [name for name, _ in site.log.events] == ["dns-list", "dns-list-rests"]
    assert len(site.log.about("dns-list-trouble")) == CREDITS
    (status,) = site.reputation.status()
    assert str(status["why"]).startswith("rests for") and status["failed"] == CREDITS

    site.clock.at += REST_S
    assert [site.ask(checks=("dnsbl",))[0].weight for _ in range(4)] == [1] * 4
    assert site.log.events[-1] == ("dns-list-back", {"list": "black"})


def test_while_one_question_tries_a_list_the_others_pass_it_by() -> None:
    site = ready(BLACK, zone={f"{number}.2.0.192.bl.test": "!late" for number in range(100, 120)})
    for number in range(100, 100 + CREDITS):
        site.ask(About(f"192.0.2.{number}"), ("dnsbl",))
    site.clock.at += REST_S

    async def both() -> list[Said]:
        asked = [site.reputation.begin(CLIENT, {"dnsbl"}) for _ in range(2)]
        return [(await one.finish(1.0))[0].said for one in asked]

    assert asyncio.run(both()) == [Said.LISTED, Said.UNKNOWN]


def test_what_a_resting_list_said_before_still_counts() -> None:
    trouble = {f"{number}.2.0.192.bl.test": "!late" for number in range(100, 120)}
    site = ready(BLACK, zone=trouble, remembers=True)
    site.ask(checks=("dnsbl",))
    for number in range(100, 100 + CREDITS):
        site.ask(About(f"192.0.2.{number}"), ("dnsbl",))

    assert site.reputation.begin(CLIENT, {"dnsbl"}).found[0].weight == 1
    assert site.ask(About("192.0.2.8"), ("dnsbl",))[0].why.startswith("rests")


def test_over_a_reload_a_list_that_stays_keeps_its_standing_and_a_changed_one_is_tested_anew() -> None:
    site = ready(BLACK, WHITE)
    outside = site.clock, site.log

    after = Reputation(
        [BLACK, replace(WHITE, patience_s=1.0)], site.resolver, outside, before=site.reputation
    )
    assert [one["standing"] for one in after.status()] == ["good", "not tested yet"]

    elsewhere = Reputation([BLACK], site.resolver, outside, ("192.0.2.53:53",), before=after)
    assert [one["standing"] for one in elsewhere.status()] == ["not tested yet"]


def test_how_long_an_absence_counts_is_said_by_the_zone() -> None:
    site = ready(BLACK, WHITE, zone={"bl.test": "7"})

    assert [one.route.nothing_s for one in site.reputation.watched] == [7.0, 60.0]


def test_a_key_is_told_nowhere() -> None:
    keyed = replace(BLACK, key="s3cr3t")
    site = ready(keyed, zone={"7.2.0.192.s3cr3t.bl.test": "127.255.255.254"})
    found = site.ask(checks=("dnsbl",))
    assert site.resolver.asked == ["7.2.0.192.s3cr3t.bl.test"]

    told = f"{found} {site.log} {site.reputation.status()} {site.reputation.watched}"
    assert "refuses to answer" in told and "***.bl.test" in told and "s3cr3t" not in told


ANSWERS = (
    "",
    "127.0.0.2",
    "127.0.0.9",
    "127.255.255.254",
    "203.0.113.9",
    "!late",
    "127.0.0.2 127.255.255.252",
)
NAMES = ("2.0.0.127", "1.0.0.127", "7.2.0.192", "8.2.0.192")


@given(
    st.lists(st.dictionaries(st.sampled_from(NAMES), st.sampled_from(ANSWERS)), min_size=1, max_size=6),
    st.sampled_from(("retire", "warn")),
)
def test_whatever_a_list_does_it_weighs_only_what_it_says_while_it_is_fit(
    steps: list[dict[str, str]], health_check: Literal["retire", "warn"]
) -> None:
    """Each step changes some answers, tests the list, and asks it."""
    site = ready(replace(BLACK, health_check=health_check), zone={"1.0.0.127.bl.test": ""})
    (watched,) = site.reputation.watched
    for step in steps:
        site.resolver.zone |= {f"{name}.bl.test": answer for name, answer in step.items()}
        site.clock.at += TEST_S
        site.test(due=True)
        for last in (7, 8):
            (found,) = site.ask(About(f"192.0.2.{last}"), ("dnsbl",))
            right = site.resolver.zone[f"{last}.2.0.192.bl.test"]
            assert found.weight == int(found.said is Said.LISTED) <= int(right == "127.0.0.2")
            if health_check == "retire" and (watched.health.fault or "!" in right or "255" in right):
                assert found.said is Said.UNKNOWN or not watched.health.unfit
            assert bool(found.why) is (found.said is Said.UNKNOWN)
        if site.resolver.zone["1.0.0.127.bl.test"] == "127.0.0.2":
            assert watched.health.fault and bool(watched.health.unfit) is (health_check == "retire")


def test_trouble_of_a_list_that_a_reload_took_away_is_nobodys() -> None:
    site = ready(BLACK, WHITE, zone={"7.2.0.192.bl.test": "!late"})

    async def asked() -> None:
        inquiry = site.reputation.begin(CLIENT, {"dnsbl"})
        Reputation([WHITE], site.resolver, (site.clock, site.log), before=site.reputation)
        await inquiry.finish(1.0)

    asyncio.run(asked())
    assert not site.log.warnings


def test_trouble_with_questions_of_no_list_is_told() -> None:
    site = ready(zone={"7.2.0.192.in-addr.arpa": "!SERVFAIL"})

    (found,) = site.ask(checks=("reverse",))
    assert (found.said, found.weight, found.why) == (Said.UNKNOWN, 0, "SERVFAIL")
    assert site.log.warnings == [("dns-trouble", "SERVFAIL")]


# --- the desk


def check(site: Site, subject: str) -> Answer:
    async def asked() -> Answer:
        return await verbs(lambda: site.reputation)["dnsbl-check"]({"subject": subject})

    return asyncio.run(asked())


def test_the_desk_tells_what_lists_say_in_their_order() -> None:
    site = ready(WHITE, BLACK, DOMAINS)

    answer = check(site, "192.0.2.8")
    assert [(one["name"], one["says"], one["codes"]) for one in answer["checks"]] == [
        ("white", "not listed", []), ("black", "not listed", ["127.0.0.9"]),
    ]  # fmt: skip
    answer = check(site, "Bad.example")
    assert (answer["weight"], [one["name"] for one in answer["checks"]]) == (1, ["domains"])
    with pytest.raises(Refusal, match="neither an address nor a domain"):
        check(site, "bob")


@pytest.mark.parametrize(
    ("lists", "subject", "says"),
    [
        ((), "192.0.2.7", "no list is set"),
        ((DOMAINS,), "192.0.2.7", "no list of addresses is set"),
        ((BLACK,), "bad.example", "no list of domains is set"),
    ],
)
def test_where_nothing_could_be_asked_this_is_said(
    lists: tuple[DnsList, ...], subject: str, says: str
) -> None:
    site = ready(*lists)

    answer = check(site, subject)

    assert answer["checks"] == [] and says in answer["nothing"]
