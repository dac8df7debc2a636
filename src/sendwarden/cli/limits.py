"""``sendwarden limits show|set|reset|why ACCOUNT``: what an account may send, and other limits for it."""

import argparse
import shlex
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sendwarden.cli.configuration import NoSettings, add_config, load_configuration, open_state
from sendwarden.cli.desk import ask, untold
from sendwarden.cli.exits import CANNOT, GOOD
from sendwarden.cli.output import Output
from sendwarden.cli.pasted import command_for
from sendwarden.cli.words import one_of
from sendwarden.config.load import Loaded
from sendwarden.core.errors import SendwardenError
from sendwarden.core.texts import channel_shown
from sendwarden.core.units import duration, parse_duration_s

VERBS = ("show", "set", "reset", "why")
# How long an act by hand holds, unless it says.
HOLDS = "7d"
# Decisions about an account that `why` shows.
DECISIONS = 10

Answer = Mapping[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument("verb", metavar="show|set|reset|why", type=one_of("verb", *VERBS), help="what to do")
    parser.add_argument("account", help="a login as somebody writes it, or a host: [192.0.2.7]")
    parser.add_argument(
        "rates",
        nargs="*",
        help="with set: recipients=500/1h, messages=100/24h (windows 10m, 1h, 24h), the name of a row of "
        'limits, or "unlimited"',
    )
    parser.add_argument("--channel", default="", help="only on this channel")
    add_act(parser)
    parser.add_argument("--remove", action="store_true", help="with set: take out what was set")


def add_act(parser: argparse.ArgumentParser) -> None:
    """What an act by hand has to say."""
    parser.add_argument("--reason", default="", help="why, for whoever asks later")
    parser.add_argument("--until", default=HOLDS, help=f"how long it holds: 12h, 14d; left out, {HOLDS}")


def act_of(arguments: argparse.Namespace) -> dict[str, object]:
    """Raises `ValueError` for a time that is none."""
    return {"reason": arguments.reason, "for_s": parse_duration_s(arguments.until)}


def run(arguments: argparse.Namespace, output: Output) -> int:
    if arguments.rates and arguments.verb != "set":
        words = shlex.join(("limits", "set", arguments.account, *arguments.rates))
        meant = command_for(arguments.config)(f"{words} --reason 'why'")
        output.error(f"{arguments.rates[0]!r} goes with set: {meant}")
        return CANNOT
    try:
        loaded = load_configuration(arguments)
        question = {
            "verb": "show" if arguments.verb == "why" else arguments.verb,
            "account": arguments.account,
        }
        question |= {"channel": arguments.channel, "rates": arguments.rates, "remove": arguments.remove}
        answer = ask(loaded, {**question, **act_of(arguments)})
        decisions = _decisions(loaded, str(answer["account"])) if arguments.verb == "why" else []
    except (NoSettings, SendwardenError, ValueError) as error:
        output.error(str(error))
        return CANNOT
    output.record({**answer, **({"decisions": decisions} if arguments.verb == "why" else {})})
    for line in (*_lines(arguments, answer), *untold(answer)):
        output.line(line)
    for decision in decisions:
        would = "would have been " if decision.get("watched") else ""
        output.line(
            f"  {day(decision['at'])}  {decision['reference']}  {would}{decision['verdict']}: "
            f"{_because(decision)}"
        )
    return GOOD


def _lines(arguments: argparse.Namespace, answer: Answer) -> list[str]:
    account = answer["account"]
    match arguments.verb:
        case "reset":
            channels = answer["channels"]
            return [
                f"{account}: begins at 0 on {', '.join(map(channel_shown, channels))}"
                if channels
                else f"{account}: nothing was counted"
            ]
        case "set":
            if answer.get("removed"):
                return [f"{account}: has the limits of its channels again"]
            kept = answer["set"]
            rates = ", ".join(
                f"{counted} {amount}/{duration(window)}" for counted, amount, window in kept["rates"]
            )
            if kept["row"]:
                most = f", {kept['per_message']} of one message" if kept["per_message"] else ""
                rates = f"row {kept['row']} ({rates}{most})"
            where = f" on {kept['channel']}" if kept["channel"] else ""
            return [f"{account}: {rates or 'unlimited'}{where} until {day(kept['until'])} ({kept['reason']})"]
    return shown(answer, sources=arguments.verb == "why")


def shown(answer: Answer, *, sources: bool) -> list[str]:
    """An account's state and limits as lines."""
    kept = answer["set"]
    held = (
        f"   since {day(kept['at'])} until {day(kept['until'])}, by {kept['by']}: {kept['reason']}"
        if kept
        else ""
    )
    lines = [f"{answer['account']}   {answer['state']}{held}", *_lasting(answer)]
    if kept and kept.get("tell"):
        lines.append(f"  whoever sends is told: {kept['tell']}")
    if answer.get("shared") is False:
        lines.append(
            "  the shared counts are away: what other Sendwardens counted lately is not in these numbers"
        )
    for channel in answer["channels"]:
        watching = "   (watching only)" if channel["mode"] == "watch" else ""
        lines.append(f"  {channel_shown(channel['channel'])}{watching}")
        if channel["override"]:
            until = f" until {day(channel['override']['until'])}" if channel["override"]["until"] else ""
            lines.append(
                f"    override{until}, {channel['override']['source']}: {channel['override']['reason']}"
            )
        lines += [_limit_line(limit, sources=sources) for limit in channel["limits"]]
        if channel["per_message"]:
            lines.append(f"    {'recipients':<11}{channel['per_message']:>7} of one message")
        if not channel["limits"]:
            lines.append("    unlimited")
    return lines


def _lasting(answer: Answer) -> list[str]:
    """Why an account has less room for a while."""
    lines = []
    if incident := answer["after_incident"]:
        lines.append(
            f"  after an incident ({incident['state']}: {incident['reason']}): half of its limits "
            f"until {day(incident['until'])}"
        )
    if answer["new_until"]:
        lines.append(f"  new account: row new-account holds besides until {day(answer['new_until'])}")
    counted = {limit["counted"] for channel in answer["channels"] for limit in channel["limits"]}
    if "new" in counted and answer["learning_until"]:
        lines.append(
            f"  whom accounts wrote to is being learnt: nobody is new until {day(answer['learning_until'])}"
        )
    return lines


def _limit_line(limit: Answer, *, sources: bool) -> str:
    used = f"~{limit['used']}" if limit.get("estimated") else limit["used"]
    line = f"    {limit['counted']:<11}{used:>7} of {limit['most']} in {limit['window']}"
    if limit.get("frees_at"):
        line += f"   full; room again {day(limit['frees_at'])}"
    return f"{line}   from row {limit['row']}" if sources else line


def _decisions(loaded: Loaded, account: str) -> list[dict[str, Any]]:
    """The latest that were kept about the account."""
    state = open_state(loaded)
    if state is None:
        return []
    try:
        return state.decisions_about(account, DECISIONS)
    finally:
        state.close()


def _because(decision: Mapping[str, Any]) -> str:
    return "; ".join(decision.get("says") or [])


def day(at: object) -> str:
    return f"{datetime.fromtimestamp(float(str(at)), UTC).astimezone():%d %b %Y %H:%M %Z}"
