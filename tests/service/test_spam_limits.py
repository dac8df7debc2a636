"""The row for mail that scanners call spam counts besides the channel's own, exactly, for each account."""

from dataclasses import replace

import pytest

from sendwarden.config.load import load
from sendwarden.core.decision import Decision, Verdict
from sendwarden.core.scan import Finding
from sendwarden.core.texts import refusal_text
from sendwarden.engine.channel import Mode
from sendwarden.engine.limits.rules import UNLIMITED, Limit, Limits, OverLimit
from sendwarden.service.limiter import SPAM_ROW, SPAM_SCORED
from tests.service.test_limits_at_work import Warden, entry, verdicts

SPAM = (Finding("s", 9.0, 5.0, spam=True),)
MANY, THREE = Limits((Limit(1, 0, 10, "c"),)), Limits((Limit(1, 0, 3, SPAM_ROW),))


def warden(limits: Limits = MANY, **settings: object) -> Warden:
    made = Warden(limits, **settings)
    made.limiter.use(replace(made.site, rows={SPAM_ROW: THREE}))
    return made


def send(made: Warden, number: int = 1, findings: tuple[Finding, ...] = SPAM) -> Decision:
    mail = made.mail(number)
    return made.judge.message(replace(mail, findings=findings))


def used(made: Warden, channel: str = SPAM_SCORED) -> int:
    meter = made.limiter.table.find(channel, "eve")
    return meter.sums(made.limiter.quantum)[0][1] if meter else 0


def test_spam_has_less_room_and_other_mail_goes_on() -> None:
    made = warden()

    assert verdicts([send(made) for _ in range(5)]) == ["accept"] * 3 + ["defer"] * 2
    assert "eve has used 3 of 3 recipients in 10m, for mail that looks like spam" in refusal_text(send(made))
    assert (used(made), used(made, "c")) == (3, 3), "what is stopped counts nowhere"
    assert verdicts([send(made, findings=()) for _ in range(8)]) == ["accept"] * 7 + ["defer"]


def test_room_comes_back_when_it_is_said() -> None:
    made = warden()
    send(made, 3)
    frees_in = send(made).reasons[-1].numbers["frees_in"]
    assert isinstance(frees_in, int)

    made.later(frees_in - 31)
    assert send(made).verdict is Verdict.DEFER
    made.later(60)
    assert send(made, 3).verdict is Verdict.ACCEPT


def test_what_the_channels_own_limit_stops_takes_no_room_from_spam() -> None:
    made = warden(Limits((Limit(1, 0, 2, "c"),)))

    assert verdicts([send(made) for _ in range(4)]) == ["accept"] * 2 + ["defer"] * 2
    assert used(made) == 2


def test_what_is_only_held_is_counted_by_the_channel() -> None:
    made = warden(over_limit=OverLimit(Verdict.HOLD))

    assert verdicts([send(made, 3), send(made, 2)]) == ["accept", "hold"]
    assert (used(made), used(made, "c")) == (3, 5)


def test_while_watching_it_passes_and_is_told() -> None:
    made = warden(mode=Mode.WATCH)
    send(made, 3)
    decision = send(made)

    assert (decision.verdict, decision.in_effect) == (Verdict.DEFER, Verdict.ACCEPT)


@pytest.mark.parametrize("limits", [UNLIMITED, None])
def test_on_a_channel_without_limits_spam_is_its_filters_business(limits: Limits | None) -> None:
    made = Warden(limits)
    made.limiter.use(replace(made.site, rows={SPAM_ROW: THREE}))

    assert verdicts([send(made, 3) for _ in range(3)]) == ["accept"] * 3 and used(made) == 0


def test_no_override_lets_more_spam_through() -> None:
    made = warden()
    made.limiter.set_by_hand({"eve": (entry("limits", unlimited=True).override(),)})

    assert verdicts([send(made, 3), send(made)]) == ["accept", "defer"]


def test_only_the_administrators_hear_of_it() -> None:
    made = warden()

    told = [[reason.numbers["percent"] for reason in send(made).told] for _ in range(3)]

    assert told == [[], [], [100]]


def test_the_row_is_shipped() -> None:
    row = load(None).site.rows[SPAM_ROW]

    assert [str(limit) for limit in sorted(row.limits)] == [
        "recipients 10/10m", "recipients 50/1h", "recipients 100/24h",
    ]  # fmt: skip
