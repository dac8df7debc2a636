"""A notice about a limit: true for whatever happens over it, and one that names the account and the limit."""

from dataclasses import replace
from email import message_from_bytes

import pytest

from sendwarden.core.decision import Decision, Reason, Verdict
from sendwarden.core.limit_words import FOLLOWS
from sendwarden.engine.channel import Mode
from sendwarden.engine.limits.incoming import IncomingRules
from sendwarden.engine.limits.rules import Limit, Limits, OverLimit
from sendwarden.service.conclude import Conclusions
from sendwarden.service.notices import share_notice
from tests.service.outside import FakeLedger, Posted
from tests.service.test_limits_at_work import FIVE, Warden, verdicts
from tests.stores.around import HandClock, KeptLog

TEN = Limits((Limit(1, 1, 10, "ten"),))
ADMINISTRATORS = ("post@example.org",)

# What a channel does over a limit, and what its notice says of it.
ACTIONS: dict[str, tuple[OverLimit, str]] = {
    "defer": (OverLimit(), "is deferred until there is room again, and refused for good where one message"),
    "refuse": (OverLimit(Verdict.REFUSE), "is refused until there is room again"),
    "hold": (OverLimit(Verdict.HOLD), "waits in the mail server's hold queue"),
    "discard": (OverLimit(Verdict.DISCARD), "is accepted and thrown away"),
    "slow": (OverLimit(Verdict.ACCEPT, delay_s=0.8), "passes all the same, but each answer"),
    "filter": (OverLimit(Verdict.ACCEPT, transport="slow:"), 'by another way of the mail server ("slow:")'),
}


def notices(warden: Warden, *decisions: Decision) -> list[tuple[str, str, str]]:
    """To whom, subject, and text on one line, of all that these decisions lead to."""
    outbox = Posted()
    site = replace(warden.site, administrators=ADMINISTRATORS, host="mail.example.org")
    conclusions = Conclusions(HandClock(), KeptLog(), FakeLedger(), outbox)
    for decision in decisions:
        conclusions.tell(warden.mail().request, decision, site)
    told = []
    for notice in outbox.notices:
        parsed = message_from_bytes(notice.message)
        told.append((notice.recipient, parsed["Subject"], " ".join(str(parsed.get_payload()).split())))
    return told


def test_every_action_has_its_words() -> None:
    assert {over.name: name for name, (over, _says) in ACTIONS.items()} == {name: name for name in FOLLOWS}


@pytest.mark.parametrize("action", ACTIONS)
def test_a_notice_says_what_the_channel_does_over_the_limit(action: str) -> None:
    over, says = ACTIONS[action]
    warden = Warden(TEN, over_limit=over)

    (half,) = notices(warden, warden.message(5))
    (full,) = notices(warden, warden.message(5))

    assert half[:2] == ("eve@example.org", "eve: 50 % used of the limit of 10 recipients in 1h")
    assert "When the limit is reached, mail beyond it " in half[2] and says in half[2]
    assert full[:2] == ("post@example.org", "eve reached the limit of 10 recipients in 1h")
    assert "eve has used 10 of 10 recipients in 1h, on channel c. Mail beyond the limit " in full[2]
    assert says in full[2] and full[2].startswith("14 Nov 22:13 UTC: ")
    assert full[2].endswith("https://help.example.org")


@pytest.mark.parametrize("ask", ["message", "recipient"])
def test_while_a_channel_only_watches_nobody_is_written_to(ask: str) -> None:
    warden = Warden(TEN, mode=Mode.WATCH)
    told = [warden.message(1) if ask == "message" else warden.recipient(f"m{n}") for n in range(12)]

    assert [reason.numbers["percent"] for one in told for reason in one.told] == [50, 80, 100]
    assert notices(warden, *told) == []


def test_a_limit_that_refuses_before_it_is_reached_says_so() -> None:
    warden = Warden(TEN)
    told = [warden.message(1), warden.message(10)]

    assert verdicts(told) == ["accept", "defer"]
    (notice,) = notices(warden, *told)
    assert notice[1] == "eve: no room for 10 more at once, limit 10 recipients in 1h"
    assert "1 of 10 recipients in 1h, on channel c, and had no room for 10 more at once." in notice[2]


def test_a_limit_of_bytes_is_told_in_units_that_people_read() -> None:
    warden = Warden(Limits((Limit(4, 2, 3 << 20, "large"),)))
    told = warden.judge.message(replace(warden.mail(), size_bytes=3 << 20))

    (notice,) = notices(warden, told)
    assert notice[1] == "eve reached the limit of 3 MiB of mail in 1d"


def test_a_limit_that_is_presumed_while_counts_are_read_is_never_told() -> None:
    warden = Warden(Limits((Limit(1, 1, 10, "ten", presumed=True),)))

    assert warden.message(11).told == ()


# Whether the site's incoming rules only watch, its channels do, and how many notices there are.
MODES = [(False, False, 1), (False, True, 1), (True, False, 0), (True, True, 0)]


@pytest.mark.parametrize(("watched", "channel_watches", "number"), MODES)
def test_incoming_mail_has_words_and_a_mode_of_its_own(
    watched: bool, channel_watches: bool, number: int
) -> None:
    warden = Warden(FIVE, mode=Mode.WATCH if channel_watches else Mode.ENFORCE)
    rows = {"incoming-mailbox": Limits((Limit(0, 0, 2, "incoming-mailbox"),))}
    site = replace(warden.site, incoming=IncomingRules(rows, watched=watched, verdict=Verdict.HOLD))
    warden.limiter.use(site)
    warden.judge.site = site
    mail = warden.mail(sender="a@x.example", who="outside")
    mail = replace(mail, request=replace(mail.request, recipients=("bob@example.org",)))

    told = notices(warden, *(warden.judge.message(mail) for _ in range(3)))

    assert len(told) == number
    for recipient, subject, text in told:
        assert recipient == "post@example.org"
        assert subject == "Mail for bob@example.org reached the limit of 2 messages in 10m"
        assert "2 of 2 messages in 10m came for bob@example.org. Mail beyond the limit is acc" in text


def test_no_name_of_an_account_can_add_a_field() -> None:
    numbers: dict[str, str | int | float] = {"account": "eve\r\nBcc: all@x.example", "channel": "c"}
    numbers |= {"counted": "recipients", "most": 1, "used": 1, "percent": 100, "window": 600}
    reason = Reason("limit-share", {**numbers, "action": "defer", "watched": False})

    parsed = message_from_bytes(share_notice(reason, "p@x.example", "h", "", 1.0).message)

    assert parsed["Bcc"] is None and parsed["Subject"].startswith("eve Bcc: all@x.example reached")
