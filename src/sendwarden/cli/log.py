"""``sendwarden log read FILE...``: what a mail log says, as events, and how much of it was understood."""

import argparse
import os
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import IO
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sendwarden.cli.configuration import NoSettings, add_config, load_configuration
from sendwarden.cli.exits import CANNOT, GOOD, NO
from sendwarden.cli.log_summary import Tally
from sendwarden.cli.output import Output, complain
from sendwarden.cli.words import one_of
from sendwarden.core.ascii import printable
from sendwarden.core.errors import SendwardenError
from sendwarden.core.event import Event
from sendwarden.core.event_line import write_event
from sendwarden.core.identity import account_of
from sendwarden.engine.logs.messages import Bounds
from sendwarden.engine.logs.order import InOrder
from sendwarden.engine.logs.postfix import PostfixJoin
from sendwarden.followers.logfile import lines_of, open_log
from sendwarden.wire.postfix_log import Line, PostfixLog
from sendwarden.wire.syslog import Stamps, SyslogLines, read_journal

STANDARD_INPUT = Path("-")
LOCALTIME = Path("/etc/localtime")
# So many lines are looked at for the first stamp of a file.
_LOOKED_AT = 1000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument("verb", metavar="read", type=one_of("verb", "read"), help="read logs of Postfix")
    parser.add_argument(
        "files", metavar="FILE", nargs="+", type=Path, help="in any order, packed or not; - reads from a pipe"
    )
    parser.add_argument(
        "--zone",
        type=_zone,
        default=None,
        help="where stamps without a zone are from, such as Europe/Berlin; left out, here",
    )


def run(arguments: argparse.Namespace, output: Output) -> int:
    try:
        rules = load_configuration(arguments).site.identity
        zone = arguments.zone or local_zone()
        logs = _in_order(arguments.files, zone)
        join = PostfixJoin(lambda login: account_of(login, rules))
        tally = _read(logs, join, output)
    except (NoSettings, SendwardenError) as error:
        output.error(str(error))
        return CANNOT
    shown = tally.shown(join.forgotten)
    if output.as_json:
        complain("".join(f"{printable(line)}\n" for line in shown))
    for line in shown:
        output.line(line)
    return GOOD if tally.lines else NO


class _Log:
    """One file to be read once."""

    def __init__(self, path: Path, zone: tzinfo) -> None:
        self.path = path
        piped = path == STANDARD_INPUT
        self._file: IO[bytes] = sys.stdin.buffer if piped else open_log(path)
        written = time.time() if piped else path.stat().st_mtime  # noqa: TID251 - the last stamp a pipe can have
        self.stamps = Stamps(written, zone)
        self._chunks = lines_of(self._file, str(path))
        self._ahead: list[str] = []

    def first_at(self) -> float:
        """The stamp of its first line that has one; else it comes first."""
        syslog = SyslogLines(self.stamps)
        self._ahead = next(self._chunks, [])
        for line in self._ahead[:_LOOKED_AT]:
            found = read_journal(line) if line[:1] == "{" else syslog.read(line)
            if found is not None:
                return found.at
        return 0

    def chunks(self) -> Iterator[list[str]]:
        yield self._ahead
        self._ahead = []
        yield from self._chunks
        self._file.close()


def _in_order(paths: list[Path], zone: tzinfo) -> list[_Log]:
    """Oldest first: `mail.log*` names the newest first."""
    return sorted((_Log(path, zone) for path in dict.fromkeys(paths)), key=_Log.first_at)


def _read(logs: list[_Log], join: PostfixJoin, output: Output) -> Tally:
    tally, order = Tally(), InOrder(Bounds().patience_s)
    for log in logs:
        reader = PostfixLog(log.stamps)
        for chunk in log.chunks():
            now = _read_lines(chunk, reader, join, order, tally)
            for event in order.until(now):
                _told(event, tally, output)
        tally.add(reader)
    order.add(join.end())
    for event in order.rest():
        _told(event, tally, output)
    return tally


def _read_lines(
    lines: list[str], reader: PostfixLog, join: PostfixJoin, order: InOrder, tally: Tally
) -> float:
    """Gives the stamp of the last line."""
    read, feed, now = reader.read, join.feed, 0.0
    for line in lines:
        record = read(line)
        if record.__class__ is Line:
            if record is Line.UNKNOWN:
                tally.example(line)
            continue
        now = record.at  # type: ignore[union-attr] # it is no Line
        if events := feed(record):  # type: ignore[arg-type] # nor here
            order.add(events)
    return now


def _told(event: Event, tally: Tally, output: Output) -> None:
    tally.event(event)
    if output.as_json:
        output.write(write_event(event) + "\n")


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise argparse.ArgumentTypeError(
            f'there is no zone "{name}" on this machine; write one such as Europe/Berlin or UTC'
        ) from None


def local_zone() -> tzinfo:
    """The zone of this machine, as TZ or /etc/localtime have it."""
    if name := os.environ.get("TZ", "").removeprefix(":"):
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            return datetime.now(UTC).astimezone().tzinfo or UTC  # noqa: TID251 - the C library knows it
    try:
        with LOCALTIME.open("rb") as file:
            return ZoneInfo.from_file(file)
    except (OSError, ValueError):
        return UTC
