"""Events as lines of JSON: how other programs hand them in, and how ours hand them on.

One object a line. What is not known is null or left out; members that are not known here are ignored, so
that a writer may add its own. docs/events.md has the table. Lines, texts and lists of recipients have bounds:
what is beyond them is no mail but an attempt at our memory.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from ipaddress import ip_address
from math import isfinite

from sendwarden.core.event import (
    NOWHERE,
    ComplaintEvent,
    ComplaintSource,
    DeliveryEvent,
    DirectoryEvent,
    Event,
    LoginEvent,
    Origin,
    Outcome,
    SubmissionEvent,
)

LINE_BYTES = 1 << 20
TEXT_LETTERS = 2000
MOST_RECIPIENTS = 10_000
# The year 2100. Whoever writes milliseconds is far beyond it.
LATEST = 4_102_444_800.0
LARGEST_SCORE = 1e9
# An autonomous system's number has 32 bits (RFC 6793).
LARGEST_ASN = (1 << 32) - 1

_SHOWN = 40
_REMEMBERED = 1 << 16

Members = Mapping[str, object]


class LineError(ValueError):
    """A line is no event. Its text says what is wrong, and what to write instead."""


def read_event(line: str | bytes) -> tuple[Event, ...]:
    """What a line says: one event, or two where a delivery is a complaint as well. Raises `LineError`."""
    if len(line) > LINE_BYTES:
        raise LineError(f"the line is longer than {LINE_BYTES} bytes")
    try:
        members = json.loads(line)
    except (ValueError, RecursionError) as error:
        said = error.msg if isinstance(error, json.JSONDecodeError) else "it is not UTF-8, or nested too deep"
        raise LineError(f"not a JSON object: {said}; write one object a line") from None
    if not isinstance(members, dict):
        raise LineError(f"an event is a JSON object, not {_shown(members)}")
    kind = members.get("kind")
    read = READERS.get(kind) if isinstance(kind, str) else None
    if read is None:
        raise LineError(f'"kind" is {_shown(kind)}; write one of {", ".join(READERS)}')
    return read(members)


def read_events(
    lines: Iterable[bytes], wrong: Callable[[int, LineError], None], *, first: int = 1
) -> Iterator[Event]:
    """All events of a file; ``wrong`` is told the number and the error of each line that is none."""
    for number, line in enumerate(lines, first):
        if not line.strip():
            continue
        try:
            yield from read_event(line)
        except LineError as error:
            wrong(number, error)


def write_event(event: Event) -> str:
    """One line, without its end. `read_event` gives the same event back."""
    members: dict[str, object] = {"ts": event.at}
    match event:
        case LoginEvent():
            members |= {"kind": "auth", "user": event.account, **_origin_members(event.origin)}
            members |= {"channel": event.channel, "result": "ok" if event.success else "fail"}
        case SubmissionEvent():
            members |= {"kind": "submission", "user": event.account, "msg_id": event.message}
            members |= {**_origin_members(event.origin), "channel": event.channel}
            members |= {"envelope_from": event.envelope_from, "header_from": event.header_from}
            members |= {"reply_to": event.reply_to} if event.reply_to is not None else {}
            members |= {"recipients": event.recipients, "size": event.size, "spam_score": event.spam_score}
        case DeliveryEvent():
            members |= {"kind": "delivery", "user": event.account, "msg_id": event.message}
            members |= {"recipient": event.recipient, "outcome": event.outcome.value, "dsn": event.dsn}
        case ComplaintEvent():
            members |= {"kind": "complaint", "user": event.account, "msg_id": event.message}
            members |= {"source": event.source.value}
        case DirectoryEvent():
            members |= {"kind": "directory", "user": event.account, "attribute": event.attribute}
            members |= {"old": event.old, "new": event.new, "by": event.by, **_origin_members(event.origin)}
    return json.dumps(members, ensure_ascii=True, separators=(",", ":"))


# --- one kind each


def _login(members: Members) -> tuple[Event, ...]:
    result = members.get("result")
    if result not in ("ok", "fail"):
        raise LineError(f'"result" is {_shown(result)}; write "ok" or "fail"')
    return (
        LoginEvent(
            _at(members), _user(members), result == "ok", _origin(members), _optional(members, "channel")
        ),
    )


def _submission(members: Members) -> tuple[Event, ...]:
    return (
        SubmissionEvent(
            _at(members),
            _user(members),
            _needed(members, "msg_id"),
            _origin(members),
            _optional(members, "channel"),
            _optional(members, "envelope_from"),
            _optional(members, "header_from"),
            _optional(members, "reply_to"),
            _recipients(members),
            _size(members),
            _score(members),
        ),
    )


def _delivery(members: Members) -> tuple[Event, ...]:
    at, user, message = _at(members), _user(members), _needed(members, "msg_id")
    outcome = OUTCOMES.get(str(members.get("outcome")))
    if outcome is None:
        raise LineError(f'"outcome" is {_shown(members.get("outcome"))}; write one of {", ".join(OUTCOMES)}')
    delivery = DeliveryEvent(
        at, user, message, _needed(members, "recipient"), outcome, _optional(members, "dsn")
    )
    if members.get("complaint") is True:
        return delivery, ComplaintEvent(at, user, ComplaintSource.ARF, message)
    return (delivery,)


def _complaint(members: Members) -> tuple[Event, ...]:
    source = SOURCES.get(str(members.get("source")))
    if source is None:
        raise LineError(f'"source" is {_shown(members.get("source"))}; write one of {", ".join(SOURCES)}')
    return (ComplaintEvent(_at(members), _user(members), source, _optional(members, "msg_id")),)


def _directory(members: Members) -> tuple[Event, ...]:
    return (
        DirectoryEvent(
            _at(members),
            _user(members),
            _needed(members, "attribute"),
            _optional(members, "old"),
            _optional(members, "new"),
            _optional(members, "by"),
            _origin(members),
        ),
    )


READERS: dict[str, Callable[[Members], tuple[Event, ...]]] = {
    "auth": _login,
    "submission": _submission,
    "delivery": _delivery,
    "complaint": _complaint,
    "directory": _directory,
}
OUTCOMES = {outcome.value: outcome for outcome in Outcome}
SOURCES = {source.value: source for source in ComplaintSource}


# --- one member each


def _at(members: Members) -> float:
    at = members.get("ts")
    if not isinstance(at, (int, float)) or isinstance(at, bool) or not 0 <= at < LATEST:
        raise LineError(f'"ts" is {_shown(at)}; write Unix seconds, such as 1700000000.5')
    return float(at)


def _user(members: Members) -> str:
    return _needed(members, "user")


def _needed(members: Members, name: str) -> str:
    text = _optional(members, name)
    if not text:
        raise LineError(f'"{name}" is missing; an event of kind "{members["kind"]}" cannot do without it')
    return text


def _optional(members: Members, name: str) -> str | None:
    value = members.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise LineError(f'"{name}" is {_shown(value)}; write text in quotes, or null')
    if len(value) > TEXT_LETTERS:
        raise LineError(f'"{name}" is longer than {TEXT_LETTERS} letters')
    return value


def _recipients(members: Members) -> tuple[str, ...]:
    value = members.get("recipients")
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise LineError(f'"recipients" is {_shown(value)}; write a list of addresses in quotes')
    if len(value) > MOST_RECIPIENTS:
        raise LineError(f'"recipients" are more than {MOST_RECIPIENTS}')
    if any(len(one) > TEXT_LETTERS for one in value):
        raise LineError(f"a recipient is longer than {TEXT_LETTERS} letters")
    return tuple(value)


def _size(members: Members) -> int | None:
    value = members.get("size")
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise LineError(f'"size" is {_shown(value)}; write bytes, such as 2048, or null')
    return value


def _score(members: Members) -> float | None:
    value = members.get("spam_score")
    if value is None:
        return None
    if isinstance(value, int) and abs(value) > LARGEST_SCORE:
        value = None
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not isfinite(value):
        raise LineError(
            f'"spam_score" is {_shown(members["spam_score"])}; write a number, or null where nobody scored it'
        )
    return float(value)


def _origin(members: Members) -> Origin:
    address, country, asn = members.get("client_ip"), members.get("country"), members.get("asn")
    if address is None and country is None and asn is None:
        return NOWHERE
    if not isinstance(address, (str, type(None))) or len(address or "") > TEXT_LETTERS:
        raise LineError(f'"client_ip" is {_shown(address)}; write an address such as "192.0.2.7", or null')
    if not isinstance(country, (str, type(None))) or len(country or "XX") != len("XX"):
        raise LineError(f'"country" is {_shown(country)}; write two letters such as "DE", or null')
    if isinstance(asn, bool) or not isinstance(asn, (int, type(None))) or not 0 <= (asn or 0) <= LARGEST_ASN:
        raise LineError(f'"asn" is {_shown(asn)}; write a number such as 64500, or null')
    return _remembered_origin(address, country, asn)


@lru_cache(maxsize=_REMEMBERED)
def _remembered_origin(address: str | None, country: str | None, asn: int | None) -> Origin:
    try:
        ip = ip_address(address) if address else None
    except ValueError:
        raise LineError(
            f'"client_ip" is {_shown(address)}; write an address such as "192.0.2.7", or null'
        ) from None
    mapped = getattr(ip, "ipv4_mapped", None)
    return Origin(mapped or ip, country.upper() if country else None, asn)


def _origin_members(origin: Origin) -> dict[str, object]:
    address = str(origin.address) if origin.address else None
    return {"client_ip": address, "country": origin.country, "asn": origin.asn}


def _shown(value: object) -> str:
    """A value as it stands in the line, cut."""
    try:
        text = json.dumps(value, ensure_ascii=True)
    except ValueError:
        text = "a number that is too long"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
