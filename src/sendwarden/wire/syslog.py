"""Lines of a syslog file or of ``journalctl -o json``: when, on which host, which program, and its text.

Three forms of syslog lines are known: the traditional stamp (RFC 3164, ``Nov  5 02:16:30 host prog[1]:
text``), the same with an ISO 8601 stamp (as rsyslog and journalctl write it), and RFC 5424 (``<22>1 STAMP
HOST PROG PID MSGID DATA text``). The traditional stamp has neither year nor zone: both are arguments, and
the year is the last one in which the stamp is not later than a day after the reference.

What stands before the text is the syslog daemon's. The program name is the sender's: whoever may write to
/dev/log may take any. Only the journal knows better (``_SYSTEMD_UNIT``), and `JournalLine` asks it.

Limits: a line beyond `LINE_LETTERS` is cut there. Known fault: in the hour that the end of summer time
repeats, the traditional stamp means the first one.
"""

import json
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import NamedTuple

# The longest line that is looked at. Postfix cuts its own at 2000 letters, rsyslog all at 8 KiB.
LINE_LETTERS = 64 * 1024
# A clock may be wrong by that much before last year is meant.
AHEAD = timedelta(days=1)
MICROSECONDS = 1e6

# Units whose lines may bear any program's name.
MAIL_UNITS = frozenset({"postfix", "exim", "exim4", "dovecot", "sendmail"})

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH = {name: number for number, name in enumerate(_MONTHS, 1)}
_TRADITIONAL = len("Nov  5 02:16:30")
_MINUTE = len("Nov  5 02:16:")
_ISO_MINUTE = len("2026-11-05T02:16:")
_SECONDS = 60
_REMEMBERED = 1024
_LETTER_OF_BYTE = 0xFF


class LogLine(NamedTuple):
    """One line. ``program`` as in ``postfix/smtpd``; ``pid`` is empty where none is given."""

    at: float  # Unix seconds
    host: str
    program: str
    pid: str
    text: str


class Stamps:
    """Reads stamps. ``reference``: when the file was written last; ``zone``: of traditional stamps."""

    def __init__(self, reference: float, zone: tzinfo) -> None:
        self._reference = datetime.fromtimestamp(reference, zone)
        self._zone = zone
        self._minutes: dict[str, float] = {}

    def traditional(self, stamp: str) -> float | None:
        """Unix seconds of ``Nov  5 02:16:30``; None: it is none."""
        if len(stamp) != _TRADITIONAL:
            return None
        minute = self._minutes.get(stamp[:_MINUTE])
        if minute is None:
            minute = self._remember(stamp[:_MINUTE], self._traditional_minute(stamp))
        seconds = _number(stamp[_MINUTE:])
        return None if minute is None or seconds is None or seconds > _SECONDS else minute + seconds

    def iso(self, stamp: str) -> float | None:
        """Unix seconds of ``2026-11-05T02:16:30.123456+01:00``; None: it is none."""
        seconds, offset = stamp[_ISO_MINUTE:], ""
        for mark in "Z+-":
            if (at := seconds.find(mark)) >= 0:
                seconds, offset = seconds[:at], seconds[at:]
                break
        key = stamp[:_ISO_MINUTE] + offset
        minute = self._minutes.get(key)
        if minute is None:
            minute = self._remember(key, self._iso_minute(stamp[: _ISO_MINUTE - 1], offset))
        whole, point, part = seconds.partition(".")
        value = _number(whole)
        if minute is None or value is None or len(whole) != len("30") or value > _SECONDS:
            return None
        if point and not (part.isascii() and part.isdigit()):
            return None
        return minute + (float(seconds) if point else value)

    def _remember(self, key: str, minute: float | None) -> float | None:
        if minute is not None:
            if len(self._minutes) >= _REMEMBERED:
                self._minutes.clear()
            self._minutes[key] = minute
        return minute

    def _traditional_minute(self, stamp: str) -> float | None:
        month, day = _MONTH.get(stamp[:3]), _number(stamp[4:6].lstrip(" "))
        hour, minute = _number(stamp[7:9]), _number(stamp[10:12])
        if month is None or day is None or hour is None or minute is None:
            return None
        if (stamp[3], stamp[6], stamp[9], stamp[12]) != (" ", " ", ":", ":"):
            return None
        # 29 February may be some years ago.
        for year in range(self._reference.year + 1, self._reference.year - 9, -1):
            try:
                at = datetime(year, month, day, hour, minute, tzinfo=self._zone)
            except ValueError:
                continue
            if at <= self._reference + AHEAD:
                return at.timestamp()
        return None

    def _iso_minute(self, text: str, offset: str) -> float | None:
        try:
            at = datetime.strptime(text, "%Y-%m-%dT%H:%M")  # noqa: DTZ007 - the offset comes next
            zone = _zone(offset) if offset else self._zone
            return None if zone is None else at.replace(tzinfo=zone).timestamp()
        except (ValueError, OverflowError):
            return None


class SyslogLines:
    """Lines of one file."""

    def __init__(self, stamps: Stamps) -> None:
        self._stamps = stamps

    def read(self, line: str) -> LogLine | None:
        """A line without its end; None: it is no line of syslog."""
        line = line[:LINE_LETTERS]
        if line[:1] == "<":
            return self._numbered(line)
        if line[4:5] == "-":
            stamp, _, rest = line.partition(" ")
            at = self._stamps.iso(stamp)
        else:
            at, rest = self._stamps.traditional(line[:_TRADITIONAL]), line[_TRADITIONAL + 1 :]
            if line[_TRADITIONAL : _TRADITIONAL + 1] != " ":
                return None
        host, space, rest = rest.partition(" ")
        tag, colon, text = rest.partition(": ")
        if at is None or not space or not colon or not host or not tag or " " in tag:
            return None
        program, bracket, pid = tag.partition("[")
        if bracket and not pid.endswith("]"):
            return None
        return LogLine(at, host, program, pid[:-1], text)

    def _numbered(self, line: str) -> LogLine | None:
        """With ``<PRI>``: RFC 5424, or the traditional form with its priority left on."""
        priority, _, rest = line[1:].partition(">")
        if _number(priority) is None:
            return None
        if rest[:2] != "1 ":
            return None if rest[:1] == "<" else self.read(rest)
        parts = rest[2:].split(" ", 5)
        if len(parts) != len(("stamp", "host", "program", "pid", "id", "rest")):
            return None
        stamp, host, program, pid, _, rest = parts
        at = self._stamps.iso(stamp)
        text = _after_data(rest)
        if at is None or text is None:
            return None
        return LogLine(at, host, program, "" if pid == "-" else pid, text.removeprefix("\ufeff"))


def read_journal(line: str) -> LogLine | None:
    """A line of ``journalctl -o json``; None: it is none.

    The program is believed if a mail server's unit wrote the line (`postfix@-.service`). What another unit
    wrote under that name gets the unit before its program, so that nobody takes it for the server's.
    """
    try:
        members = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(members, dict):
        return None
    program, text = members.get("SYSLOG_IDENTIFIER"), _message(members.get("MESSAGE"))
    stamp = members.get("__REALTIME_TIMESTAMP")
    number = _number(stamp) if isinstance(stamp, str) else None
    if number is None or text is None or not isinstance(program, str):
        return None
    host = members.get("_HOSTNAME")
    pid = members.get("SYSLOG_PID") or members.get("_PID")
    return LogLine(
        number / MICROSECONDS,
        host if isinstance(host, str) else "",
        _believed(program, members),
        pid if isinstance(pid, str) else "",
        text[:LINE_LETTERS],
    )


def _believed(program: str, members: dict[str, object]) -> str:
    unit, uid = members.get("_SYSTEMD_UNIT"), members.get("_UID")
    if isinstance(unit, str):
        return program if unit.partition("@")[0].partition(".")[0] in MAIL_UNITS else f"{unit}:{program}"
    # Neither is given where journalctl was told which fields to write.
    return program if uid is None else f"uid {uid}:{program}"


def _message(value: object) -> str | None:
    """Text, or a list of bytes where it is not UTF-8."""
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        return None
    if not all(isinstance(one, int) and 0 <= one <= _LETTER_OF_BYTE for one in value[:LINE_LETTERS]):
        return None
    return bytes(value[:LINE_LETTERS]).decode("utf-8", "surrogateescape")


def _after_data(rest: str) -> str | None:
    """The text behind RFC 5424's structured data."""
    if rest[:1] == "-":
        return rest[2:] if rest[1:2] == " " else None
    at = 0
    while rest[at : at + 1] == "[":
        quoted, at = False, at + 1
        while at < len(rest) and (quoted or rest[at] != "]"):
            if quoted and rest[at] == "\\":
                at += 1
            elif rest[at] == '"':
                quoted = not quoted
            at += 1
        at += 1
    return rest[at + 1 :] if 0 < at < len(rest) and rest[at] == " " else None


def _zone(offset: str) -> tzinfo | None:
    """``Z``, ``+01:00`` or ``+0100``."""
    if offset == "Z":
        return UTC
    digits = offset[1:].replace(":", "")
    number = _number(digits)
    if number is None or len(digits) != len("0100"):
        return None
    away = timedelta(hours=number // 100, minutes=number % 100)
    return timezone(-away if offset[0] == "-" else away)


def _number(text: str) -> int | None:
    """Digits of ASCII, at most 18."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None  # noqa: PLR2004 - as the docstring says
