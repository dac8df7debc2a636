"""``sendwarden dnsbl check IP|DOMAIN`` and ``dnsbl lists``: what lists say, and how they stand.

The running daemon is asked; where none runs, the lists themselves, which are tested first.
"""

import argparse
import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sendwarden.cli.configuration import NoSettings, add_config, load_configuration
from sendwarden.cli.desk import ask_daemon
from sendwarden.cli.exits import CANNOT, GOOD, NO
from sendwarden.cli.output import Output
from sendwarden.cli.pasted import command_for
from sendwarden.cli.probe import WallClock, Warnings
from sendwarden.cli.words import one_of
from sendwarden.config.load import Loaded
from sendwarden.core.errors import SendwardenError
from sendwarden.lookups.dns import DnsLookups
from sendwarden.service.reputation import Reputation
from sendwarden.service.reputation_desk import verbs

Answer = Mapping[str, Any]

_NO_LISTS = "no list is set: write a [[dns_list]] table"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument(
        "verb",
        metavar="check|lists",
        type=one_of("verb", "check", "lists"),
        help="check: what lists say of an address or a domain; lists: how the lists stand",
    )
    parser.add_argument("subject", nargs="?", default="", help="with check: an address or a domain")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """With check 1 where some list has it, with lists 1 where one is out of service."""
    subject = arguments.subject.strip()
    if arguments.verb == "check" and not subject:
        meant = command_for(arguments.config)("dnsbl check 192.0.2.7")
        output.error(f"say of which address or domain: {meant}")
        return CANNOT
    if arguments.verb == "lists" and subject:
        meant = command_for(arguments.config)(f"dnsbl check {subject}")
        output.error(f"{subject!r} goes with check: {meant}")
        return CANNOT
    try:
        loaded = load_configuration(arguments)
        question = {"verb": f"dnsbl-{arguments.verb}", "subject": subject}
        answer = ask_daemon(loaded, question)
        if answer is None:
            answer = asyncio.run(_asked_lists(loaded, question))
    except (NoSettings, SendwardenError) as error:
        output.error(str(error))
        return CANNOT
    return (_show_check if arguments.verb == "check" else _show_lists)(answer, output)


async def _asked_lists(loaded: Loaded, question: Mapping[str, object]) -> Answer:
    resolver = DnsLookups()
    try:
        settings = loaded.settings
        outside = WallClock(), Warnings()
        reputation = Reputation(loaded.dns_lists, resolver, outside, tuple(settings.dns.servers))
        await reputation.test()
        return await verbs(lambda: reputation)[str(question["verb"])](question)
    finally:
        await resolver.close()


def _show_check(answer: Answer, output: Output) -> int:
    output.record(answer)
    for one in answer["checks"]:
        weight = f" {one['weight']:+}" if one["weight"] else ""
        detail = "; ".join(filter(None, (" ".join(one["codes"]), one["why"])))
        output.line(f"{one['name']:<20} {one['check']:<8} {one['says']}{weight}{detail and f'   {detail}'}")
    told = f"weight {answer['weight']}" if answer["checks"] else answer["nothing"]
    output.line(f"{answer['subject']}: {told}")
    return NO if any(one["says"] == "listed" for one in answer["checks"]) else GOOD


def _show_lists(answer: Answer, output: Output) -> int:
    lists = answer["lists"]
    for one in lists:
        output.record(one)
        output.line(f"{one['list']:<20} {one['kind']:<6} {one['zone']}   {_standing(one)}")
        output.line(f"{'':<20} {_counted(one)}")
    if not lists:
        output.line(_NO_LISTS)
    return GOOD if all(one["in_service"] for one in lists) else NO


def _standing(one: Mapping[str, Any]) -> str:
    if one["health_check"] == "off":
        return one["why"] or "not tested (health_check = off)"
    since = f" since {_time(one['since'])}" if one["since"] else ""
    why = str(one["why"]).removeprefix(f"{one['standing']}: ")
    told = f": {why}" if why and why != one["standing"] else ""
    return f"{one['standing']}{since}{told}"


def _counted(one: Mapping[str, Any]) -> str:
    tested = f"tested {_time(one['tested'])}, " if one["tested"] else ""
    trouble = f", the last time: {one['last_trouble']}" if one["last_trouble"] else ""
    return f"{tested}{one['asked']} asked, {one['listed']} listed, {one['failed']} without an answer{trouble}"


def _time(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC).astimezone():%d %b %Y %H:%M:%S %Z}"
