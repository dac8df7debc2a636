"""``sendwarden explain MESSAGE``: the real judge on one message, over a copy of the counts, step by step.

It decides exactly as the daemon would at this moment; nothing is counted, nothing is sent, no reference given
out.
"""

import argparse
import re
import sys
from dataclasses import dataclass, field, replace
from functools import partial
from ipaddress import ip_address
from pathlib import Path

from sendwarden.cli.access import Walk, effect_lines, walk
from sendwarden.cli.configuration import NoSettings, add_config, copied_meters, load_configuration
from sendwarden.cli.desk import copied_limiter
from sendwarden.cli.exits import CANNOT, GOOD, NO
from sendwarden.cli.greycopy import GreylistCopy
from sendwarden.cli.mapping import entry_lines, meter_lines
from sendwarden.cli.output import Output
from sendwarden.cli.pasted import command_for
from sendwarden.cli.probe import NoReference, WallClock, Warnings, WatchedMeters
from sendwarden.cli.room import Room, over_lines
from sendwarden.cli.words import not_known
from sendwarden.config.load import Loaded
from sendwarden.core.decision import Decision, Message, Request, Stage, Verdict
from sendwarden.core.errors import SendwardenError, StoreDown
from sendwarden.core.identity import bare_address
from sendwarden.core.texts import refusal_text, sentence
from sendwarden.engine.channel import OTHER, Channel
from sendwarden.engine.greylist.line import line as grey_line
from sendwarden.engine.greylist.question import Answer as GreyAnswer
from sendwarden.engine.greylist.question import Question as GreyQuestion
from sendwarden.frontends.milter import CHECKS_WITHIN_S
from sendwarden.service.allowance import Allowance
from sendwarden.service.carried import with_carried
from sendwarden.service.judge import Heard, Judge, ScriptRun
from sendwarden.service.ports import Outside

_BLANK = re.compile(r"\s")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
# A header field: its name, and its value without the blanks before it (RFC 5322 sections 2.2 and 3.6.8).
_HEADER = re.compile(r"([!-9;-~]+)[ \t]*:[ \t]*(.*)", re.DOTALL)
# Stands where a refusal has its reference.
NOT_GIVEN_OUT = "SW-......"
# No mail server takes larger ones.
MESSAGE_BYTES = 512 * 1024 * 1024
HEADER_SIGNS = len(": \r\n")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument("message", help="a file with the message, headers first; - is standard input")
    parser.add_argument(
        "--from", dest="sender", default="", help="envelope sender; left out, the null sender"
    )
    parser.add_argument(
        "--to", dest="recipients", action="append", default=[], help="envelope recipient; may repeat"
    )
    parser.add_argument("--login", default="", help="the name the sender authenticated with")
    parser.add_argument("--client", default="", help="IP address of the client; left out, a local program")
    parser.add_argument("--channel", default="", help="judge as if it came by this channel")
    parser.add_argument("--listener", default="", help="the socket it came by, as [listen] names it")


class NotPossible(SendwardenError):
    """The command line asks for something that cannot be."""


@dataclass(slots=True)
class Explanation:
    """A decision with the way to it."""

    message: Message
    channel: Channel
    decision: Decision
    runs: list[ScriptRun]
    meters: WatchedMeters
    warnings: Warnings
    walked: Walk  # the access tables
    at_mail: Decision | None = None  # what was decided at MAIL, where only watching let it go on
    room: Room | None = None  # None: it never comes to the limits
    greylisted: list[tuple[GreyQuestion, GreyAnswer]] = field(default_factory=list)


def run(arguments: argparse.Namespace, output: Output) -> int:
    try:
        loaded = load_configuration(arguments)
        request = to_request(arguments, loaded)
        found = explain(loaded, to_message(_read(arguments.message), request), arguments.channel)
    except (NoSettings, StoreDown, NotPossible) as error:
        output.error(str(error))
        return CANNOT
    _show(found, output)
    if not loaded.usable:
        check = command_for(arguments.config)("check")
        output.error(f"The configuration has errors, so that the daemon would not use it: {check}")
    plain = found.at_mail is None and not found.walked.refused
    return GOOD if plain and found.decision.verdict is Verdict.ACCEPT else NO


def _read(name: str) -> bytes:
    try:
        if name == "-":
            raw = sys.stdin.buffer.read(MESSAGE_BYTES + 1)
        else:
            with Path(name).open("rb") as file:
                raw = file.read(MESSAGE_BYTES + 1)
    except OSError as error:
        raise NotPossible(f"{name}: {error.strerror}") from None
    if len(raw) > MESSAGE_BYTES:
        raise NotPossible(f"{name}: a message of more than {MESSAGE_BYTES} bytes is not read")
    return raw


def to_request(arguments: argparse.Namespace, loaded: Loaded) -> Request:
    """The envelope. Raises `NotPossible` for one that no mail server could hand over."""
    if not arguments.recipients or not all(map(bare_address, arguments.recipients)):
        raise NotPossible("a message has at least one recipient: --to bob@example.org")
    for address in (arguments.sender, *arguments.recipients):
        if _BLANK.search(_QUOTED.sub("", address.strip())):
            raise NotPossible(f'"{address}" is no address: a blank stands in quotes, as in "a b"@example.org')
    listeners = [*loaded.settings.listen.milter, *loaded.settings.listen.policy]
    if arguments.listener and arguments.listener not in listeners:
        raise NotPossible(not_known("socket", arguments.listener, listeners))
    try:
        ip_address(arguments.client or "127.0.0.1")
    except ValueError:
        raise NotPossible(f'"{arguments.client}" is not an IP address') from None
    return Request(
        Stage.END_OF_MESSAGE,
        arguments.listener or (listeners or [""])[0],
        client_address=arguments.client,
        login=arguments.login,
        sender=bare_address(arguments.sender),
        recipients=tuple(dict.fromkeys(map(bare_address, arguments.recipients))),
    )


def to_message(raw: bytes, request: Request) -> Message:
    """A message file as a mail server would hand it over: header pairs, a body, and the size of both."""
    lines = raw.replace(b"\r\n", b"\n").split(b"\n")
    headers: list[tuple[str, str]] = []
    at = 1 if lines[0].startswith(b"From ") else 0  # a mailbox file's own line
    for line in lines[at:]:
        text = line.decode("utf-8", "surrogateescape")
        if headers and line[:1] in (b" ", b"\t"):
            name, value = headers[-1]
            headers[-1] = name, f"{value}\n{text}"
        elif found := _HEADER.fullmatch(text):
            headers.append((found[1], found[2]))
        else:
            break
        at += 1
    body = b"\r\n".join(lines[at + 1 if at < len(lines) and not lines[at] else at :])
    size = sum(len(name) + len(value) + HEADER_SIGNS for name, value in headers) + len(body)
    return Message(request, tuple(headers), body, size)


def explain(loaded: Loaded, message: Message, channel: str = "") -> Explanation:
    """Judge a message without consequences. Raises `NotPossible` for a channel that does not exist."""
    clock, warnings = WallClock(), Warnings()
    with GreylistCopy(loaded, clock, warnings) as greylist:
        found = _explained(loaded, message, channel, greylist)
    found.greylisted = greylist.asked
    return found


def _explained(loaded: Loaded, message: Message, channel: str, greylist: GreylistCopy) -> Explanation:
    clock, warnings = greylist.clock, greylist.warnings
    meters = WatchedMeters(copied_meters(loaded, clock.now()))
    outside = Outside(clock, NoReference(), warnings, lambda: 0.0, greylist.callout())
    limiter = copied_limiter(loaded, clock)
    allowance = Allowance(limiter, outside)
    judge = Judge(loaded.site, meters, outside, allowance)
    judge.greylisting = greylist.channels(limiter)
    chosen = _channel(loaded, channel) if channel else judge.channel(message.request)
    runs: list[ScriptRun] = []
    walked = Walk(greylist)
    at_mail = None if channel else judge.sender(replace(message.request, stage=Stage.MAIL, recipients=()))
    if at_mail and at_mail.in_effect is not Verdict.ACCEPT:  # it never comes to the end of the message
        return Explanation(message, chosen, at_mail, runs, meters, warnings, walked)
    walk(judge, message, chosen, walked)
    message = judge.named(message)  # what a webmail says is known at the end of its message
    chosen = chosen if channel else judge.channel(message.request)
    at_mail = None if at_mail and at_mail.plain else at_mail
    if not walked.left:
        return Explanation(message, chosen, walked.refused[-1], runs, meters, warnings, walked, at_mail)
    left = replace(message, request=replace(message.request, recipients=tuple(walked.left)))
    if waits := _waits(judge, left, chosen, greylist):
        return Explanation(message, chosen, waits, runs, meters, warnings, walked, at_mail)
    incoming = allowance.incoming
    keys = incoming.keys(left.request, walked.left) if incoming.counts(left.request) else []
    room = Room(limiter, chosen, judge.account(message.request), message.request, keys)
    decision = _at_end(judge, left, chosen, walked, runs)
    room.look_again()
    return Explanation(message, chosen, decision, runs, meters, warnings, walked, at_mail, room)


def _waits(judge: Judge, left: Message, channel: Channel, greylist: GreylistCopy) -> Decision | None:
    """What greylisting of the channel says; None: it goes on."""
    assert judge.greylisting is not None
    account = judge.account(left.request)
    waits = judge.greylisting.ask(left.request, channel, account, left.headers)
    return waits if waits is None or isinstance(waits, Decision) else greylist.run(waits(CHECKS_WITHIN_S))


def _at_end(judge: Judge, left: Message, channel: Channel, walked: Walk, runs: list[ScriptRun]) -> Decision:
    """The end of the message, for the recipients that the access tables left."""
    memo = judge.memo(left.request)

    def hear() -> Heard:
        runs.clear()
        return judge.heard(left, channel, runs, memo)

    decision = judge.settled(walked.greylist.heard(memo, hear), channel)
    if Stage.END_OF_MESSAGE in judge.tables.by_milter:
        account, memo = judge.account(left.request), judge.memo(left.request)
        rewrite = partial(judge.tables.rewrite, left, channel, account, walked.runs, memo)
        walked.carried.append(("", walked.greylist.heard(memo, rewrite)))
    return with_carried(decision, walked.carried, walked.left)


def _channel(loaded: Loaded, name: str) -> Channel:
    known = {channel.name: channel for channel in (*loaded.site.channels, OTHER)}
    if name not in known:
        raise NotPossible(not_known("channel", name, known))
    return known[name]


def _show(found: Explanation, output: Output) -> None:
    decision = found.decision
    output.line(f"channel   {decision.channel}   {_why_channel(found)}")
    output.line(f"account   {decision.account}")
    _show_walk(found.walked, output)
    for run_of_script in found.runs:
        _show_run(run_of_script, output)
    for line in meter_lines(found.meters.uses):
        output.line(line.replace("meter  ", "meter    ", 1))
    for asked, answer in found.greylisted:
        output.line(f"greylist  {grey_line(asked, answer, 0).replace(' d=0', '')}")
    for line in found.room.lines() if found.room else ():
        output.line(f"limit     {line}")
    for warning in found.warnings.told:
        output.line(f"warning   {warning}")
    for reason in found.at_mail.reasons if found.at_mail else ():
        output.line(f"at MAIL   only watching let it pass: {sentence(reason)}")
    for number, reason in enumerate(decision.reasons):
        output.line(f"{'because' if number == 0 else '':<9} {sentence(reason)}")
    _show_decision(decision, output)
    output.record(_record(found))


def _show_walk(walked: Walk, output: Output) -> None:
    for table_run in walked.runs:
        flags = f"   input flags {' '.join(sorted(table_run.flags))}" if table_run.flags else ""
        output.line(f"{table_run.table}   {table_run.probe}{flags}")
        for line in (*entry_lines(table_run.tried), *effect_lines(table_run.table, table_run.result)):
            output.line(f"  {line}")
    for decision in walked.refused if walked.left else ():
        passes = "only watching lets it pass" if decision.watched else "this recipient alone is refused"
        output.line(f"before    {passes}: {sentence(decision.reasons[-1])}")


def _show_decision(decision: Decision, output: Output) -> None:
    verdict = decision.verdict.value
    if decision.watched and not decision.plain:
        verdict = f"accept, since this channel only watches; enforced it would be: {verdict}"
    output.line(f"decision  {verdict}")
    for word, says in over_lines(decision):
        output.line(f"{word:<9} {says}")
    if decision.verdict in (Verdict.REFUSE, Verdict.DEFER):
        said = replace(decision, reference=NOT_GIVEN_OUT)
        for line in refusal_text(said).splitlines():
            output.line(f"says      {decision.smtp_code} {decision.enhanced} {line}")
    for name, those in (
        ("refused", decision.refused),
        ("discarded", decision.discarded),
        ("copy to", decision.copies_to),
        ("removes", tuple(name for name, _number in decision.removed)),
        ("adds", tuple(f"{name}: {value}" for name, value in decision.headers)),
    ):
        if those:
            output.line(f"{name:<9} {', '.join(those)}")


def _record(found: Explanation) -> dict[str, object]:
    decision = found.decision
    return {
        "channel": decision.channel,
        "account": decision.account,
        "verdict": decision.verdict.value,
        "watched": decision.watched,
        "at_mail": found.at_mail.verdict.value if found.at_mail else "",
        "text": refusal_text(decision) if decision.verdict in (Verdict.REFUSE, Verdict.DEFER) else "",
        "recipients": list(found.message.request.recipients),
        "refused": list(decision.refused),
        "discarded": list(decision.discarded),
        "copies_to": list(decision.copies_to),
        "headers": [f"{name}: {value}" for name, value in decision.headers],
        "delay_s": decision.delay_s,
        "transport": decision.transport,
        "limits": [use.record() for use in (*found.room.incoming, *found.room.uses)] if found.room else [],
        "removed": [name for name, _number in decision.removed],
        "greylist": [grey_line(asked, answer, 0) for asked, answer in found.greylisted],
        "login": found.message.request.login,
        "login_from": found.message.request.login_from,
        "origin": found.message.request.origin,
        "reasons": [{"id": reason.id, **reason.numbers} for reason in decision.reasons],
    }


def _why_channel(found: Explanation) -> str:
    request, channel = found.message.request, found.channel
    login = f'login "{request.login}"' if request.login else "no login"
    login += f" by {request.login_from}" if request.login_from else ""
    client = f"client {request.client_address}" if request.client_address else "a local program"
    client += f" for {request.origin}" if request.origin else ""
    fits = "no channel fits: everything passes" if channel is OTHER else f"mode {channel.mode.value}"
    return f"({login}, {client}; {fits})"


def _show_run(run_of_script: ScriptRun, output: Output) -> None:
    outcome = run_of_script.outcome
    output.line(f"{run_of_script.script.name}   for {', '.join(run_of_script.recipients)}")
    for line in outcome.trace:
        seen = f"   {' '.join(repr(value) for value in line.values)}" if line.values else ""
        output.line(f"  {line.line:>4}:{line.column:<3} {line.source:<60} {line.result}{seen}")
        for entry in entry_lines(line.entries):
            output.line(f"             {entry}")
    if outcome.error:
        output.line(f"  {outcome.error.line:>4}     stopped: {outcome.error.says}; the message is kept")
    elif not outcome.actions:
        output.line("           no action: the message is kept")
