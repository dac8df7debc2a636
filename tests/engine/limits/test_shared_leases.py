"""What a shared meter may spend without asking: what it holds, and no longer than it may."""

import pytest

from sendwarden.engine.limits.rules import RECIPIENTS, Counts, Limit, Limits
from sendwarden.engine.limits.shared import BORROWED_FOR, Answer, NeedsRoom, SharedMeter

NOW = 1000
ONE = Counts(recipients=1)


def limits(most: int) -> Limits:
    return Limits((Limit(RECIPIENTS, 1, most, "test"),))


def test_what_was_borrowed_is_spent_within_its_time_or_not_at_all() -> None:
    meter = SharedMeter(limits(100), "out\neve")
    meter.version = 0
    with meter.heard(answered=False):
        assert meter.take(NOW, ONE).over is None
    assert meter.take(NOW, ONE).over is None, "of the ten that were borrowed"
    later = NOW + BORROWED_FOR + 1
    assert not (meter.ready(later) and meter.quick(later, 0, 1))
    with pytest.raises(NeedsRoom):
        meter.take(later, ONE)


def test_a_lower_limit_leaves_nothing_of_an_old_lease() -> None:
    meter = SharedMeter(limits(50), "out\neve")
    question = meter.question(NOW, [ONE])
    meter.learn(question, Answer(Counts(recipients=6), NOW - 20, (), ((NOW, Counts(recipients=19)),)))
    with meter.heard(answered=True):
        assert meter.take(NOW, ONE).over is None
    meter.use(limits(20))
    with pytest.raises(NeedsRoom):
        meter.take(NOW, ONE)
