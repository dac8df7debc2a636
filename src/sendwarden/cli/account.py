"""``sendwarden account``: which account a name belongs to, its state, whose state was set, who sends most."""

import argparse
import shlex
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sendwarden.cli.configuration import NoSettings, add_config, load_configuration
from sendwarden.cli.desk import ask, untold
from sendwarden.cli.exits import CANNOT, GOOD
from sendwarden.cli.limits import act_of, add_act
from sendwarden.cli.limits_shown import shown, state_lines
from sendwarden.cli.output import Output
from sendwarden.cli.pasted import command_for
from sendwarden.cli.until import end
from sendwarden.cli.words import one_of
from sendwarden.config.load import Loaded
from sendwarden.core.errors import SendwardenError
from sendwarden.core.identity import named_host, resolve
from sendwarden.core.texts import channel_shown

# Accounts that `top` shows, unless it is told.
TOP = 20


def _contained(name: str) -> str:
    return f"account state {shlex.quote(name)} contained --reason 'phished' --until 14d"


# What a command without a name could be.
EXAMPLES = {
    "resolve": "account resolve bob@example.org",
    "show": "account show bob",
    "state": _contained("bob"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument(
        "verb",
        metavar="resolve|show|state|list|top",
        type=one_of("verb", *VERBS),
        help="resolve: which account a name belongs to; show: its state and limits; state: set its state; "
        "list: all states that were set; top: who is nearest to a limit",
    )
    parser.add_argument("name", nargs="?", default="", help="a login or an address, as somebody writes it")
    parser.add_argument(
        "state", nargs="?", default="", help="with state: normal, watched, throttled, held, contained"
    )
    parser.add_argument("--state", dest="only", default="", help="with list: only accounts in this state")
    parser.add_argument(
        "--by",
        default="share",
        choices=("share", "recipients", "incoming"),
        help="with top: what is sorted by; "
        "incoming: networks, domains and mailboxes of mail that comes in, by share",
    )
    parser.add_argument("--number", type=int, default=TOP, help=f"with top: how many; left out, {TOP}")
    add_act(parser)
    parser.add_argument(
        "--tell",
        default="",
        metavar="TEXT",
        help="with state held or contained: what whoever sends is told; left out, to ask the postmaster",
    )


def run(arguments: argparse.Namespace, output: Output) -> int:
    if arguments.verb in EXAMPLES and not arguments.name.strip():
        meant = command_for(arguments.config)(EXAMPLES[arguments.verb])
        output.error(f"an account has a name: {meant}")
        return CANNOT
    if arguments.verb == "state" and not arguments.state:
        meant = command_for(arguments.config)(_contained(arguments.name))
        output.error(f"a state is missing: {meant}")
        return CANNOT
    try:
        VERBS[arguments.verb](load_configuration(arguments), arguments, output)
    except (NoSettings, SendwardenError, ValueError) as error:
        output.error(str(error))
        return CANNOT
    return GOOD


def _resolve(loaded: Loaded, arguments: argparse.Namespace, output: Output) -> None:
    if host := named_host(arguments.name):
        output.line(f"{arguments.name}  is account  {host}: all mail of this host without a login")
        output.record({"name": arguments.name, "account": host, "rules": []})
        return
    account, steps = resolve(arguments.name, loaded.site.identity)
    output.line(f"{arguments.name}  is account  {account}")
    for step in steps:
        made = f"{step.before} -> {step.after}" if step.before != step.after else "unchanged"
        output.line(f"  {step.rule:<15} {made:<40} {step.says}")
    rules = [
        {"rule": step.rule, "before": step.before, "after": step.after, "says": step.says} for step in steps
    ]
    output.record({"name": arguments.name, "account": account, "rules": rules})


def _show(loaded: Loaded, arguments: argparse.Namespace, output: Output) -> None:
    answer = ask(loaded, {"verb": "show", "account": arguments.name})
    output.record(answer)
    for line in shown(answer, sources=False):
        output.line(line)


def _state(loaded: Loaded, arguments: argparse.Namespace, output: Output) -> None:
    question = {"verb": "state", "account": arguments.name, "state": arguments.state}
    question["tell"] = arguments.tell
    answer = ask(loaded, {**question, **act_of(arguments)})
    output.record(answer)
    until = f" until {end(answer['set']['until'])}" if answer["state"] != "normal" else ""
    output.line(f"{answer['account']}: {answer['state']}{until}, before {answer['before']}")
    for line in _halved(answer):
        output.line(line)
    if answer["watching"] and answer["state"] in ("throttled", "held", "contained"):
        output.line(
            f"  but these channels only watch, and let its mail pass: {', '.join(answer['watching'])}"
        )
    for line in untold(answer):
        output.line(line)


def _halved(answer: Mapping[str, Any]) -> Iterator[str]:
    """What its state ended or began for the limits of an account."""
    if answer["half_until"]:
        yield (
            f"  it has half of its limits until {end(answer['half_until'])}, since it was held or contained; "
            "the same command once more ends that"
        )
    elif answer["half_before"]:
        yield "  it has its whole limits again"


def _list(loaded: Loaded, arguments: argparse.Namespace, output: Output) -> None:
    entries = ask(loaded, {"verb": "list", "kind": "state", "state": arguments.only})["entries"]
    for one in entries:
        output.record(one)
    for line in state_lines(entries):
        output.line(line)


def _top(loaded: Loaded, arguments: argparse.Namespace, output: Output) -> None:
    answer = ask(loaded, {"verb": "top", "by": arguments.by, "number": arguments.number})
    accounts = answer["accounts"]
    if accounts:
        output.line(f"{'share':>6}  {'recipients':>10}  {'messages':>8}  account   channel   (24 hours)")
    for one in accounts:
        output.record(one)
        state = "" if one["state"] == "normal" else f"   {one['state']}"
        output.line(
            f"{one['share']:>6.0%}  {one['recipients']:>10}  {one['messages']:>8}  "
            f"{one['account']}   {channel_shown(one['channel'])}{state}"
        )
    if not accounts:
        output.line("nobody has sent anything that is counted")


VERBS: dict[str, Callable[[Loaded, argparse.Namespace, Output], None]] = {
    "resolve": _resolve,
    "show": _show,
    "state": _state,
    "list": _list,
    "top": _top,
}
