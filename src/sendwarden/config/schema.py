"""The settings file: every setting with its type, default, and one sentence that `sendwarden help` shows.

Types check what can be checked of a value alone; what needs other settings or files is checked in
`crosscheck`. A value that is wrong raises `PydanticCustomError` with our own code and words; `translate`
finds words for pydantic's own errors, so that none of its messages reaches people.
"""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from sendwarden.core.identity import fold_domain
from sendwarden.core.units import parse_duration_s

# Version of the settings' form. It counts up when a setting changes its meaning.
SETTINGS_VERSION = 1
# Names that stand for networks in a channel's `networks`.
NAMED_NETWORKS = ("internal", "webmail")


def _wrong(code: str, says: str, remedy: str) -> PydanticCustomError:
    return PydanticCustomError("sendwarden", "{says}", {"code": code, "says": says, "remedy": remedy})


def _network(value: object) -> IPv4Network | IPv6Network:
    if not isinstance(value, str):
        raise _wrong("SW102", "a network is written as text", 'write "10.0.0.0/8"')
    try:
        return ip_network(value)
    except ValueError:
        pass
    try:
        wide = ip_network(value, strict=False)
    except ValueError:
        raise _wrong(
            "SW102", f'"{value}" is not a network', 'write "10.0.0.0/8" or "2001:db8::/32"'
        ) from None
    address = value.partition("/")[0]
    remedy = f'write "{wide}", or "{address}/{wide.max_prefixlen}" for this one machine'
    raise _wrong("SW110", f"{value} names a network but has host bits", remedy)


def _channel_network(value: object) -> object:
    return value if value in NAMED_NETWORKS else _network(value)


def _domain(value: object) -> str:
    if not isinstance(value, str) or not value.strip(".") or "@" in value or " " in value:
        raise _wrong(
            "SW102", f'"{value}" is not a domain', 'write "example.org", or ".example.org" for all below'
        )
    dot = "." if value.startswith(".") else ""
    return dot + fold_domain(value.removeprefix("."))


def _duration(value: object) -> int:
    try:
        return parse_duration_s(str(value))
    except ValueError:
        remedy = 'write a number with s, m, h or d, such as "15m" or "180d"'
        raise _wrong("SW102", f'"{value}" is not a duration', remedy) from None


def _listen(value: object) -> str:
    """``address:port``, ``[v6]:port`` or ``unix:/path``."""
    remedy = 'write "127.0.0.1:10031", "[::1]:10031" or "unix:/run/sendwarden/policy"'
    if isinstance(value, str) and value.startswith("unix:/"):
        return value
    host, colon, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    good_port = port.isascii() and port.isdigit() and 0 <= int(port[:6]) <= 65535  # noqa: PLR2004 - RFC 9293
    try:
        ip_network(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        good_port = False
    if not colon or not good_port:
        raise _wrong("SW102", f'"{value}" is not a place to listen', remedy)
    return str(value)


def _one_or_many(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _subaddress(value: object) -> object:
    if isinstance(value, str) and len(value) > 1:
        raise _wrong("SW102", f'"{value}" is more than one character', 'write "+", or "" for none')
    return value


Network = Annotated[object, BeforeValidator(_network)]
ChannelNetwork = Annotated[object, BeforeValidator(_channel_network)]
Domain = Annotated[str, BeforeValidator(_domain)]
DurationS = Annotated[int, BeforeValidator(_duration)]
Listen = Annotated[str, BeforeValidator(_listen)]
ListenMany = Annotated[list[Listen], BeforeValidator(_one_or_many)]
ModeName = Literal["watch", "enforce"]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class SiteSettings(_Table):
    """What belongs to us."""

    host: str = Field(
        default="", description="The name we sign messages of our own with; empty: this machine's."
    )
    domains: list[Domain] = Field(default=[], description="Our own domains: their recipients are internal.")
    internal: list[Network] = Field(
        default=["127.0.0.0/8", "::1/128"], validate_default=True, description="Networks of our own clients."
    )
    webmail: list[Network] = Field(
        default=[], description="Hosts of the webmail, for the channel of that name."
    )
    relays: list[Network] = Field(
        default=[],
        description="Internal hosts that pass on mail of others: never refused, so that nobody gets "
        "backscatter.",
    )


class AccountSettings(_Table):
    """When two spellings are one account."""

    fold_case: bool = Field(default=True, description="BOB and bob are one account.")
    subaddress: Annotated[str, BeforeValidator(_subaddress)] = Field(
        default="+",
        description="What parts an account from a sub-address: bob+phone is bob. Empty: nothing does.",
    )
    realms: list[Domain] = Field(default=[], description="Login domains that add nothing: bob@realm is bob.")
    windows_domains: list[str] = Field(
        default=[], description=r"Windows domains that add nothing: DOMAIN\bob is bob."
    )
    external_logins: bool = Field(
        default=False, description="A client certificate's name (SASL EXTERNAL) is an account."
    )


class ListenSettings(_Table):
    """Our sockets."""

    policy: ListenMany = Field(
        default=["127.0.0.1:10031"], description="Where Postfix's policy requests are answered."
    )
    milter: ListenMany = Field(default=["127.0.0.1:10032"], description="Where milter connections are taken.")
    allow: list[Network] = Field(
        default=[],
        description="Who may connect besides this machine; needed to listen on other addresses than "
        "loopback.",
    )
    connections: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        default=None, description="Most connections at a time; left out, what the file descriptors allow."
    )


class MappingSettings(_Table):
    """Mapping tables."""

    file: str = Field(
        default="mappings", description="The mapping file; read if it exists, or must if it is named here."
    )
    paranoia: bool = Field(
        default=True,
        description='"|" in the values that a filter hands to a table becomes "!" (mapping_paranoia).',
    )


class MetermaidSettings(_Table):
    """MeterMaid tables."""

    file: str = Field(
        default="metermaid.options", description="The option file; read if it exists, or must if named here."
    )


class NotifySettings(_Table):
    """Messages that we send ourselves."""

    smtp: Listen = Field(default="127.0.0.1:25", description="The mail server that takes them.")
    per_account: Annotated[int, Field(ge=0)] = Field(
        default=20, description="Most messages to one account in an hour."
    )
    in_all: Annotated[int, Field(ge=0)] = Field(default=200, description="Most messages in an hour.")


class ChannelSettings(_Table):
    """One class of traffic: conditions, then what holds for it."""

    name: str = Field(description="What it is called.")
    login: bool | None = Field(
        default=None, description="Only with (true) or only without (false) SMTP AUTH."
    )
    networks: list[ChannelNetwork] | None = Field(
        default=None,
        description='Networks of the client; "internal" and "webmail" stand for those of [site].',
    )
    local: bool | None = Field(
        default=None, description="Also mail handed in by programs on the mail server itself."
    )
    listener: str | None = Field(
        default=None, description="Only what came over this socket, as [listen] names it."
    )
    macros: dict[str, str] | None = Field(
        default=None, description="Milter macros or policy attributes and the values they must have."
    )
    mode: ModeName | None = Field(
        default=None, description="watch or enforce; left out, the mode of the site."
    )
    sourcefilter: str | None = Field(
        default=None, description='A Sieve filter for all its mail: "file:IMTA_TABLE:name".'
    )
    destinationfilter: dict[str, str] | None = Field(
        default=None, description="Sieve filters by recipient: internal, external, or a domain."
    )
    unauthenticated: Literal["hold", "discard"] | None = Field(
        default=None, description="What happens where a refusal would be backscatter."
    )
    refusal: Literal["refuse", "defer"] | None = Field(
        default=None, description="What a filter's reject says: refuse (5xx) or defer (4xx)."
    )
    senders: Literal["any", "own"] | None = Field(
        default=None, description="Envelope senders an account may use: any, or its own only."
    )
    count: Literal["recipient", "message"] | None = Field(
        default=None,
        description="A filter that looks at the recipient runs once for each, or once for the message.",
    )


class Settings(_Table):
    """All settings."""

    version: Annotated[int, Field(ge=1)] = Field(
        default=SETTINGS_VERSION, description="The form of this file."
    )
    mode: ModeName = Field(
        default="watch", description="watch: decide and tell, let everything pass. enforce: act."
    )
    state: str = Field(default="", description="Folder of the state file and the event log.")
    keep_decisions: DurationS = Field(
        default="180d",
        validate_default=True,
        description="How long `sendwarden why` can explain a reference.",
    )
    site: SiteSettings = SiteSettings()
    accounts: AccountSettings = AccountSettings()
    listen: ListenSettings = ListenSettings()
    mapping: MappingSettings = MappingSettings()
    metermaid: MetermaidSettings = MetermaidSettings()
    notify: NotifySettings = NotifySettings()
    channel: list[ChannelSettings] = Field(
        default=[], description="Channels, in the order in which they are tried."
    )


# What is shipped: tried in this order behind the channels that the settings name first. A channel of the same
# name in the settings changes only what it sets.
SHIPPED_CHANNELS: tuple[dict[str, object], ...] = (
    {"name": "webmail", "networks": ["webmail"]},
    {"name": "submission-auth-internal", "login": True, "networks": ["internal"]},
    {"name": "submission-auth-external", "login": True},
    {"name": "submission-noauth-internal", "login": False, "networks": ["internal"]},
    {"name": "local", "local": True, "networks": []},
)
