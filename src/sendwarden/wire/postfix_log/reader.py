"""Which daemon wrote a line, and who reads it."""

from collections import Counter
from collections.abc import Callable

from sendwarden.wire.postfix_log.delivery import read_delivery
from sendwarden.wire.postfix_log.queue import (
    read_bounce,
    read_cleanup,
    read_pickup,
    read_postsuper,
    read_qmgr,
)
from sendwarden.wire.postfix_log.records import Line, Origin, Record
from sendwarden.wire.postfix_log.smtpd import read_postscreen, read_smtpd
from sendwarden.wire.syslog import LINE_LETTERS, LogLine, Stamps, SyslogLines, read_journal

Reader = Callable[[float, Origin, str], Record | Line]

# So many writers are remembered. A process of Postfix serves 100 clients and goes.
_REMEMBERED = 4096
_TRADITIONAL = len("Nov  5 02:16:30")

# Said by any program.
EVERYBODY = ("warning: ", "error: ", "fatal: ", "panic: ", "statistics: ", "table ", "info: ")


def _noted(_at: float, _origin: Origin, _text: str) -> Record | Line:
    """Of programs that say nothing of a message or a login."""
    return Line.NOTED


def _unknown(_at: float, _origin: Origin, _text: str) -> Record | Line:
    return Line.UNKNOWN


# What programs are counted as that call themselves Postfix's and are not known here.
OTHERS = "others"
DAEMONS: dict[str, Reader] = {
    "smtpd": read_smtpd,
    "postscreen": read_postscreen,
    "cleanup": read_cleanup,
    "pickup": read_pickup,
    "qmgr": read_qmgr,
    "nqmgr": read_qmgr,
    "oqmgr": read_qmgr,
    "bounce": read_bounce,
    "postsuper": read_postsuper,
    **dict.fromkeys(("smtp", "lmtp", "local", "virtual", "pipe", "error", "retry", "discard"), read_delivery),
    **dict.fromkeys(
        (
            "anvil", "dnsblog", "flush", "master", "postalias", "postcat", "postconf", "postdrop", "postfix",
            "postfix-script", "postfix-tls-script", "postkick", "postlog", "postlogd", "postmap",
            "postmulti", "postqueue",
            "proxymap", "proxywrite", "qmqpd", "scache", "sendmail", "showq", "spawn", "tlsmgr", "tlsproxy",
            "trivial-rewrite", "verify", "defer", "trace",
        ),
        _noted,
    ),
}  # fmt: skip


class _Writer:
    """One process of Postfix, and how many lines it wrote."""

    __slots__ = ("lines", "origin", "read")

    def __init__(self, origin: Origin, read: Reader) -> None:
        self.origin = origin
        self.read = read
        self.lines = 0


class PostfixLog:
    """Lines of one log, or of several one after the other.

    ``understood`` and ``not_understood`` have the counts of lines by daemon so far (call `count` first).
    """

    def __init__(self, stamps: Stamps) -> None:
        self._stamps = stamps
        self._syslog = SyslogLines(stamps)
        self._writers: dict[str, _Writer] = {}
        self._last_stamp = ""
        self._last_at: float = 0
        self._lines: Counter[str] = Counter()
        self.not_understood: Counter[str] = Counter()
        self.foreign = 0
        self.broken = 0

    def read(self, line: str) -> Record | Line:
        """One line without its end, of any length and content."""
        head, _, text = line.partition("]: ")
        stamp = head[:_TRADITIONAL]
        if stamp == self._last_stamp:
            writer = self._writers.get(head[_TRADITIONAL:])
            if writer is not None:
                return self._told(writer, self._last_at, text)
        return self._read_slowly(line, stamp, head)

    def lines(self) -> Counter[str]:
        """Lines by daemon, understood or not."""
        self._forget()
        return self._lines

    def _read_slowly(self, line: str, stamp: str, head: str) -> Record | Line:
        found = read_journal(line) if line[:1] == "{" else self._syslog.read(line)
        if found is None:
            self.broken += 1
            return Line.BROKEN
        key = f" {found.host} {found.program}[{found.pid}"
        writer = self._writers.get(key)
        if writer is None:
            writer = self._writer(key, found)
            if writer is None:
                self.foreign += 1
                return Line.FOREIGN
        if found.pid and head[_TRADITIONAL:] == key:
            self._last_stamp, self._last_at = stamp, found.at
        return self._told(writer, found.at, found.text)

    def _told(self, writer: _Writer, at: float, text: str) -> Record | Line:
        writer.lines += 1
        if len(text) > LINE_LETTERS:
            text = text[:LINE_LETTERS]
        record = writer.read(at, writer.origin, text)
        if record is Line.UNKNOWN:
            if text.startswith(EVERYBODY):
                return Line.NOTED
            self.not_understood[writer.origin.daemon] += 1
        return record

    def _writer(self, key: str, found: LogLine) -> _Writer | None:
        name, slash, daemon = found.program.rpartition("/")
        if not slash:  # the command postfix(1) itself
            name = daemon if daemon.startswith("postfix") else ""
            daemon = "postfix"
        read = DAEMONS.get(daemon)
        if read is None and name.startswith("postfix"):
            daemon, read = OTHERS, _unknown
        if not name or read is None or ":" in name:
            return None
        instance, _, service = name.partition("/")
        origin = Origin(found.host, instance, service, daemon, found.pid, (found.host, instance))
        writer = _Writer(origin, read)
        if len(self._writers) >= _REMEMBERED:
            self._forget()
        self._writers[key] = writer
        return writer

    def _forget(self) -> None:
        """Counts of those who are remembered go to the counts of daemons, and they are forgotten."""
        for writer in self._writers.values():
            self._lines[writer.origin.daemon] += writer.lines
        self._writers.clear()
