"""``sendwarden explain MESSAGE``: the real judge on one message, over a copy of the counts, step by step.

It decides exactly as the daemon would at this moment; nothing is counted, nothing is sent, no reference given
out.
"""

import argparse
import sys
from dataclasses import dataclass
from email.parser import BytesParser
from email.policy import compat32
from pathlib import Path

from sendwarden.cli.configuration import NoSettings, add_config, copied_meters, load_configuration
from sendwarden.cli.exits import CANNOT, GOOD, NO
from sendwarden.cli.mapping import entry_lines, meter_lines
from sendwarden.cli.output import Output
from sendwarden.cli.probe import NoReference, WallClock, Warnings, WatchedMeters
from sendwarden.config.load import Loaded
from sendwarden.core.decision import Decision, Message, Request, Stage, Verdict
from sendwarden.core.errors import StoreDown
from sendwarden.core.identity import bare_address
from sendwarden.core.place import did_you_mean
from sendwarden.core.texts import refusal_text, sentence
from sendwarden.engine.channel import OTHER, Channel
from sendwarden.service.judge import Judge, ScriptRun
from sendwarden.service.ports import Outside


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


@dataclass(slots=True)
class Explanation:
    """A decision with the way to it."""

    message: Message
    channel: Channel
    decision: Decision
    runs: list[ScriptRun]
    meters: WatchedMeters
    warnings: Warnings


def run(arguments: argparse.Namespace, output: Output) -> int:
    try:
        loaded = load_configuration(arguments)
        raw = sys.stdin.buffer.read() if arguments.message == "-" else Path(arguments.message).read_bytes()
        request = to_request(arguments, loaded)
        found = explain(loaded, to_message(raw, request), arguments.channel)
    except (NoSettings, StoreDown, ValueError) as error:
        output.error(str(error))
        return CANNOT
    except OSError as error:
        output.error(f"{arguments.message}: {error.strerror}")
        return CANNOT
    _show(found, output)
    if not loaded.usable:
        output.error("The configuration has errors, so that the daemon would not use it: sendwarden check")
    return GOOD if found.decision.verdict is Verdict.ACCEPT else NO


def to_request(arguments: argparse.Namespace, loaded: Loaded) -> Request:
    if not arguments.recipients:
        raise ValueError("a message has at least one recipient: --to bob@example.org")
    listeners = [*loaded.settings.listen.milter, *loaded.settings.listen.policy]
    return Request(
        Stage.END_OF_MESSAGE,
        arguments.listener or listeners[0],
        client_address=arguments.client,
        login=arguments.login,
        sender=bare_address(arguments.sender),
        recipients=tuple(dict.fromkeys(map(bare_address, arguments.recipients))),
    )


def to_message(raw: bytes, request: Request) -> Message:
    """A message file as the milter would hand it over: header pairs, and a body."""
    parsed = BytesParser(policy=compat32).parsebytes(raw, headersonly=True)
    headers = tuple((name, str(value).replace("\r\n", "\n")) for name, value in parsed.raw_items())
    body = raw.replace(b"\r\n", b"\n").partition(b"\n\n")[2]
    return Message(request, headers, body, len(raw))


def explain(loaded: Loaded, message: Message, channel: str = "") -> Explanation:
    """Judge a message without consequences. Raises `ValueError` for a channel that does not exist."""
    clock, warnings = WallClock(), Warnings()
    meters = WatchedMeters(copied_meters(loaded, clock.now()))
    judge = Judge(loaded.site, meters, Outside(clock, NoReference(), warnings, lambda: 0.0))
    chosen = _channel(loaded, channel) if channel else judge.channel(message.request)
    runs: list[ScriptRun] = []
    decision = judge.sender(message.request) if channel == "" else None
    if decision is None or decision.plain:
        decision = judge.message(message, runs, chosen)
    return Explanation(message, chosen, decision, runs, meters, warnings)


def _channel(loaded: Loaded, name: str) -> Channel:
    known = {channel.name: channel for channel in (*loaded.site.channels, OTHER)}
    if name not in known:
        close = did_you_mean(name, known) or f"known are {', '.join(known)}"
        raise ValueError(f'there is no channel "{name}"; {close}')
    return known[name]


def _show(found: Explanation, output: Output) -> None:
    decision, request = found.decision, found.message.request
    output.line(f"channel   {decision.channel}   {_why_channel(found)}")
    output.line(f"account   {decision.account}")
    for run_of_script in found.runs:
        _show_run(run_of_script, output)
    for line in meter_lines(found.meters.uses):
        output.line(line.replace("meter  ", "meter    ", 1))
    for warning in found.warnings.told:
        output.line(f"warning   {warning}")
    for number, reason in enumerate(decision.reasons):
        output.line(f"{'because' if number == 0 else '':<9} {sentence(reason)}")
    verdict = decision.verdict.value
    if decision.watched and not decision.plain:
        verdict = f"accept, since this channel only watches; enforced it would be: {verdict}"
    output.line(f"decision  {verdict}")
    if decision.verdict in (Verdict.REFUSE, Verdict.DEFER):
        code = 550 if decision.verdict is Verdict.REFUSE else 450
        output.line(f"says      {code} {decision.enhanced} {refusal_text(decision)}")
    for name, those in (
        ("refused", decision.refused),
        ("discarded", decision.discarded),
        ("copy to", decision.copies_to),
    ):
        if those:
            output.line(f"{name:<9} {', '.join(those)}")
    output.record(
        {
            "channel": decision.channel,
            "account": decision.account,
            "verdict": decision.verdict.value,
            "watched": decision.watched,
            "text": refusal_text(decision) if decision.verdict in (Verdict.REFUSE, Verdict.DEFER) else "",
            "recipients": list(request.recipients),
            "refused": list(decision.refused),
            "discarded": list(decision.discarded),
            "copies_to": list(decision.copies_to),
            "reasons": [{"id": reason.id, **reason.numbers} for reason in decision.reasons],
        }
    )


def _why_channel(found: Explanation) -> str:
    request, channel = found.message.request, found.channel
    login = f'login "{request.login}"' if request.login else "no login"
    client = f"client {request.client_address}" if request.client_address else "a local program"
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
