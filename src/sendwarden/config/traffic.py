"""Settings of mail on its way: channels, scanners, limits, and how much of them is remembered."""

from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, model_validator

from sendwarden.config import values
from sendwarden.config.kinds import (
    ChannelNetwork,
    Domain,
    End,
    HeaderName,
    IncomingRow,
    ModeName,
    Network,
    OnFinding,
    OverLimitText,
    PeriodS,
    Plain,
    Rates,
    Recipients,
    RedisUrl,
    ScannerPlace,
    Secret,
    SettingsTable,
    Size,
    SomeText,
    Threshold,
    Wait,
)


class ChannelSettings(SettingsTable):
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
    greylist: list[Literal["all", "listed", "risk", "new-network"]] | None = Field(
        default=None,
        description="Whose mail waits: of clients that lists of greylist.checks know (listed), of accounts "
        "that are watched or throttled (risk), from a network new for its account (new-network), all; "
        "left out, nobody's.",
        examples=['["risk", "new-network"]'],
    )
    scan: list[SomeText] | None = Field(
        default=None,
        description="Scanners that are asked about its mail, and score headers that count, by their names.",
        examples=['["spam", "virus"]'],
    )
    spam: OnFinding | None = Field(
        default=None,
        description='What happens to mail that a scanner calls spam; left out, "pass", for filters to judge.',
        examples=['"refuse"'],
    )
    virus: OnFinding | None = Field(
        default=None,
        description='What happens to mail in which a scanner finds a virus; left out, "pass".',
        examples=['"refuse"'],
    )


class ScannerSettings(SettingsTable):
    """A program that looks into messages when a channel asks it."""

    name: SomeText = Field(description="What channels call it.", examples=['"spam"'])
    kind: Literal["spamd", "rspamd", "clamd"] = Field(
        description="Whose protocol it speaks: SpamAssassin's spamd, rspamd, or ClamAV's clamd.",
        examples=['"spamd"'],
    )
    at: ScannerPlace = Field(
        default="",
        description="Its socket; empty: 127.0.0.1:783 (spamd), 127.0.0.1:11333 (rspamd) or "
        "unix:/run/clamav/clamd.ctl (clamd).",
        examples=['"127.0.0.1:783"'],
    )
    timeout: Wait = Field(
        default="700ms",
        validate_default=True,
        description="How long a message waits for it before it passes unscored; above 1 s the mail server is "
        "kept waiting.",
        examples=['"5s"'],
    )
    largest: Size = Field(
        default="1 MiB",
        validate_default=True,
        description="Larger messages are not given to it and pass unscored.",
        examples=['"10 MiB"'],
    )


class ScoreHeaderSettings(SettingsTable):
    """A header in which a filter before us wrote its score."""

    name: SomeText = Field(description="What channels call it.", examples=['"upstream"'])
    header: HeaderName = Field(description="The header.", examples=['"X-Spam-Status"'])
    writers: list[Network] = Field(
        description="Hosts that may write it; from all others it is taken out.",
        examples=['["192.0.2.9/32"]'],
    )
    threshold: Threshold = Field(
        default=5.0,
        description="The score from which mail is spam, where the header does not say it.",
        examples=["6.0"],
    )


class LimitSettings(SettingsTable):
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


class IncomingSettings(SettingsTable):
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


class OverrideSettings(SettingsTable):
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


class CountingSettings(SettingsTable):
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
    redis: RedisUrl = Field(
        default="",
        description="A Redis where several Sendwardens count accounts together; empty: each for "
        "itself. A change counts after a restart.",
        examples=['"redis://192.0.2.30:6379/0"'],
    )
    redis_secret: Secret = Field(
        default=SecretStr(""),
        description="Its password; empty: none.",
        examples=['"correct horse battery staple"'],
    )
    redis_cluster: bool = Field(
        default=False,
        description="Is it a cluster, of which counting.redis names one node?",
        examples=["true"],
    )

    @property
    def where(self) -> tuple[str, str, bool]:
        """All that says where accounts are counted."""
        return self.redis, self.redis_secret.get_secret_value(), self.redis_cluster
