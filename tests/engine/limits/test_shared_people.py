"""Distinct and new recipients where several processes count together: each knows those of its own."""

import pytest

from sendwarden.engine.limits.people import Known
from sendwarden.engine.limits.rules import DISTINCT, NEW, RECIPIENTS, Counts, Limit, Limits
from sendwarden.engine.limits.shared import Answer, NeedsRoom, SharedMeter

NOW = 1000
ONE = Counts(recipients=1)


def _meter(*limits: Limit) -> SharedMeter:
    meter = SharedMeter(Limits(limits), "out\neve")
    meter.roll(NOW)
    assert meter.people
    meter.people.known = Known("eve")
    return meter


@pytest.mark.parametrize("counter", [DISTINCT, NEW])
def test_a_limit_of_people_needs_no_room_that_others_give(counter: int) -> None:
    meter = _meter(Limit(counter, 0, 3, "test"))
    assert [meter.take(NOW, ONE, (name,)).over is None for name in (1, 2, 3, 4, 1)] == [
        True, True, True, False, True,
    ]  # fmt: skip
    assert meter.used(meter.limits.limits[0], NOW) == 3


def test_nothing_is_counted_until_there_is_room() -> None:
    meter = _meter(Limit(RECIPIENTS, 0, 50, "test"), Limit(DISTINCT, 0, 2, "test"))
    with pytest.raises(NeedsRoom):
        meter.take(NOW, ONE, (1,))
    assert meter.people and not meter.people.names

    question = meter.question(NOW, [ONE])
    assert question.want == ONE, "room is asked for recipients alone"
    meter.learn(question, Answer(Counts(recipients=5), NOW - 20, (), ()))
    with meter.heard(answered=True):
        assert meter.take(NOW, ONE, (1,)).over is None
    assert meter.take(NOW, ONE, (2,)).over is None
    over = meter.take(NOW, ONE, (3,)).over
    assert over and over.limit.counter == DISTINCT
    assert meter.recipients == 2
