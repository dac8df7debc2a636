"""The settings file: every setting with its type, default, an example, and one sentence on what it does.

Types check what can be checked of a value alone (`config.values`); what needs other settings or files is
checked in `crosscheck`. Examples are written as in the file: `help`, error messages and docs/settings.md show
them.
"""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

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
PeriodS = Annotated[int, BeforeValidator(values.duration_or_never)]
Listen = Annotated[str, BeforeValidator(values.listen)]
ListenMany = Annotated[list[Listen], BeforeValidator(values.one_or_many)]
ListenHttp = Annotated[str, BeforeValidator(values.listen_http)]
ListenHttpMany = Annotated[list[ListenHttp], BeforeValidator(values.one_or_many)]
# Shown as stars wherever a value is shown.
Secret = Annotated[SecretStr, BeforeValidator(values.secret)]
DatabaseUrl = Annotated[str, BeforeValidator(values.database_url)]
SmtpServer = Annotated[str, BeforeValidator(values.smtp_server)]
Rates = Annotated[list[object], BeforeValidator(values.rates)]
OverLimitText = Annotated[str, BeforeValidator(values.over_limit)]
End = Annotated[float, BeforeValidator(values.end_of)]
MailAddress = Annotated[str, BeforeValidator(values.mail_address)]
WebAddress = Annotated[str, BeforeValidator(values.web_address)]
IncomingRow = Annotated[str, BeforeValidator(values.incoming_row)]
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
    help: WebAddress = Field(
        default="",
        description="A page that a refusal names, for whoever is refused.",
        examples=['"https://help.example.org/limits"'],
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
    programs: Literal["together", "uid", "script"] = Field(
        default="together",
        description="Mail of programs on the mail server: one account for all, one for each user (uid), or "
        "one for each script that PHP names.",
        examples=['"uid"'],
    )


class SendersSettings(_Table):
    """What a login may send as."""

    file: SomeText = Field(
        default="senders",
        description="Addresses and the logins that may use them, as in Postfix's smtpd_sender_login_maps. "
        "Anywhere on this machine; read if it exists, or must if it is named here.",
        examples=['"senders"'],
    )
    every_domain: bool = Field(
        default=False,
        description="A login without a domain owns its name at each of site.domains: bob owns "
        "bob@example.org.",
        examples=["true"],
    )


class DirectorySettings(_Table):
    """Where it stands which row of limits an account has."""

    url: DatabaseUrl = Field(
        default="",
        description="The database, as SQLAlchemy writes it, without a password; empty: none.",
        examples=['"sqlite:////etc/mail/users.db"'],
    )
    password_secret: Secret = Field(
        default=SecretStr(""),
        description="The password of the database's user; empty: none.",
        examples=['"correct horse battery staple"'],
    )
    query: Plain = Field(
        default="",
        description="What gives the name of a row of limits; :account, :local and :domain stand for the "
        "account and its parts.",
        examples=['"SELECT limits FROM users WHERE login = :account"'],
    )
    keep: DurationS = Field(
        default="10m",
        validate_default=True,
        description="How long an answer counts before the database is asked again.",
        examples=['"1h"'],
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
    login: ListenHttpMany = Field(
        default=[],
        description="Where Dovecot's auth policy asks whether a login may go on (HTTP); empty: nowhere.",
        examples=['"127.0.0.1:8601"'],
    )
    login_secret: Secret = Field(
        default=SecretStr(""),
        description="What Dovecot must show to ask at listen.login; empty: nothing.",
        examples=['"correct horse battery staple"'],
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
    administrators: list[MailAddress] = Field(
        default=[],
        description="Who is told when an account reaches a limit, once in its window.",
        examples=['["postmaster@example.org"]'],
    )
    users: bool = Field(
        default=True,
        description="Tell an account's owner at 50 and 80 % of a limit of an hour or a day.",
        examples=["false"],
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
    header_from: Literal["any", "own"] | None = Field(
        default=None,
        description="Addresses that From (Resent-From, Sender) may name: any, or the account's own only; "
        'left out, "any".',
        examples=['"own"'],
    )
    foreign_sender: Literal["refuse", "hold", "tag", "allow"] | None = Field(
        default=None,
        description="What happens to mail whose sender is not the account's: refuse, hold, tag (a header) or "
        'allow (it is only told); left out, "refuse".',
        examples=['"hold"'],
    )
    envelope_from: Literal["sender", "account"] | None = Field(
        default=None,
        description='What filters see as envelope "from" of a login: the sender as the client wrote it, or '
        'the account; left out, "sender".',
        examples=['"account"'],
    )
    limits: SomeText | None = Field(
        default=None,
        description='The row of limits that holds for each of its accounts, or "unlimited"; left out, the '
        "one that fits the channel's conditions.",
        examples=['"webmail"'],
    )
    over_limit: OverLimitText | None = Field(
        default=None,
        description='What happens over a limit: defer, refuse, hold, discard, slow, or "filter TRANSPORT:"; '
        'left out, "defer".',
        examples=['"filter slow:"'],
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


class LimitSettings(_Table):
    """One row of limits: at most so many of each in a window, for each account."""

    name: SomeText = Field(
        description="What channels and overrides call it; one of a shipped name changes what it sets.",
        examples=['"webmail"'],
    )
    messages: Rates = Field(default=[], description="Messages.", examples=['["30/1h", "200/24h"]'])
    recipients: Rates = Field(
        default=[],
        description="Recipients: each of a message counts.",
        examples=['["30/10m", "100/1h", "400/24h"]'],
    )
    internal: Rates = Field(default=[], description="Recipients of our own domains.", examples=['"1000/1h"'])
    external: Rates = Field(
        default=[], description="Recipients of other domains.", examples=['["50/1h", "300/24h"]']
    )
    bytes: Rates = Field(default=[], description="Bytes of whole messages.", examples=['"500 MiB/24h"'])
    distinct: Rates = Field(
        default=[],
        description="Recipients that differ; above 1000 of an account in a day an estimate.",
        examples=['"100/1h"'],
    )
    new: Rates = Field(
        default=[],
        description="Recipients that the account never wrote to before.",
        examples=['["30/1h", "100/24h"]'],
    )
    per_message: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        default=None, description="Most recipients of one message.", examples=["50"]
    )


class IncomingSettings(_Table):
    """Limits for mail that comes in from strangers."""

    limits: list[IncomingRow] = Field(
        default=[],
        description="Rows that hold: incoming-network, incoming-domain, incoming-bounces, incoming-mailbox; "
        "none: nothing is counted.",
        examples=['["incoming-bounces", "incoming-mailbox"]'],
    )
    mode: ModeName | None = Field(
        default=None, description="watch or enforce; left out, the mode of the site.", examples=['"enforce"']
    )
    over_limit: Literal["defer", "hold"] = Field(
        default="defer", description="What happens over a limit: defer or hold.", examples=['"hold"']
    )
    except_networks: list[Network] = Field(
        default=[],
        description="Networks whose mail is not counted, besides site.internal and site.relays.",
        examples=['["192.0.2.0/24"]'],
    )
    except_domains: list[Domain] = Field(
        default=[],
        description="Sender domains that incoming-domain does not count.",
        examples=['["gmail.com", ".outlook.com"]'],
    )
    ipv4_prefix: Annotated[int, Field(ge=8, le=32)] = Field(
        default=24, description="How much of an IPv4 address is the network.", examples=["32"]
    )
    ipv6_prefix: Annotated[int, Field(ge=16, le=128)] = Field(
        default=64, description="How much of an IPv6 address is the network.", examples=["56"]
    )


class OverrideSettings(_Table):
    """Other limits for some accounts, with an end and a reason."""

    accounts: list[SomeText] = Field(
        default=[], description="Accounts, as somebody writes them.", examples=['["newsletter"]']
    )
    domains: list[Domain] = Field(
        default=[], description="Domains of accounts.", examples=['["lists.example.org"]']
    )
    networks: list[Network] = Field(
        default=[],
        description="Hosts that send without a login.",
        examples=['["10.1.2.0/24"]'],
    )
    channels: list[SomeText] = Field(
        default=[], description="Only on these channels; empty: on all.", examples=['["webmail"]']
    )
    limits: SomeText = Field(
        description='The row of limits that counts instead of the channel\'s; or "unlimited".',
        examples=['"bulk"'],
    )
    until: End | None = Field(default=None, description="The last day, or a moment.", examples=["2026-12-31"])
    reason: SomeText = Field(description="Why, for whoever asks later.", examples=['"weekly newsletter"'])

    @model_validator(mode="after")
    def _for_somebody(self) -> Self:
        return values.for_somebody(self, self.accounts, self.domains, self.networks)


class CountingSettings(_Table):
    """How much is remembered."""

    accounts: Annotated[int, Field(ge=100, le=100_000_000)] = Field(
        default=1_000_000,
        description="Most accounts that are counted at a time; each takes 300 to 700 bytes.",
        examples=["50000"],
    )
    new_account: PeriodS = Field(
        default="8d",
        validate_default=True,
        description='How long an account is new from the first time it is seen; "never": none is.',
        examples=['"30d"'],
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
    senders: SendersSettings = SendersSettings()
    directory: DirectorySettings = DirectorySettings()
    listen: ListenSettings = ListenSettings()
    mapping: MappingSettings = MappingSettings()
    access: AccessSettings = AccessSettings()
    metermaid: MetermaidSettings = MetermaidSettings()
    notify: NotifySettings = NotifySettings()
    counting: CountingSettings = CountingSettings()
    incoming: IncomingSettings = IncomingSettings()
    limits: list[LimitSettings] = Field(default=[], description="Rows of limits by name.")
    override: list[OverrideSettings] = Field(default=[], description="Exceptions from the limits.")
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

# Rows of limits that are shipped: the ladder of trust. All windows count.
SHIPPED_LIMITS: tuple[dict[str, object], ...] = (
    {"name": "internal", "recipients": ["150/10m", "400/1h", "2000/24h"], "per_message": 200},
    {"name": "device", "recipients": ["60/10m", "200/1h", "1000/24h"], "per_message": 100},
    {"name": "external", "recipients": ["40/10m", "150/1h", "800/24h"], "per_message": 100},
    {"name": "webmail", "recipients": ["30/10m", "100/1h", "400/24h"], "per_message": 50},
    {"name": "scripts", "recipients": ["50/10m", "80/1h", "750/24h"], "per_message": 50},
    {"name": "bulk", "recipients": ["3600/1h", "20000/24h"], "per_message": 500},
    # For mail that comes in, where [incoming] names them.
    {"name": "incoming-network", "messages": ["500/10m", "2000/1h"]},
    {"name": "incoming-domain", "messages": ["500/10m", "2000/1h"]},
    {"name": "incoming-bounces", "messages": ["20/10m", "60/1h"]},
    {"name": "incoming-mailbox", "messages": ["100/10m", "300/1h", "1500/24h"]},
    # Holds besides the channel's own for accounts that were first seen lately.
    {"name": "new-account", "recipients": ["15/10m", "50/1h", "150/24h"], "per_message": 25},
    # Holds besides the channel's own for accounts in this state.
    {"name": "throttled", "recipients": ["20/1h"]},
)

# Tables that a file may hold several of, and what each of them must say, with what stands in where that is
# wrong ("": a name is made up).
MUST_BE_SET: dict[str, dict[str, object]] = {
    "limits": {"name": ""},
    "override": {"limits": "unlimited", "reason": "", "accounts": ["nobody"]},
    "channel": {"name": ""},
}
