"""Each family of evidence: what gives bits, and what gives none."""

from dataclasses import replace
from ipaddress import ip_address

import pytest

from sendwarden.core.account import State
from sendwarden.core.event import ComplaintSource, Origin, Outcome
from sendwarden.detect import evidence
from sendwarden.detect.families import CAPS, FAMILIES, Family
from tests.detect.around import AWAY, DAY, HOME, MINUTE, NEAR, OFFICE, OWN, Site, with_past


def bits(site: Site, family: Family, account: str = "bob") -> float:
    return round(evidence.acted_on(site.profile(account))[family], 2)


def reasons(site: Site, account: str = "bob") -> set[str]:
    return {told.reason for told in site.profile(account).told}


def test_an_ordinary_past_leaves_nothing_against_anybody() -> None:
    site = with_past()

    assert not any(site.profile().quiet) and site.changes == []


# --- R


def test_recipients_that_do_not_exist_weigh_more_the_more_there_are_of_them() -> None:
    site = with_past()
    site.send(10, origin=AWAY, invalid=1)
    once = bits(site, Family.REJECTIONS)
    site.send(10, origin=AWAY, invalid=5)

    assert 0 < once < bits(site, Family.REJECTIONS) <= CAPS[Family.REJECTIONS]


@pytest.mark.parametrize("dsn", ["4.4.1", "5.2.2", "5.3.0", "5.5.0"])
def test_what_is_temporary_full_or_broken_elsewhere_says_nothing(dsn: str) -> None:
    site = with_past()
    message = site.send(3, origin=AWAY, deliver=False)

    for recipient in message.recipients:
        site.outcome(message, recipient, Outcome.BOUNCED, dsn)

    assert not bits(site, Family.REJECTIONS)


def test_one_message_is_one_list() -> None:
    small, large = with_past(), with_past()
    small.send(12, origin=AWAY, invalid=2)
    large.send(240, origin=AWAY, invalid=2)

    assert bits(large, Family.REJECTIONS) < bits(small, Family.REJECTIONS) / 5


def test_an_address_that_bounces_again_and_again_counts_once_a_day() -> None:
    site = with_past()
    for _ in range(20):
        site.send(["gone@far.example"], invalid=1)
        site.at += 5 * MINUTE

    assert bits(site, Family.REJECTIONS) < 3


def test_old_contacts_that_are_gone_are_rot_in_an_address_book() -> None:
    site = with_past()
    strangers = with_past()
    friends = [f"friend{number}@far.example" for number in range(4)]

    site.send(friends, invalid=4)
    strangers.send(4, invalid=4)

    assert bits(site, Family.REJECTIONS) < bits(strangers, Family.REJECTIONS) / 3


def test_a_bounce_of_a_message_that_is_not_ours_says_nothing() -> None:
    site = with_past()
    message = replace(site.send(1, origin=AWAY, deliver=False), message="forged")

    for number in range(20):
        site.outcome(message, f"x{number}@far.example", Outcome.BOUNCED, "5.1.1")

    assert not bits(site, Family.REJECTIONS)


def test_a_refusal_for_policy_counts_until_it_turns_out_that_the_whole_site_is_listed() -> None:
    site = Site()
    for account in ("bob", "eve", "joe"):
        site.at = 1_700_006_400.0 + len(site.machine.profiles)
        site.past(account=account)

    for account in ("bob", "eve"):
        message = site.send(["a@gmail.example"], account=account, deliver=False)
        site.outcome(message, "a@gmail.example", Outcome.REJECTED, "5.7.1")
    assert bits(site, Family.REJECTIONS, "bob") > 1 and bits(site, Family.REJECTIONS, "eve") > 1

    message = site.send(["a@gmail.example"], account="joe", deliver=False)
    site.outcome(message, "a@gmail.example", Outcome.REJECTED, "5.7.1")

    assert not any(bits(site, Family.REJECTIONS, account) > 0.5 for account in ("bob", "eve", "joe"))


# --- C


def test_scores_weigh_by_how_usual_they_are_and_no_score_says_nothing() -> None:
    site = with_past()
    site.send(origin=AWAY, score=None)
    assert not bits(site, Family.CONTENT)

    site.send(origin=AWAY, score=4.0)
    near = bits(site, Family.CONTENT)
    site.send(origin=AWAY, score=9.0)

    assert 0 < near <= 1 and 3 < bits(site, Family.CONTENT) <= 4


def test_mail_that_is_sent_on_under_srs_is_left_out_of_r_c_i_n_and_v() -> None:
    site = with_past()
    for _ in range(60):
        site.send(
            3,
            header="spam@else.example",
            envelope=f"SRS0=aa=T7=else.example=spam@{OWN}",
            score=12.0,
            invalid=2,
        )

    assert not any(site.profile().quiet)


def test_a_thief_cannot_hide_behind_an_srs_address() -> None:
    site = with_past()
    site.send(3, origin=AWAY, envelope=f"SRS0=aa=T7=else.example=spam@{OWN}", score=12.0)

    assert bits(site, Family.CONTENT) > 2


# --- F


@pytest.mark.parametrize("source", ComplaintSource)
def test_a_complaint_counts_only_about_a_message_that_the_account_sent(source: ComplaintSource) -> None:
    site = with_past()
    site.past(1, account="eve")
    others = site.send(account="eve")
    for message in (None, "forged", others.message):
        for _ in range(30):
            site.complain(source, message)
    hearsay = bits(site, Family.FEEDBACK)

    site.complain(source, site.send(origin=AWAY).message)

    assert hearsay <= 1.5 and bits(site, Family.FEEDBACK) >= hearsay + 3


def test_complaints_about_much_honest_mail_to_many_are_expected() -> None:
    site = with_past()
    list_of = [f"reader{number}@far.example" for number in range(1000)]
    messages = [site.send([reader]) for reader in list_of]
    for number in (5, 500, 900):
        site.complain(ComplaintSource.ARF, messages[number].message)

    assert bits(site, Family.FEEDBACK) < 2 and site.profile().state is State.NORMAL


# --- I


def test_a_foreign_from_counts_once_and_an_alias_little() -> None:
    site = with_past()
    site.send(origin=AWAY, header="minister@gov.example")
    first = bits(site, Family.IDENTITY)
    site.send(origin=AWAY, header="minister@gov.example")
    assert first == pytest.approx(bits(site, Family.IDENTITY), abs=0.01) and first >= 2.9

    other = with_past()
    other.send(header=f"team@{OWN}")
    assert bits(other, Family.IDENTITY) == 1.0
    other.wait(2 * DAY)
    other.send(header=f"team@{OWN}")
    other.wait(3 * DAY)
    other.send(header=f"team@{OWN}")
    assert bits(other, Family.IDENTITY) < 0.5


# --- G


def test_a_new_country_counts_once_a_day_and_a_login_alone_half() -> None:
    site = with_past()
    site.login(origin=AWAY)
    login = bits(site, Family.ACCESS)
    site.send(origin=AWAY)
    sent = bits(site, Family.ACCESS)
    site.send(origin=AWAY)

    assert 0 < login < sent and sent == pytest.approx(bits(site, Family.ACCESS), abs=0.1)


def test_the_journey_from_home_within_minutes_is_told_as_impossible() -> None:
    site = with_past()
    site.send(["friend1@far.example"], origin=HOME)
    site.send(origin=AWAY)

    assert {"new-country", "impossible-journey", "two-places"} <= reasons(site)


def test_travel_and_vpn_alone_warn_and_never_throttle() -> None:
    site = with_past()
    for number in range(30):
        origin = (AWAY, NEAR, HOME, Origin(ip_address("198.18.0.1"), "BR", 64530))[number % 4]
        site.send([f"friend{number % 8}@far.example"], origin=origin)
        site.at += 7 * MINUTE

    assert bits(site, Family.ACCESS) > 6
    assert {change.after for change in site.changes} <= {State.WATCHED}


def test_a_place_becomes_known_when_nothing_came_of_it_by_the_next_day() -> None:
    site = with_past()
    site.send(["friend1@far.example"], origin=NEAR)
    site.wait(1.5 * DAY)
    before = bits(site, Family.ACCESS)

    site.send(["friend1@far.example"], origin=NEAR)

    assert bits(site, Family.ACCESS) <= before


def test_a_thief_who_only_logged_in_days_before_is_no_friend_yet() -> None:
    site = with_past()
    site.login(origin=AWAY)
    site.wait(3 * DAY)

    site.send(5, origin=AWAY)

    assert bits(site, Family.ACCESS) >= 2.9


def test_where_colleagues_are_at_home_a_new_place_weighs_half() -> None:
    site = with_past()
    for number in range(6):
        site.at = 1_700_006_400.0 + 100 * number
        site.past(account=f"colleague{number}", origin=NEAR)
    site.send(origin=NEAR)
    elsewhere = with_past()
    elsewhere.send(origin=NEAR)

    assert bits(site, Family.ACCESS) < bits(elsewhere, Family.ACCESS) * 0.7


def test_who_often_turns_up_somewhere_new_is_measured_by_that() -> None:
    site, mover = with_past(), with_past()
    mover.profile().moves = 6
    for each in (site, mover):
        each.send(origin=AWAY)

    assert bits(mover, Family.ACCESS) < bits(site, Family.ACCESS) / 2


def test_an_unknown_origin_is_never_penalised() -> None:
    site = with_past()
    for _ in range(5):
        site.login(origin=Origin())
        site.send(["friend1@far.example"], origin=Origin())

    assert not bits(site, Family.ACCESS)


def test_a_webmail_that_shows_only_itself_says_nothing() -> None:
    site = with_past()
    site.send(["friend1@far.example"], origin=Origin(ip_address("10.0.9.9")), channel="webmail")

    assert not bits(site, Family.ACCESS)


def test_addresses_of_a_botnet_are_told_from_those_of_a_phone() -> None:
    site = with_past()
    for number in range(60):
        site.send(origin=Origin(ip_address(0x50000000 + number * 65536), "CH", 64600 + number))

    assert "many-prefixes" in reasons(site)


# --- V


def test_a_burst_counts_from_abroad_and_not_from_where_mail_to_many_may_come() -> None:
    abroad, office = with_past(), with_past()
    for _ in range(60):
        abroad.send(1, origin=AWAY)
        office.send(1, origin=OFFICE)

    assert bits(abroad, Family.RATE) > 1 and not bits(office, Family.RATE)


# --- N


def test_a_list_of_strangers_says_more_than_one_of_them() -> None:
    one, many = with_past(), with_past()
    one.send(1, origin=AWAY)
    many.send(20, origin=AWAY)

    assert 0 < bits(one, Family.NOVELTY) <= 1 and bits(many, Family.NOVELTY) >= 3


def test_who_writes_to_strangers_all_day_is_measured_by_that() -> None:
    recruiter = Site()
    for day in range(6):
        for _ in range(20):
            recruiter.send(1, origin=HOME)
        recruiter.at = 1_700_006_400.0 + (day + 1) * DAY
    recruiter.send(1, origin=AWAY)
    other = with_past()
    other.send(1, origin=AWAY)

    assert bits(recruiter, Family.NOVELTY) < bits(other, Family.NOVELTY) / 2


# --- X


def test_colleagues_at_one_conference_make_no_evidence_of_each_other() -> None:
    site = Site()
    names = [f"user{number}" for number in range(6)]
    for number, name in enumerate(names):
        site.at = 1_700_006_400.0 + number * 100
        site.past(account=name)
    for name in names:
        for number in range(3):
            site.send([f"friend{number}@far.example"], account=name, origin=AWAY)

    assert all(not bits(site, Family.INFRASTRUCTURE, name) for name in names)


def test_the_address_of_a_stolen_account_counts_against_the_next_one() -> None:
    site = Site()
    for number, name in enumerate(("bob", "eve")):
        site.at = 1_700_006_400.0 + number * 100
        site.past(account=name)
    for _ in range(6):
        site.send(20, origin=AWAY, score=12.0, invalid=6)
    assert site.profile("bob").state in (State.HELD, State.CONTAINED)

    site.send(1, account="eve", origin=AWAY)

    assert bits(site, Family.INFRASTRUCTURE, "eve") >= 4
    site.send(["friend1@far.example"], account="eve", origin=HOME)
    assert not site.machine.site.incident(int(ip_address("192.0.2.7")), site.at)


# --- P


def test_mail_to_a_phishers_reply_address_counts() -> None:
    site = with_past()
    site.machine.site.phishers = frozenset(("verify@phish.example",))
    site.send(["Verify@phish.example"])

    assert bits(site, Family.PHISHERS) == 6


# --- A, and dictionary attacks


def test_a_rule_that_is_set_from_a_new_place_weighs_more() -> None:
    home, away = with_past(), with_past()
    home.change("mailForwardingAddress", HOME)
    away.change("mailForwardingAddress", AWAY)
    away.change("userPassword", AWAY)

    assert bits(home, Family.CHANGES) == 1 and bits(away, Family.CHANGES) == 3


def test_guesses_and_then_success_from_a_new_network_count_and_guesses_alone_do_not() -> None:
    site = with_past()
    for _ in range(30):
        site.login(success=False, origin=AWAY)
    assert not any(site.profile().quiet)

    site.login(origin=AWAY)

    assert "guessed" in reasons(site)


def test_a_device_at_home_that_keeps_an_old_password_is_no_guesser() -> None:
    site = with_past()
    for _ in range(200):
        site.login(success=False, origin=HOME)
    site.login(origin=NEAR)

    assert "guessed" not in reasons(site)


def test_an_address_that_tries_many_accounts_and_gets_in_counts_against_the_one_it_got() -> None:
    site = with_past()
    site.past(1, account="eve")
    for number in range(12):
        site.login(success=False, account=f"user{number}", origin=AWAY)
    site.login(origin=AWAY)

    assert "sprayed" in reasons(site)
    assert set(site.machine.profiles) == {"bob", "eve"}  # nobody can fill our memory with names


def test_every_family_has_a_row_in_its_place() -> None:
    assert [row.family for row in FAMILIES] == list(Family)
