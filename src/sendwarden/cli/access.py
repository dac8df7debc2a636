"""Access tables for `mapping` and `explain`: what an answer means, and a session's steps without one."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial

from sendwarden.cli.greycopy import GreylistCopy
from sendwarden.core.decision import Decision, Message, Request, Stage, Verdict
from sendwarden.engine.access.effects import Effects, effects_of
from sendwarden.engine.access.tables import TABLES
from sendwarden.engine.channel import Channel
from sendwarden.engine.mapping.run import Result
from sendwarden.service.access import TableRun
from sendwarden.service.carried import Carried
from sendwarden.service.judge import Judge

ACCESS_TABLES = frozenset(name for names in TABLES.values() for name in names)


def effect_lines(table: str, result: Result) -> list[str]:
    """What an answer of an access table does; nothing for other tables, and for an answer without effect."""
    name = table.upper()
    return list(_lines(effects_of(name, result.flags, result.text))) if name in ACCESS_TABLES else []


def _lines(effects: Effects) -> Iterator[str]:
    if refusal := effects.refusal:
        code = refusal.code or (450 if refusal.temporary else 550)
        yield f"refuses: {code} {refusal.enhanced} {refusal.text}"
    if effects.fate.value != "accept":
        yield f"{effects.fate.value}s it{'' if effects.whole else ' for this recipient'}"
    if effects.delay_s:
        answers = "this and later answers" if effects.delays_on else "the answer"
        yield f"delays {answers} by {effects.delay_s:g} s"
    if effects.header:
        yield f"adds the header {': '.join(effects.header)}"
    if effects.sender is not None:
        yield f"makes <{effects.sender}> the envelope sender"
    for name, value in effects.fields.items():
        yield f"sets {name}: {value}"
    if effects.connection:
        yield f"tags the connection {effects.connection}"
    if effects.told or effects.tag:
        yield f"tells the event log: {' '.join(filter(None, (effects.told, effects.tag)))}"
    for flag in effects.void:
        yield f"${flag} has no effect"


@dataclass(slots=True)
class Walk:
    """The steps of a session before its message: what was asked, and what came of it."""

    greylist: GreylistCopy  # what tables may ask
    runs: list[TableRun] = field(default_factory=list)
    carried: list[Carried] = field(default_factory=list)
    refused: list[Decision] = field(default_factory=list)
    left: list[str] = field(default_factory=list)  # recipients that got through


def walk(judge: Judge, message: Message, channel: Channel, found: Walk) -> None:
    """Ask the tables of each step as a session would, up to the first refusal of all.

    Of the connection only the client's address is known here: the other fields of a probe are empty.
    """
    request = message.request
    stages = judge.tables.by_milter | judge.tables.by_policy
    steps = [(stage, "") for stage in (Stage.CONNECT, Stage.MAIL)]
    steps += [(Stage.RCPT, recipient) for recipient in request.recipients]
    asked = 0
    for stage, recipient in steps:
        asked += bool(recipient)
        those, counts = (recipient,) if recipient else (), (asked, len(found.left)) if recipient else (0, 0)
        at_step = replace(request, stage=stage, recipients=those, counts=counts)
        passed = stage not in stages or _passes(judge, at_step, channel, found)
        if not passed and not recipient:
            return
        if passed and recipient:
            found.left.append(recipient)


def _passes(judge: Judge, request: Request, channel: Channel, found: Walk) -> bool:
    """Ask about one step. Does the session go on, with this recipient?"""
    memo = judge.memo(request)
    step = partial(judge.tables.step, request, channel, judge.account(request), found.runs, memo)
    decision = found.greylist.heard(memo, step)
    if decision.verdict in (Verdict.REFUSE, Verdict.DEFER):
        found.refused.append(decision)
        return decision.watched
    found.carried.append(("".join(request.recipients), decision))
    return True
