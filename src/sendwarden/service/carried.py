"""What access tables decide in the middle of a message and a milter can only do at its end.

A milter may answer RCPT, but hold, discard or change a message only when it is there. So what MAIL and each
RCPT brought is carried to the end and joined with what the filters decide.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from sendwarden.core.decision import Decision, Reason, Verdict
from sendwarden.service.rulings import joined

_REFUSALS = (Verdict.REFUSE, Verdict.DEFER)


# Recipients that a decision was about, "" for all of them, and the decision.
Carried = tuple[str, Decision]


def with_carried(decision: Decision, earlier: Sequence[Carried], recipients: Iterable[str]) -> Decision:
    """The decision at the end of a message, with what came before it.

    A message that is refused at its end is not delivered at all, so that nothing earlier matters.
    """
    if not earlier:
        return decision
    those = [
        (recipient, one) for recipient, one in earlier if one.changes or one.verdict is not Verdict.ACCEPT
    ]
    if not those or decision.verdict in _REFUSALS:
        return decision
    refused = next((one for _name, one in those if one.verdict in _REFUSALS), None)
    if refused:  # by AUTH_REWRITE, at the end as well
        return replace(refused, told=decision.told)
    gone = [name for name, one in those if name and not one.whole and one.verdict is Verdict.DISCARD]
    whole = [one.verdict for name, one in those if one.whole or not name]
    if gone and not {*recipients} - {*decision.refused, *decision.discarded, *gone}:
        whole.append(Verdict.DISCARD)  # nobody is left
    return replace(
        decision,
        verdict=_verdict(decision.verdict, whole),
        reasons=(*_once(reason for _recipient, one in those for reason in one.reasons), *decision.reasons),
        discarded=tuple(dict.fromkeys((*decision.discarded, *gone))),
        reference=decision.reference
        or next((one.reference for _recipient, one in those if one.reference), ""),
        watched=decision.watched or any(one.watched for _recipient, one in those),
        headers=tuple(dict.fromkeys(header for _recipient, one in those for header in one.headers)),
        fields=tuple({name: value for _recipient, one in those for name, value in one.fields}.items()),
        new_sender=next((one.new_sender for _r, one in reversed(those) if one.new_sender is not None), None),
    )


def _verdict(at_end: Verdict, earlier: list[Verdict]) -> Verdict:
    """Of a hold and a discard the hold counts, as between filters: what is kept can still be thrown away."""
    if Verdict.DISCARD in earlier and Verdict.HOLD not in (at_end, *earlier):
        return Verdict.DISCARD
    return joined((at_end, *earlier))


def _once(reasons: Iterable[Reason]) -> list[Reason]:
    found: list[Reason] = []
    for reason in reasons:
        if reason not in found:
            found.append(reason)
    return found
