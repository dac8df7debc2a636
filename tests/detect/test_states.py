"""The account's state: what it takes to rise and to fall, and what no outsider can do to it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.core.account import State
from sendwarden.core.event import ComplaintSource, Outcome, SubmissionEvent
from sendwarden.detect import evidence
from sendwarden.detect.breaker import LEAST, Breaker
from sendwarden.detect.explain import counterfactual, line
from sendwarden.detect.families import CAPS, FAMILIES, OUTCOMES, Family
from sendwarden.detect.finding import Finding
from sendwarden.detect.probe import STRANGERS, let_through
from sendwarden.detect.profile import Profile
from sendwarden.detect.site import SiteContext
from sendwarden.detect.states import CONTAINED_AFTER_S, JITTER, RANK, called_for, factor
from tests.detect.around import AWAY, DAY, HOUR, MINUTE, OFFICE, START, Site, with_past


def evidence_of(**families: float) -> list[float]:
    bits = [0.0] * len(FAMILIES)
    for name, value in families.items():
        bits[Family[name]] = value
    return bits


@pytest.mark.parametrize(
    ("bits", "facts", "state"),
    [
        ({"ACCESS": 4.9}, 0, State.NORMAL),
        ({"ACCESS": 7}, 0, State.WATCHED),
        ({"REJECTIONS": 9}, 9, State.WATCHED),  # one family, whatever it says
        ({"ACCESS": 7, "NOVELTY": 3}, 0, State.WATCHED),  # two of context
        ({"ACCESS": 7, "NOVELTY": 5}, 0, State.THROTTLED),  # which say all they can
        ({"ACCESS": 4, "NOVELTY": 3, "RATE": 2}, 0, State.THROTTLED),  # three agree
        ({"ACCESS": 7, "NOVELTY": 5, "RATE": 5, "CHANGES": 5}, 0, State.THROTTLED),  # context never holds
        ({"ACCESS": 6, "CONTENT": 3}, 1, State.WATCHED),  # one fact of outcome may be chance
        ({"ACCESS": 6, "CONTENT": 3}, 2, State.WATCHED),
        ({"ACCESS": 6, "CONTENT": 3}, 3, State.THROTTLED),
        ({"ACCESS": 7, "CONTENT": 7}, 2, State.THROTTLED),  # two families take three facts
        ({"ACCESS": 7, "CONTENT": 7}, 3, State.HELD),
        ({"ACCESS": 7, "NOVELTY": 5, "CONTENT": 3}, 1, State.THROTTLED),
        ({"ACCESS": 7, "NOVELTY": 5, "CONTENT": 3}, 2, State.HELD),
        ({"ACCESS": 7, "NOVELTY": 5, "RATE": 5, "CONTENT": 3}, 2, State.CONTAINED),
        ({"REJECTIONS": 9, "CONTENT": 7, "ACCESS": 2.4}, 2, State.HELD),
    ],
)
def test_what_evidence_calls_for(bits: dict[str, float], facts: float, state: State) -> None:
    assert called_for(evidence_of(**bits), facts, 1.0, 0.0) is state


def test_two_families_contain_after_ten_minutes_of_being_held() -> None:
    bits = evidence_of(REJECTIONS=9, CONTENT=7, ACCESS=2.45)
    assert called_for(bits, 2, 1.0, CONTAINED_AFTER_S) is State.CONTAINED


@given(st.lists(st.floats(0, 9), min_size=len(FAMILIES), max_size=len(FAMILIES)), st.floats(0, 9))
def test_without_outcome_nobody_is_held_and_more_evidence_never_calls_for_less(
    drawn: list[float], facts: float
) -> None:
    bits = [min(each, cap) for each, cap in zip(drawn, CAPS, strict=True)]
    context = [0.0 if Family(family) in OUTCOMES else each for family, each in enumerate(bits)]

    assert RANK[called_for(context, facts, 1.0, 0.0)] <= RANK[State.THROTTLED]
    assert RANK[called_for(context, facts, 1.0, 0.0)] <= RANK[called_for(bits, facts, 1.0, 0.0)]


@given(st.text(max_size=20), st.integers(0, 60))
def test_thresholds_differ_by_account_and_month_within_a_fifth(account: str, month: int) -> None:
    site = SiteContext(b"key")
    at = month * 30 * DAY

    drawn = factor(site, account, at)

    assert 1 - JITTER <= drawn <= 1 + JITTER and drawn == factor(site, account, at + DAY)
    assert (
        drawn != factor(site, account, at + 30 * DAY) != factor(SiteContext(b"else"), account, at + 30 * DAY)
    )


@given(
    st.lists(
        st.tuples(st.sampled_from(Family), st.floats(-9, 9), st.floats(-9, 9), st.floats(0, DAY)), max_size=30
    )
)
def test_evidence_stays_between_nothing_and_its_caps_and_halves_in_a_day(
    findings: list[tuple[Family, float, float, float]],
) -> None:
    profile = Profile("bob", START)
    at = START
    for family, quiet, bulk, later in findings:
        at += later
        evidence.decay(profile, at)
        evidence.add(profile, Finding(family, quiet, bulk, "rate"), at)
    assert all(0 <= bits <= cap for bits, cap in zip(profile.quiet, CAPS, strict=True))

    before = evidence.score(profile)
    evidence.decay(profile, at + DAY)

    assert evidence.score(profile) == pytest.approx(before / 2, abs=0.3)


def test_time_that_runs_backwards_changes_nothing() -> None:
    profile = Profile("bob", START)
    evidence.decay(profile, START)
    evidence.add(profile, Finding(Family.ACCESS, 4, 4, "rate"), START)

    evidence.decay(profile, START - DAY)

    assert evidence.score(profile) == 4


def test_an_event_from_long_ago_is_taken_for_as_late_as_the_one_before() -> None:
    site = with_past()
    blast(site, 3)
    before = evidence.score(site.profile())
    site.tell(SubmissionEvent(5.0, "bob", "old", recipients=("x@far.example",)))

    assert evidence.score(site.profile()) >= before - 3


# --- whole accounts


def blast(site: Site, messages: int = 6) -> None:
    for _ in range(messages):
        site.send(20, origin=AWAY, score=9.0, invalid=5)


def test_a_stolen_account_is_held_within_few_messages_with_its_reasons() -> None:
    site = with_past()
    blast(site, 3)

    assert site.profile().state in (State.HELD, State.CONTAINED)
    (held,) = [change for change in site.changes if change.after is State.HELD][:1]
    says = line(held.after, held.why)
    assert says.startswith(f"held: {held.why.bits:.1f} bits = ") and "used from VN (AS64510)" in says
    assert counterfactual(held.after, held.why).startswith("without ")
    assert held.why.bits == pytest.approx(sum(family.bits for family in held.why.families), abs=0.5)


def test_the_class_list_of_300_passes() -> None:
    site = with_past()
    for _ in range(5):
        site.send([f"student{number}@example.org" for number in range(300)], origin=OFFICE)
        site.at += HOUR

    assert site.changes == []


def test_the_newsletter_passes_with_its_bounces_and_complaints() -> None:
    site = with_past()
    for issue in range(3):
        for number in range(600):
            reader = f"reader{number}@far.example"
            message = site.send([reader], origin=OFFICE, score=3.8, invalid=int(number % 25 == issue))
            if number == 300:
                site.complain(ComplaintSource.ARF, message.message)
        site.at += DAY

    assert all(RANK[change.after] <= RANK[State.WATCHED] for change in site.changes)


def test_a_state_is_left_below_60_percent_of_its_threshold_for_two_hours_and_contained_never() -> None:
    site = with_past()
    for values in (site.profile().quiet, site.profile().bulk):
        values[Family.ACCESS], values[Family.NOVELTY], values[Family.RATE] = 7, 5, 3
    site.login()
    assert site.profile().state is State.THROTTLED

    site.wait(12 * HOUR)
    assert site.profile().state is State.THROTTLED
    site.wait(5 * DAY)
    assert [change.after for change in site.changes] == [State.THROTTLED, State.WATCHED, State.NORMAL]

    site.profile().state = State.CONTAINED
    site.wait(30 * DAY)
    assert site.profile().state is State.CONTAINED


def test_no_outsider_makes_a_victim_look_stolen() -> None:
    """Failed logins, forged complaints, bounces of forged mail, alone and together, for days."""
    site = with_past()
    for number in range(400):
        site.login(success=False, origin=AWAY)
        site.complain(tuple(ComplaintSource)[number % 3], None if number % 2 else f"forged{number}")
        forged = site.send(account="mallory", deliver=False)
        for message, outcome in ((forged.message, Outcome.BOUNCED), (f"x{number}", Outcome.BOUNCED)):
            site.outcome(type(forged)(site.at, "bob", message), f"v{number}@far.example", outcome, "5.1.1")
        site.at += 10 * MINUTE
    site.send(["friend1@far.example"])

    assert site.profile().state is State.NORMAL and evidence.score(site.profile()) < 2


def test_the_breaker_stops_holding_and_waits_for_a_human() -> None:
    breaker = Breaker()
    assert all(breaker.allows(START + number, 500) for number in range(LEAST))
    assert not breaker.allows(START + 60, 500) and breaker.tripped_at == START + 60
    assert not breaker.allows(START + 90 * DAY, 500)
    breaker.reset()
    assert breaker.allows(START + 91 * DAY, 500)

    large = Breaker()
    assert all(large.allows(START, 5000) for _ in range(50)) and not large.allows(START, 5000)
    slow = Breaker()
    assert all(slow.allows(START + number * 60, 500) for number in range(500))


def test_what_the_breaker_stops_is_throttled() -> None:
    site = with_past()
    site.machine.breaker.tripped_at = site.at
    blast(site)

    assert site.profile().state is State.THROTTLED
    assert all(RANK[change.after] <= RANK[State.THROTTLED] for change in site.changes)


@pytest.mark.parametrize(
    ("state", "strangers", "waiting", "now"),
    [
        (State.WATCHED, 300, 0, 300),
        (State.THROTTLED, 300, 0, STRANGERS),
        (State.THROTTLED, 300, 3, STRANGERS - 3),
        (State.THROTTLED, 2, 0, 2),
        (State.THROTTLED, 300, 9, 0),
        (State.HELD, 1, 0, 0),
    ],
)
def test_the_probe_hold_lets_a_few_strangers_at_a_time(
    state: State, strangers: int, waiting: int, now: int
) -> None:
    assert let_through(state, strangers, waiting) == now
