"""The settings file: every setting with its type, default, an example, and one sentence on what it does.

Types check what can be checked of a value alone (`config.values`); what needs other settings or files is
checked in `crosscheck`. Examples are written as in the file: `help`, error messages and docs/settings.md show
them.
"""

from typing import Annotated, Literal

from pydantic import (
    BeforeValidator,
    Field,
    SecretStr,
)

from sendwarden.config import values
from sendwarden.config.directory import DirectorySettings
from sendwarden.config.dns import DnsListSettings, DnsSettings
from sendwarden.config.greylist import GreylistSettings
from sendwarden.config.kinds import (
    Domain,
    DurationS,
    HeaderName,
    Host,
    ListenHttpMany,
    ListenMany,
    MailAddress,
    ModeName,
    Network,
    Plain,
    Secret,
    SettingsTable,
    SmtpServer,
    SomeText,
    WebAddress,
)
from sendwarden.config.traffic import (
    ChannelSettings,
    CountingSettings,
    IncomingSettings,
    LimitSettings,
    OverrideSettings,
    ScannerSettings,
    ScoreHeaderSettings,
)
from sendwarden.engine.access.tables import ALL_BITS

# Version of the settings' form. It counts up when a setting changes its meaning.
SETTINGS_VERSION = 1


class SiteSettings(SettingsTable):
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


class WebmailSettings(SettingsTable):
    """Whom the webmail sends for, where it relays without SMTP AUTH."""

    account: list[Literal["auth", "header", "received", "proxy-ip"]] = Field(
        default=[],
        description="Where the hosts of site.webmail say whose mail it is: auth (SMTP AUTH or XCLIENT "
        "alone), header, received, proxy-ip; several are tried in this order.",
        examples=['["header"]'],
    )
    client: list[Literal["received", "proxy-ip", "x-originating-ip"]] = Field(
        default=[],
        description="Where those hosts say from which address their user came, for greylisting: received, "
        "proxy-ip, x-originating-ip; several are tried in this order; none: those of account that say it.",
        examples=['["received"]'],
    )
    header: HeaderName = Field(
        default="X-Authenticated-User",
        description="The header field that names the login, for account = header.",
        examples=['"X-Authenticated-User"'],
    )
    remove: Literal["never", "foreign", "always"] = Field(
        default="never",
        description="Take that field out of messages: foreign, of those that others than the webmail wrote "
        "it into; always, of all.",
        examples=['"foreign"'],
    )


class AccountSettings(SettingsTable):
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


class SendersSettings(SettingsTable):
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


class ListenSettings(SettingsTable):
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


class MappingSettings(SettingsTable):
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


class AccessSettings(SettingsTable):
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


class MetermaidSettings(SettingsTable):
    """MeterMaid tables."""

    file: SomeText = Field(
        default="metermaid.options",
        description="The option file; read if it exists, or must if named here.",
        examples=['"metermaid.options"'],
    )
    redis: bool = Field(
        default=False,
        description="Are its tables counted in the Redis that counting.redis names, by several Sendwardens "
        "together? A change counts after a restart.",
        examples=["true"],
    )


class NotifySettings(SettingsTable):
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


class Settings(SettingsTable):
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
    webmail: WebmailSettings = WebmailSettings()
    accounts: AccountSettings = AccountSettings()
    senders: SendersSettings = SendersSettings()
    directory: DirectorySettings = DirectorySettings()
    listen: ListenSettings = ListenSettings()
    mapping: MappingSettings = MappingSettings()
    access: AccessSettings = AccessSettings()
    metermaid: MetermaidSettings = MetermaidSettings()
    notify: NotifySettings = NotifySettings()
    counting: CountingSettings = CountingSettings()
    dns: DnsSettings = DnsSettings()
    dns_list: list[DnsListSettings] = Field(default=[], description="Lists in the DNS.")
    scanner: list[ScannerSettings] = Field(default=[], description="Programs that look into messages.")
    score_header: list[ScoreHeaderSettings] = Field(
        default=[], description="Headers in which others wrote scores."
    )
    incoming: IncomingSettings = IncomingSettings()
    greylist: GreylistSettings = GreylistSettings()
    limits: list[LimitSettings] = Field(default=[], description="Rows of limits by name.")
    override: list[OverrideSettings] = Field(default=[], description="Exceptions from the limits.")
    channel: list[ChannelSettings] = Field(
        default=[], description="Channels, in the order in which they are tried."
    )


# Tables that a file may hold several of, and what each of them must say, with what stands in where that is
# wrong ("": a name is made up).
MUST_BE_SET: dict[str, dict[str, object]] = {
    "dns_list": {"name": "", "kind": "dnsbl", "zone": "dnsbl.invalid"},
    "scanner": {"name": "", "kind": "spamd"},
    "score_header": {"name": "", "header": "X-Spam-Score", "writers": ["127.0.0.1/32"]},
    "limits": {"name": ""},
    "override": {"limits": "unlimited", "reason": "", "accounts": ["nobody"]},
    "channel": {"name": ""},
}
