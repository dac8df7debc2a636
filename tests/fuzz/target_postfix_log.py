"""Any bytes are lines that are read or counted; no event is of a login that no line of `client=` named."""

from datetime import UTC

from sendwarden.core.event import LoginEvent
from sendwarden.engine.logs.messages import Bounds
from sendwarden.engine.logs.postfix import PostfixJoin
from sendwarden.wire.postfix_log import Accepted, Line, PostfixLog
from sendwarden.wire.syslog import Stamps

REFERENCE = 1795608000.0
BOUNDS = Bounds(messages=20, sessions=5, letters=2000, recipients=10)


def check(data: bytes) -> None:
    log, join = PostfixLog(Stamps(REFERENCE, UTC)), PostfixJoin(str, BOUNDS)
    confirmed = set[str]()
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    for line in lines:
        record = log.read(line)
        if isinstance(record, Line):
            continue
        if isinstance(record, Accepted):
            confirmed.add(record.login)
        events = list(join.feed(record))
        events += join.end() if line.endswith("removed") else []
        for event in events:
            failed = isinstance(event, LoginEvent) and not event.success
            assert failed or event.account in confirmed or event.account.startswith(("[", "uid:")), event
    assert sum(log.lines().values()) + log.foreign + log.broken == len(lines), "a line was not counted"
