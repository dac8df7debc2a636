"""``sendwarden replay EVENTS...``: old events against the detection as it is."""

import argparse
import heapq
import json
from collections.abc import Iterator, Sequence
from ipaddress import ip_network
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

from sendwarden.cli.configuration import NoSettings, add_config, load_configuration
from sendwarden.cli.exits import CANNOT, GOOD, NO
from sendwarden.cli.output import Output
from sendwarden.cli.replay_page import page
from sendwarden.cli.words import one_of
from sendwarden.config.load import Loaded
from sendwarden.core.event import Event
from sendwarden.core.event_line import LINE_BYTES, LineError, read_events
from sendwarden.core.identity import account_of, fold_domain
from sendwarden.detect.machine import Machine
from sendwarden.detect.reply_list import read_reply_list
from sendwarden.detect.site import SiteContext
from sendwarden.service.replay import Replay, own_domains
from sendwarden.service.replay_report import Known, Record, report, verdict_record

if TYPE_CHECKING:
    from sendwarden.core.networks import Networks

# Hashes of a replay are made with a key that everybody knows: it must say the same each time.
KEY = b"sendwarden replay"
# From so many events the site's own domains are read where nobody named them.
DOMAIN_SAMPLE = 20_000
# Wrong lines that are told one by one.
MOST_TOLD = 20
# Addresses that come from nowhere but inside (RFC 1918, RFC 4193).
PRIVATE = tuple(map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument(
        "events", nargs="+", type=Path, metavar="EVENTS", help="event streams (docs/events.md)"
    )
    parser.add_argument(
        "--verdicts", type=Path, metavar="FILE", help="write a line for each change of a state"
    )
    parser.add_argument("--truth", type=Path, metavar="FILE", help="what accounts are, as simulate writes it")
    parser.add_argument(
        "--domain", action="append", default=[], help="an own domain, in place of site.domains; repeatable"
    )
    parser.add_argument(
        "--phishers", type=Path, metavar="FILE", help="addresses at which phishers collect answers"
    )
    parser.add_argument("--report", type=one_of("report", "html", "json"), help="all of it, as html or json")


def run(arguments: argparse.Namespace, output: Output) -> int:
    try:
        loaded = load_configuration(arguments)
        truth = _truth(arguments.truth, loaded) if arguments.truth else {}
        wrong = _Wrong(output)
        found = _replay(arguments, loaded, truth, wrong)
    except NoSettings as error:
        output.error(str(error))
        return CANNOT
    except LineError as error:
        output.error(f"{arguments.truth}: {error}")
        return CANNOT
    except OSError as error:
        output.error(f"{error.filename}: {error.strerror}")
        return CANNOT
    wrong.end()
    found["wrong_lines"] = wrong.count
    if not loaded.usable:
        output.error("the settings have errors; what could be read of them was used: sendwarden check")
    _show(found, arguments.report, output)
    return NO if wrong.count or not loaded.usable else GOOD


class _Wrong:
    """Tells of lines that are no events, the first ones one by one."""

    def __init__(self, output: Output) -> None:
        self.output = output
        self.count = 0

    def __call__(self, file: Path, number: int, error: LineError) -> None:
        self.count += 1
        if self.count <= MOST_TOLD:
            self.output.error(f"{file}:{number}: {error}")

    def end(self) -> None:
        if self.count > MOST_TOLD:
            self.output.error(f"and {self.count - MOST_TOLD} more lines that are no events")


def _replay(arguments: argparse.Namespace, loaded: Loaded, truth: dict[str, Known], wrong: _Wrong) -> Record:
    events = _events(arguments.events, wrong)
    sample = list(islice(events, DOMAIN_SAMPLE))
    named = tuple(fold_domain(domain) for domain in arguments.domain) or loaded.site.domains
    domains = named or own_domains(sample)
    internal: Networks = (*loaded.site.internal, *PRIVATE)
    phishers = _phishers(arguments.phishers, wrong) if arguments.phishers else frozenset[str]()
    replay = Replay(Machine(SiteContext(KEY, domains, internal, phishers)), loaded.site.identity)
    changes = replay.changes(chain(sample, events))
    if arguments.verdicts:
        with arguments.verdicts.open("w", encoding="ascii") as file:
            for change in changes:
                file.write(json.dumps(verdict_record(change)) + "\n")
    else:
        for _change in changes:
            pass
    return report(replay, domains, truth) | {"domains_guessed": not named}


def _events(files: Sequence[Path], wrong: _Wrong) -> Iterator[Event]:
    """All events of all files, merged by time as far as each is in order."""
    return heapq.merge(*(_read(file, wrong) for file in files), key=lambda event: event.at)


def _read(file: Path, wrong: _Wrong) -> Iterator[Event]:
    with file.open("rb") as lines:
        yield from read_events(_bounded(lines), lambda number, error: wrong(file, number, error))


def _bounded(lines: "Iterator[bytes]") -> Iterator[bytes]:
    """Lines, of which one that is too long costs no more memory than that it is."""
    readline = lines.readline  # type: ignore[attr-defined]
    while line := readline(LINE_BYTES + 1):
        yield line
        while len(line) > LINE_BYTES and not line.endswith(b"\n"):
            line = readline(LINE_BYTES + 1)


def _phishers(file: Path, wrong: _Wrong) -> frozenset[str]:
    """Raises `OSError`."""
    found, lines = read_reply_list(file.read_text("utf-8", "replace"))
    for number in lines:
        wrong(file, number, LineError("no address; write one a line, what follows a comma is ignored"))
    return found


def _truth(file: Path, loaded: Loaded) -> dict[str, Known]:
    """Raises `LineError`, `OSError`."""
    found = {}
    for number, line in enumerate(file.read_text("utf-8", "replace").splitlines(), 1):
        try:
            record = json.loads(line)
            account = account_of(record["user"], loaded.site.identity)
            since = record.get("compromised_from")
            found[account] = Known(account, None if since is None else float(since), record.get("attack"))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise LineError(
                f'line {number}: write {{"user": "bob", "compromised_from": null or Unix seconds}}'
            ) from None
    return found


def _show(found: Record, form: str | None, output: Output) -> None:
    if form == "html":
        output.write(page(found))
        return
    if form == "json" or output.as_json:
        output.write(json.dumps(found, ensure_ascii=True) + "\n")
        return
    _lines(found, output)


def _lines(found: Record, output: Output) -> None:
    guessed = " (guessed from envelope senders; --domain says better)" if found["domains_guessed"] else ""
    output.line(f"{found['events']} events of {found['accounts']} accounts")
    output.line(f"own domains: {', '.join(found['domains']) or 'none'}{guessed}")
    if found["late"]:
        output.line(f"{found['late']} events were older than the one before them")
    if found["breaker_tripped_at"] is not None:
        output.line(f"too many at once: the breaker stopped all holding at {found['breaker_tripped_at']:.0f}")
    states = ", ".join(f"{count} {state}" for state, count in found["states"].items())
    output.line(f"at the worst: {states or 'all stay normal'}")
    for account in found["stopped"]:
        output.line()
        output.line(f"{account['user']}   {account['says']}")
        if account["without"]:
            output.line(f"  {account['without']}")
        output.line(
            f"  from the first suspicion on, until it was held: {account['messages_before']} messages to "
            f"{account['recipients_before']} recipients; the probe hold lets "
            f"{account['recipients_let_through']} through"
        )
    if truth := found.get("truth"):
        output.line()
        output.line(
            f"{truth['held']} of {truth['stolen']} stolen accounts held",
        )
        if truth["median_minutes_to_held"] is not None:
            output.line(f"median from the theft: {truth['median_minutes_to_held']} minutes")
        for missed in truth["missed"]:
            output.line(f"  missed: {missed['user']} ({missed['attack']})")
        for alarm in truth["false_alarms"]:
            output.line(f"  false alarm: {alarm['user']} {alarm['state']}")
