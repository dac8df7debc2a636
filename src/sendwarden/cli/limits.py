"""``sendwarden limits show|set|reset|why ACCOUNT``: what an account may send, and other limits for it.

``list`` shows all that was set by hand, ``over`` who was over a limit.

With ``--incoming`` the same for mail that comes in for a mailbox, from a network or from a domain.
"""

import argparse
import shlex
from collections.abc import Mapping
from typing import Any

from sendwarden.cli.configuration import NoSettings, add_config, load_configuration, open_state, state_folder
from sendwarden.cli.desk import ask, untold
from sendwarden.cli.exits import CANNOT, GOOD
from sendwarden.cli.limits_shown import (
    Answer,
    entry_line,
    incoming_lines,
    listed_lines,
    reset_lines,
    set_lines,
    shown,
)
from sendwarden.cli.output import Output
from sendwarden.cli.over import over, over_line
from sendwarden.cli.pasted import command_for
from sendwarden.cli.probe import WallClock
from sendwarden.cli.until import end_in, moment
from sendwarden.cli.words import one_of
from sendwarden.config.load import Loaded
from sendwarden.core.errors import SendwardenError
from sendwarden.core.identity import account_of, named_host
from sendwarden.core.units import parse_duration_s
from sendwarden.daemon.daemon import EVENTS_FILE

VERBS = ("show", "set", "reset", "why", "list", "over")
# How long an act by hand holds, unless it says.
HOLDS = "7d"
# Decisions about an account that `why` shows.
DECISIONS = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument(
        "verb", metavar="show|set|reset|why|list|over", type=one_of("verb", *VERBS), help="what to do"
    )
    parser.add_argument(
        "account", nargs="?", default="", help="a login as somebody writes it, or a host: [192.0.2.7]"
    )
    parser.add_argument(
        "rates",
        nargs="*",
        help="with set: recipients=500/1h, messages=100/24h (windows 10m, 1h, 24h), per_message=300, the "
        'name of a row of limits, or "unlimited"',
    )
    parser.add_argument("--channel", default="", help="only on this channel (or row of incoming mail)")
    parser.add_argument(
        "--incoming",
        action="store_true",
        help="ACCOUNT is a mailbox, a network or a domain whose incoming mail is counted",
    )
    add_act(parser)
    parser.add_argument("--since", default=HOLDS, help=f"with over: how far back; left out, {HOLDS}")
    parser.add_argument("--remove", action="store_true", help="with set: take out what was set")


def add_act(parser: argparse.ArgumentParser) -> None:
    """What an act by hand has to say."""
    parser.add_argument("--reason", default="", help="why, for whoever asks later")
    parser.add_argument(
        "--until",
        default=HOLDS,
        help=f"how long it holds: 12h, 14d; or to which day or moment: 2026-12-31, 2026-12-31T18:00; "
        f"left out, {HOLDS}",
    )


def act_of(arguments: argparse.Namespace) -> dict[str, object]:
    """Raises `ValueError` for a time that is none."""
    return {"reason": arguments.reason, **end_in(arguments.until)}


def run(arguments: argparse.Namespace, output: Output) -> int:
    if arguments.rates and arguments.verb != "set":
        words = shlex.join(("limits", "set", arguments.account, *arguments.rates))
        meant = command_for(arguments.config)(f"{words} --reason 'why'")
        output.error(f"{arguments.rates[0]!r} goes with set: {meant}")
        return CANNOT
    try:
        loaded = load_configuration(arguments)
        if arguments.verb in ("list", "over"):
            (_list if arguments.verb == "list" else _over)(loaded, arguments, output)
            return GOOD
        question = {
            "verb": "show" if arguments.verb == "why" else arguments.verb,
            "account": arguments.account,
        }
        question |= {"channel": arguments.channel, "rates": arguments.rates, "remove": arguments.remove}
        question["incoming"] = arguments.incoming
        answer = ask(loaded, {**question, **act_of(arguments)})
        decisions = _decisions(loaded, answer, arguments.channel) if arguments.verb == "why" else []
    except (NoSettings, SendwardenError, ValueError) as error:
        output.error(str(error))
        return CANNOT
    output.record({**answer, **({"decisions": decisions} if arguments.verb == "why" else {})})
    for line in (*_lines(arguments, answer), *untold(answer)):
        output.line(line)
    for one in decisions:
        verdict = f"would have been {one['verdict']}" if one.get("watched") else one["verdict"]
        output.line(f"  {moment(one['at'])}  {one['reference']}  {verdict}: {_because(one)}")
    return GOOD


def _list(loaded: Loaded, arguments: argparse.Namespace, output: Output) -> None:
    entries = ask(loaded, {"verb": "list", "kind": "limits"})["entries"]
    if arguments.account:
        account = named_host(arguments.account) or account_of(arguments.account, loaded.site.identity)
        entries = [one for one in entries if one["account"] == account]
    for one in entries:
        output.record(one)
    for line in listed_lines(entries):
        output.line(line)


def _over(loaded: Loaded, arguments: argparse.Namespace, output: Output) -> None:
    since = WallClock().now() - parse_duration_s(arguments.since)
    found = over(state_folder(loaded) / EVENTS_FILE, since)
    for one in found:
        output.record(one)
        output.line(over_line(one))
    if not found:
        output.line(f"nobody was over a limit in the last {arguments.since}")


def _lines(arguments: argparse.Namespace, answer: Answer) -> list[str]:
    match arguments.verb:
        case "reset":
            return reset_lines(answer)
        case "set" if arguments.remove:
            taken = [f"  taken out: {entry_line(one)}" for one in answer["removed"]]
            return [f"{answer['account']}: has the limits of its channels or rows again", *taken]
        case "set":
            return set_lines(answer)
    sources = arguments.verb == "why"
    if arguments.incoming:
        return [line for key in answer["incoming"] for line in incoming_lines(key, sources=sources)]
    return shown(answer, sources=sources)


def _decisions(loaded: Loaded, answer: Answer, channel: str) -> list[dict[str, Any]]:
    """The latest that were kept about the account, or the keys of incoming mail."""
    state = open_state(loaded)
    if state is None:
        return []
    keys = {(key["channel"], key["key"]) for key in answer.get("incoming", ())}

    def fits(decision: Mapping[str, object]) -> bool:
        return bool(keys & _incoming_keys(decision)) if keys else channel in ("", decision.get("channel"))

    try:
        return state.decisions(DECISIONS, str(answer.get("account", "")), fits)
    finally:
        state.close()


def _incoming_keys(decision: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Row and key of the limits of incoming mail that a decision is about."""
    return {(str(one.get("row")), str(one.get("key"))) for one in decision.get("reasons") or []}


def _because(decision: Mapping[str, Any]) -> str:
    return "; ".join(decision.get("says") or [])
