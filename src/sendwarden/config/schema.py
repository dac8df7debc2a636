"""The settings file: every setting with its type, default, an example, and one sentence on what it does.

Types check what can be checked of a value alone (`config.values`); what needs other settings or files is
checked in `crosscheck`. Examples are written as in the file: `help`, error messages and docs/settings.md show
them.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from sendwarden.config import values
from sendwarden.engine.access.tables import ALL_BITS

# Version of the settings' form. It counts up when a setting changes its meaning.
SETTINGS_VERSION = 1

Plain = Annotated[str, BeforeValidator(values.plain)]
SomeText = Annotated[str, BeforeValidator(values.some_text)]
Network = Annotated[object, BeforeValidator(values.network)]
ChannelNetwork = Annotated[object, BeforeValidator(values.channel_network)]
Domain = Annotated[str, BeforeValidator(values.domain)]
Host = Annotated[str, BeforeValidator(values.host)]
Recipients = Annotated[str, BeforeValidator(values.recipients)]
DurationS = Annotated[int, BeforeValidator(values.duration)]
Listen = Annotated[str, BeforeValidator(values.listen)]
ListenMany = Annotated[list[Listen], BeforeValidator(values.one_or_many)]
SmtpServer = Annotated[str, BeforeValidator(values.smtp_server)]
ModeName = Literal["watch", "enforce"]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class SiteSettings(_Table):
    """What belongs to us."""

    host: Host = Field(
        default="",
        description="The name we sign messages of our own with; empty: this machine's.",
        examples=['"mail.example.org"'],
    )
    domains: list[Domain] = Field(
        default=[],
        description="Our own domains: their recipients are internal.",
        examples=['["example.org", ".example.org"]'],
    )
    internal: list[Network] = Field(
        default=["127.0.0.0/8", "::1/128"],
        validate_default=True,
        description="Networks of our own clients.",
        examples=['["127.0.0.0/8", "10.0.0.0/8"]'],
    )
    webmail: list[Network] = Field(
        default=[],
        description="Hosts of the webmail, for the channel of that name.",
        examples=['["192.0.2.80"]'],
    )
    relays: list[Network] = Field(
        default=[],
        description="Internal hosts that pass on mail of others: never refused, so that nobody gets "
        "backscatter.",
        examples=['["10.1.2.3"]'],
    )


class AccountSettings(_Table):
    """When two spellings are one account."""

    fold_case: bool = Field(default=True, description="BOB and bob are one account.", examples=["false"])
    subaddress: Annotated[str, BeforeValidator(values.subaddress)] = Field(
        default="+",
        description="What parts an account from a sub-address: bob+phone is bob. Empty: nothing does.",
        examples=['"-"'],
    )
    realms: list[Domain] = Field(
        default=[],
        description="Login domains that add nothing: bob@realm is bob.",
        examples=['["mail.example.org"]'],
    )
    windows_domains: list[SomeText] = Field(
        default=[],
        description=r"Windows domains that add nothing: DOMAIN\bob is bob.",
        examples=['["CAMPUS"]'],
    )
    external_logins: bool = Field(
        default=False,
        description="A client certificate's name (SASL EXTERNAL) is an account.",
        examples=["true"],
    )


class ListenSettings(_Table):
    """Our sockets."""

    policy: ListenMany = Field(
        default=["127.0.0.1:10031"],
        description="Where Postfix's policy requests are answered.",
        examples=['"127.0.0.1:10031"'],
    )
    milter: ListenMany = Field(
        default=["127.0.0.1:10032"],
        description="Where milter connections are taken.",
        examples=['["127.0.0.1:10032", "unix:/run/sendwarden/milter"]'],
    )
    allow: list[Network] = Field(
        default=[],
        description="Who may connect besides this machine; needed to listen on other addresses than "
        "loopback.",
        examples=['["192.0.2.25/32"]'],
    )
    connections: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        default=None,
        description="Most connections at a time; left out, what the file descriptors allow.",
        examples=["500"],
    )


class MappingSettings(_Table):
    """Mapping tables."""

    file: SomeText = Field(
        default="mappings",
        description="The mapping file; read if it exists, or must if it is named here.",
        examples=['"mappings"'],
    )
    paranoia: bool = Field(
        default=True,
        description='"|" in the values that a filter hands to a table becomes "!" (mapping_paranoia).',
        examples=["false"],
    )


class AccessSettings(_Table):
    """Access tables."""

    frontends: Literal["milter", "policy", "both"] = Field(
        default="milter",
        description="Which of our sockets asks them; with both, a mail server that uses both counts twice.",
        examples=['"policy"'],
    )
    external_channel: SomeText = Field(
        default="tcp_local",
        description="What probes call the destination channel of recipients elsewhere.",
        examples=['"tcp_local"'],
    )
    internal_channel: SomeText = Field(
        default="ims-ms",
        description="And that of recipients in our own domains.",
        examples=['"ims-ms"'],
    )
    orcpt: Annotated[int, Field(ge=0, le=ALL_BITS)] = Field(
        default=0,
        description="Which tables get the original recipient as a field (access_orcpt).",
        examples=["1"],
    )
    counts: Annotated[int, Field(ge=0, le=ALL_BITS)] = Field(
        default=0,
        description="Which tables get the numbers of recipients as a field (access_counts).",
        examples=["8"],
    )


class MetermaidSettings(_Table):
    """MeterMaid tables."""

    file: SomeText = Field(
        default="metermaid.options",
        description="The option file; read if it exists, or must if named here.",
        examples=['"metermaid.options"'],
    )


class NotifySettings(_Table):
    """Messages that we send ourselves."""

    smtp: SmtpServer = Field(
        default="127.0.0.1:25", description="The mail server that takes them.", examples=['"127.0.0.1:25"']
    )
    per_account: Annotated[int, Field(ge=0)] = Field(
        default=20, description="Most messages to one account in an hour.", examples=["5"]
    )
    in_all: Annotated[int, Field(ge=0)] = Field(
        default=200, description="Most messages in an hour.", examples=["100"]
    )


class ChannelSettings(_Table):
    """One class of traffic: conditions, then what holds for it."""

    name: SomeText = Field(description="What it is called.", examples=['"submission"'])
    login: bool | None = Field(
        default=None, description="Only with (true) or only without (false) SMTP AUTH.", examples=["true"]
    )
    networks: list[ChannelNetwork] | None = Field(
        default=None,
        description='Networks of the client; "internal" and "webmail" stand for those of [site].',
        examples=['["internal", "192.0.2.0/24"]'],
    )
    local: bool | None = Field(
        default=None,
        description="Also mail handed in by programs on the mail server itself.",
        examples=["true"],
    )
    listener: SomeText | None = Field(
        default=None,
        description="Only what came over this socket, as [listen] names it.",
        examples=['"127.0.0.1:10032"'],
    )
    macros: dict[str, Plain] | None = Field(
        default=None,
        description="Milter macros (braces may be left out) or policy attributes, and their values.",
        examples=['{ "{daemon_name}" = "submission" }'],
    )
    mode: ModeName | None = Field(
        default=None, description="watch or enforce; left out, the mode of the site.", examples=['"enforce"']
    )
    sourcefilter: SomeText | None = Field(
        default=None,
        description='A Sieve filter for all its mail: "file:IMTA_TABLE:name".',
        examples=['"file:IMTA_TABLE:authspam.filter"'],
    )
    destinationfilter: dict[Recipients, SomeText] | None = Field(
        default=None,
        description="Sieve filters by recipient: internal, external, or a domain.",
        examples=['{ external = "outgoing.filter" }'],
    )
    unauthenticated: Literal["hold", "discard"] | None = Field(
        default=None,
        description='What happens where a refusal would be backscatter; left out, "hold".',
        examples=['"discard"'],
    )
    refusal: Literal["refuse", "defer"] | None = Field(
        default=None,
        description='What a filter\'s reject says: refuse (5xx) or defer (4xx); left out, "refuse".',
        examples=['"defer"'],
    )
    senders: Literal["any", "own"] | None = Field(
        default=None,
        description='Envelope senders an account may use: any, or its own only; left out, "any".',
        examples=['"own"'],
    )
    envelope_from: Literal["sender", "account"] | None = Field(
        default=None,
        description='What filters see as envelope "from" of a login: the sender as the client wrote it, or '
        'the account; left out, "sender".',
        examples=['"account"'],
    )
    count: Literal["recipient", "message"] | None = Field(
        default=None,
        description="A filter that looks at the recipient runs once for each, or once for the message; "
        'left out, "recipient".',
        examples=['"message"'],
    )
    mta_channel: SomeText | None = Field(
        default=None,
        description="What mapping tables call it, where they come from Messaging Server; left out, its name.",
        examples=['"tcp_submit"'],
    )


class Settings(_Table):
    """All settings."""

    version: Annotated[int, Field(ge=1)] = Field(
        default=SETTINGS_VERSION, description="The form of this file.", examples=["1"]
    )
    mode: ModeName = Field(
        default="watch",
        description="watch: decide and tell, let everything pass. enforce: act.",
        examples=['"enforce"'],
    )
    state: Plain = Field(
        default="",
        description="Folder of the state file and the event log; empty: the system's place.",
        examples=['"/var/lib/sendwarden"'],
    )
    keep_decisions: DurationS = Field(
        default="180d",
        validate_default=True,
        description="How long `sendwarden why` can explain a reference.",
        examples=['"90d"'],
    )
    site: SiteSettings = SiteSettings()
    accounts: AccountSettings = AccountSettings()
    listen: ListenSettings = ListenSettings()
    mapping: MappingSettings = MappingSettings()
    access: AccessSettings = AccessSettings()
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
