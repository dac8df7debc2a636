"""Values of settings that need more than a type: what they must be, and what to write instead.

Each function takes what stands in the file and gives what the settings hold. One that is wrong raises a
`PydanticCustomError` with our own code and words, as `wrong` makes it. A value of a wrong type altogether is
handed on, so that pydantic says so and `translate` finds the words.
"""

import re
from datetime import UTC, date, datetime, time, timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, TypeVar

from pydantic_core import PydanticCustomError

from sendwarden.core.ascii import printable
from sendwarden.core.identity import fold_domain
from sendwarden.core.place import did_you_mean
from sendwarden.core.units import Rate, parse_duration_s, parse_rate
from sendwarden.engine.limits.incoming import KINDS
from sendwarden.engine.limits.windows import window_of

# Names that stand for networks in a channel's `networks`.
NAMED_NETWORKS = ("internal", "webmail")
# Names that stand for recipients in a channel's `destinationfilter`.
NAMED_RECIPIENTS = ("internal", "external")
# Letters of a value that are shown; what is longer is cut.
SHOWN_LETTERS = 60

_LABELS = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9_-]{1,63}(?<!-))*")
_DOMAIN_LETTERS = 253
_ATTRIBUTE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*|[0-9]+(?:\.[0-9]+)+")
# Fields of RFC 5322 section 3.6, of MIME (RFC 2045), of signatures and of lists.
_NEEDED_FIELD = re.compile(
    r"(?i:from|sender|reply-to|to|cc|bcc|message-id|in-reply-to|references|subject|comments|keywords|date|received"
    r"|return-path|delivered-to|resent-.*|mime-version|content-.*|list-.*|dkim-signature|arc-.*)"
)
_FIELD_NAME = re.compile(r"[!-9;-~]+")
_DOMAIN_REMEDY = 'write "example.org", or ".example.org" for all below'
_NO_SUBADDRESS = '@".\\ '


def wrong(says: str, remedy: str, code: str = "SW102") -> PydanticCustomError:
    return PydanticCustomError("sendwarden", "{says}", {"code": code, "says": says, "remedy": remedy})


def shown(value: object) -> str:
    """A value of a TOML file as a sentence names it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else "a list"
    text = printable(str(value))
    text = text if len(text) <= SHOWN_LETTERS else f"{text[: SHOWN_LETTERS - 3]}..."
    return f'"{text}"' if isinstance(value, str) else text


def plain(value: object) -> object:
    """Text on one line."""
    if isinstance(value, str) and any(ord(letter) < ord(" ") or letter == "\x7f" for letter in value):
        raise wrong(f"a control character stands in {shown(value)}", "take it out")
    return value


def some_text(value: object) -> object:
    """Text on one line that says something."""
    if isinstance(value, str) and not value.strip():
        raise wrong("this text is empty", "write something between the quotes, or take the setting out")
    return plain(value)


def network(value: object) -> IPv4Network | IPv6Network:
    remedy = 'write "10.0.0.0/8" or "2001:db8::/32"'
    if not isinstance(value, str):
        raise wrong(f"a network is written as text, not {shown(value)}", remedy)
    try:
        return ip_network(value)
    except ValueError:
        pass
    try:
        wide = ip_network(value, strict=False)
    except ValueError:
        raise wrong(f"{shown(value)} is not a network", remedy) from None
    address = value.partition("/")[0]
    remedy = f'write "{wide}", or "{address}/{wide.max_prefixlen}" for this one machine'
    raise wrong(f"{value} names a network but has host bits", remedy, "SW110")


def channel_network(value: object) -> object:
    if value in NAMED_NETWORKS:
        return value
    if isinstance(value, str) and (meant := did_you_mean(value, NAMED_NETWORKS)):
        raise wrong(f"{shown(value)} is not a network", meant)
    return network(value)


def domain(value: object) -> str:
    if not isinstance(value, str):
        raise wrong(f"a domain is written as text, not {shown(value)}", _DOMAIN_REMEDY)
    dot = "." if value.startswith(".") else ""
    folded = fold_domain(value.removeprefix("."))
    if _LABELS.fullmatch(folded) and len(folded) <= _DOMAIN_LETTERS:
        return dot + folded
    remedy = _DOMAIN_REMEDY
    for start, instead in (("*.", "."), ("@", "")):
        if value.startswith(start) and _LABELS.fullmatch(fold_domain(value.removeprefix(start))):
            remedy = f'write "{instead}{value.removeprefix(start)}"'
    raise wrong(f"{shown(value)} is not a domain", remedy)


def host(value: object) -> object:
    """The name of one machine, or nothing."""
    if not isinstance(value, str) or not value:
        return value
    folded = fold_domain(value)
    if _LABELS.fullmatch(folded) and len(folded) <= _DOMAIN_LETTERS:
        return folded
    raise wrong(f"{shown(value)} is not the name of a machine", 'write "mail.example.org"')


def header_name(value: object) -> object:
    """The name of a header field (RFC 5322 section 3.6.8) that may be taken out of mail of others."""
    if not isinstance(value, str):
        return value
    if _NEEDED_FIELD.fullmatch(value):
        raise wrong(f"{shown(value)} is a field that mail needs: it would be lost", 'write "X-Spam-Score"')
    if _FIELD_NAME.fullmatch(value):
        return value
    remedy = f'write "{value.rstrip(": ")}"' if _FIELD_NAME.fullmatch(value.rstrip(": ")) else ""
    raise wrong(f"{shown(value)} is not the name of a header field", remedy or 'write "X-Authenticated-User"')


def attribute_name(value: object) -> object:
    """The name or number of an attribute in LDAP (RFC 4512 section 2.5), or nothing."""
    if not isinstance(value, str) or not value or _ATTRIBUTE_NAME.fullmatch(value):
        return value
    raise wrong(f"{shown(value)} is not the name of an attribute", 'write "mail"')


def recipients(value: object) -> object:
    """A key of `destinationfilter`. It is kept as written; what it stands for is worked out later."""
    if not isinstance(value, str) or value.lower() in NAMED_RECIPIENTS:
        return value
    known = ", ".join(f'"{name}"' for name in NAMED_RECIPIENTS)
    if "." not in value and (meant := did_you_mean(value, NAMED_RECIPIENTS)):
        raise wrong(f"{shown(value)} names no recipients", meant)
    try:
        domain(value)
    except PydanticCustomError as error:
        remedy = str((error.context or {})["remedy"])
        remedy = remedy if remedy != _DOMAIN_REMEDY else f"{remedy}, or one of {known}"
        raise wrong(f"{shown(value)} names no recipients", remedy) from None
    return value


def recipients_meant(key: str) -> str:
    """A right key of `destinationfilter` in the form that addresses are compared in."""
    return key.lower() if key.lower() in NAMED_RECIPIENTS else domain(key)


def duration(value: object) -> int:
    remedy = 'write a number with s, m, h or d, such as "15m" or "180d"'
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    try:
        seconds = parse_duration_s(text)
    except ValueError:
        raise wrong(f"{shown(value)} is not a duration", remedy) from None
    if not seconds:
        raise wrong(f"{shown(value)} is no time at all", remedy)
    return seconds


def duration_or_never(value: object) -> int:
    """In seconds; 0 for "never"."""
    return 0 if value == "never" else duration(value)


_RATE_REMEDY = (
    'write "50/1h", of bytes "500 MiB/24h"; the windows are 10m, 1h and 24h, and no limit is "unlimited"'
)


def rates(value: object) -> object:
    """The rates of one counter as a list; "unlimited" is none."""
    return [] if value == "unlimited" else value if isinstance(value, list) else [value]


def one_for_each_window(found: list[Rate]) -> list[Rate]:
    if len({one.window_s for one in found}) < len(found):
        raise wrong("two rates have the same window", "leave one of them out")
    return found


def rate(value: object) -> Rate:
    """So many in one of the three windows."""
    try:
        found = parse_rate(value) if isinstance(value, str) else None
    except ValueError:
        found = None
    if found is None:
        raise wrong(f"{shown(value)} is not a rate", _RATE_REMEDY)
    try:
        window_of(found)
    except ValueError:
        raise wrong(f"{shown(value)} has a window that is not counted", _RATE_REMEDY) from None
    if not found.amount:
        raise wrong(
            f"{shown(value)} lets nothing through", "write at least 1, or set the state of the account"
        )
    return found


def incoming_row(value: object) -> object:
    """The name of a row for mail that comes in."""
    if not isinstance(value, str) or value in KINDS:
        return value
    close = did_you_mean(value, KINDS)
    raise wrong(f"{shown(value)} is no row for incoming mail", close or f"write one of {', '.join(KINDS)}")


OVER_LIMIT = ("defer", "refuse", "hold", "discard", "slow")
_TRANSPORT = re.compile(r"filter ([A-Za-z0-9_-]{1,63}:[^\s]{0,255})")


def over_limit(value: object) -> object:
    """What happens over a limit: a word, or a transport of Postfix's."""
    if isinstance(value, str) and (value in OVER_LIMIT or _TRANSPORT.fullmatch(value)):
        return value
    remedy = f'write one of {", ".join(OVER_LIMIT)}, or "filter slow:" for a transport of master.cf'
    close = did_you_mean(value, OVER_LIMIT) if isinstance(value, str) else ""
    raise wrong(f"{shown(value)} is nothing that can be done with mail over a limit", close or remedy)


def end_of(value: object) -> float:
    """A day that ends at midnight UTC after it, or a moment; as seconds since the epoch."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise wrong(f"{shown(value)} is no day", "write 2026-12-31, without quotes") from None
    if isinstance(value, datetime):
        return value.replace(tzinfo=value.tzinfo or UTC).timestamp()
    if isinstance(value, date):
        return datetime.combine(value + timedelta(days=1), time(), UTC).timestamp()
    raise wrong(f"{shown(value)} is no day", "write 2026-12-31, without quotes")


Table = TypeVar("Table")


def for_somebody(table: Table, *lists: list[Any]) -> Table:
    """An override that names nobody would silently be without effect."""
    if any(lists):
        return table
    raise wrong(
        "this override is for nobody", 'write accounts = ["newsletter"], or domains or networks', "SW112"
    )


def mail_address(value: object) -> object:
    if not isinstance(value, str) or re.fullmatch(r"[!-?A-~]{1,64}@[!-?A-~]{1,255}", value):
        return value
    raise wrong(f"{shown(value)} is no mail address", 'write "postmaster@example.org"')


def web_address(value: object) -> object:
    if not isinstance(value, str) or not value or re.fullmatch(r"https?://[!-~]{1,200}", value):
        return value
    raise wrong(f"{shown(value)} is no address of a page", 'write "https://help.example.org/limits"')


_WAIT = re.compile(r"([0-9]{1,6})(ms|s)", re.ASCII)
_SIZE = re.compile(r"([0-9]{1,6}) ?([KM]iB)", re.ASCII | re.IGNORECASE)
# The longest that a message may wait for a scanner, and the largest one that is kept for it.
LONGEST_WAIT_S = 120.0
LARGEST_MIB = 64


def wait(value: object) -> float:
    """A short time, in seconds."""
    remedy = 'write "700ms" or "5s"'
    found = _WAIT.fullmatch(value) if isinstance(value, str) else None
    if not found:
        raise wrong(f"{shown(value)} is no time to wait", remedy)
    seconds = int(found[1]) / (1000 if found[2] == "ms" else 1)
    if not 0 < seconds <= LONGEST_WAIT_S:
        raise wrong(f"{shown(value)} is too short or too long", f"{remedy}, at most {LONGEST_WAIT_S:g}s")
    return seconds


def size(value: object) -> int:
    """A number of bytes."""
    remedy = 'write "512 KiB" or "10 MiB"'
    found = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if not found:
        raise wrong(f"{shown(value)} is no size", remedy)
    unit = 1 << (10 if found[2].lower() == "kib" else 20)
    size_bytes = int(found[1]) * unit
    if not 0 < size_bytes <= LARGEST_MIB << 20:
        raise wrong(f"{shown(value)} is too small or too large", f"{remedy}, at most {LARGEST_MIB} MiB")
    return size_bytes


def threshold(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong(f"a number is expected, not {shown(value)}", "write 5 or 5.0, without quotes")
    if not 0 < value <= 1000:  # noqa: PLR2004 - no scanner has a larger one; this leaves out inf and nan
        raise wrong(f"{shown(value)} would make all mail spam, or none", "write 5 or 5.0")
    return float(value)


def one_or_many(value: object) -> object:
    return [value] if isinstance(value, str) else value


def subaddress(value: object) -> object:
    """One sign, or nothing."""
    if not isinstance(value, str) or not value:
        return value
    if len(value) > 1 or value.isalnum() or not value.isprintable() or value in _NO_SUBADDRESS:
        raise wrong(f"{shown(value)} cannot part a name", 'write one sign, such as "+", or "" for none')
    return value
