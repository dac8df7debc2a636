"""Settings of the DNS and of lists in it, and what their values can be."""

from ipaddress import IPv4Network, ip_address
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_core import PydanticCustomError

from sendwarden.config import addresses, values
from sendwarden.config.kinds import SettingsTable, SomeText
from sendwarden.config.values import shown, wrong
from sendwarden.engine.reputation.lists import ANSWERS, REFUSALS
from sendwarden.engine.reputation.names import NAME_LETTERS, domain_name, key_of, nibbles

# Of a name of the DNS a zone leaves room for an IPv6 address and its dot.
ZONE_LETTERS = NAME_LETTERS - len(nibbles(0)) - 1
# A single list is waited for no longer, in seconds.
LONGEST_WAIT_S = 10.0
MOST_WEIGHT = 1000

_CODES_REMEDY = 'write ["127.0.0.2", "127.0.0.4/30"], or { "127.0.0.2" = 2 } with weights'


def server(value: object) -> str:
    """An address, with a port unless it is 53; as ``address:port``."""
    try:
        ip = ip_address(value) if isinstance(value, str) else None
    except ValueError:
        ip = None
    if ip is not None:
        return f"[{ip}]:53" if ":" in str(ip) else f"{ip}:53"
    try:
        place = addresses.socket_place(value, "53")
    except PydanticCustomError:
        place = "unix:"
    if place.startswith("unix:"):
        raise wrong(f"{shown(value)} is no address of a DNS server", 'write "127.0.0.1" or "127.0.0.1:5353"')
    return place


def zone(value: object) -> object:
    """The domain of a list. What looks like a key in it is not shown again."""
    if not isinstance(value, str):
        return value
    if key_of(value):
        raise wrong(
            "the key of a subscription stands in this zone", "take it out, and write it as key_secret"
        )
    found = domain_name(value.removeprefix("."))
    if found and len(found) <= ZONE_LETTERS:
        return found
    raise wrong(f"{shown(value)} is no zone of a list", 'write "zen.spamhaus.org"')


def key(value: object) -> str:
    """What stands before the zone in questions, as labels of a name."""
    written = str(addresses.secret(value))
    if written and not domain_name(f"{written}.example"):
        raise wrong("this key can be no part of a name", "write the letters and digits that you were given")
    return written.lower()


def wait(value: object) -> float:
    found = values.wait(value)
    if found > LONGEST_WAIT_S:
        raise wrong(
            f"{shown(value)} is too long to wait for one list", f'write "{LONGEST_WAIT_S:g}s" or less'
        )
    return found


def codes(value: object) -> dict[str, int]:
    """Answers that count, each with its weight; of a list each has 1."""
    if isinstance(value, str):
        value = [value]
    if isinstance(value, list):
        value = {each if isinstance(each, str) else shown(each): 1 for each in value}
    if not isinstance(value, dict) or not value:
        raise wrong(f"{shown(value)} names no answers that count", _CODES_REMEDY)
    for code, weight in value.items():
        _code(code)
        if isinstance(weight, bool) or not isinstance(weight, int) or abs(weight) > MOST_WEIGHT:
            raise wrong(f"{shown(weight)} is no weight", f"write a whole number up to {MOST_WEIGHT}")
    return value


def _code(code: str) -> None:
    try:
        network = IPv4Network(code)
    except ValueError:
        raise wrong(f"{shown(code)} is no answer of a list", _CODES_REMEDY) from None
    if not network.subnet_of(ANSWERS):
        raise wrong(f"{code} is no answer of a list: all are in {ANSWERS}", _CODES_REMEDY)
    if network.subnet_of(REFUSALS[0][0]):
        raise wrong(f"{code} is how lists refuse to answer, and never counts", "take it out")


DnsServer = Annotated[str, BeforeValidator(server)]
DnsServers = Annotated[list[DnsServer], BeforeValidator(values.one_or_many)]
Zone = Annotated[str, BeforeValidator(zone)]
Key = Annotated[SecretStr, BeforeValidator(key)]
Codes = Annotated[dict[str, int], BeforeValidator(codes)]
ListWait = Annotated[float, BeforeValidator(wait)]


class DnsSettings(SettingsTable):
    """Questions to the DNS."""

    servers: DnsServers = Field(
        default=[],
        description="Servers that are asked, with a port unless it is 53; none: those of the system.",
        examples=['"127.0.0.1"'],
    )
    questions: Annotated[int, Field(ge=10, le=10_000)] = Field(
        default=1000, description="Most questions under way at a time.", examples=["200"]
    )
    answers: Annotated[int, Field(ge=1000, le=10_000_000)] = Field(
        default=100_000,
        description="Most answers that are remembered, each as long as it says; about 500 bytes each.",
        examples=["20000"],
    )


class DnsListSettings(SettingsTable):
    """A list in the DNS."""

    name: SomeText = Field(description="What it is called here and in the log.", examples=['"zen"'])
    kind: Literal["dnsbl", "dnswl", "rhsbl"] = Field(
        description="A list of bad addresses (dnsbl), of good ones (dnswl), or of bad domains (rhsbl).",
        examples=['"dnsbl"'],
    )
    zone: Zone = Field(description="Its domain, without a key.", examples=['"zen.spamhaus.org"'])
    key_secret: Key = Field(
        default=SecretStr(""),
        description="The key of a subscription, which stands before the zone in questions and is shown "
        "nowhere; empty: none.",
        examples=['"abcdefghijklmnopqrstuvwxyz"'],
    )
    codes: Codes = Field(
        default={"127.0.0.2": 1},
        description="Answers that count, alone or as networks, all others do not; with weights, of which "
        "the largest that was answered counts, or without, for 1 each.",
        examples=['{ "127.0.0.2" = 2, "127.0.0.4/30" = 1 }'],
    )
    servers: DnsServers = Field(
        default=[],
        description="Servers that are asked about this list; none: those of [dns].",
        examples=['"127.0.0.1:5353"'],
    )
    timeout: ListWait = Field(
        default="2s",
        validate_default=True,
        description="How long an answer is waited for.",
        examples=['"500ms"'],
    )
    health_check: Literal["retire", "warn", "off"] = Field(
        default="retire",
        description="What happens when its test entries are not as they must be: it is out of service "
        "(retire), or only told (warn); off: they are not asked for.",
        examples=['"warn"'],
    )
