"""The table ``[greylist]`` of the settings."""

from typing import Annotated, Literal

from pydantic import Field

from sendwarden.config.kinds import (
    DurationS,
    ListenIpMany,
    Network,
    Plain,
    SettingsTable,
    SomeText,
    Wait,
)

Protocol = Literal["sjsms", "postfix"]
Weight = Annotated[int, Field(ge=0, le=1_000_000)]


class GreylistSettings(SettingsTable):
    """Greylisting, for grosscheck.so, Postfix and our own filters."""

    listen: ListenIpMany = Field(
        default=[],
        description="Where it is asked, by UDP and TCP alike; empty: nowhere.",
        examples=['"127.0.0.1:5525"'],
    )
    status: ListenIpMany = Field(
        default=[],
        description="Where one line of status is told to whoever connects; empty: nowhere.",
        examples=['"127.0.0.1:5522"'],
    )
    protocols: list[Protocol] = Field(
        default=["sjsms", "postfix"],
        description="What is spoken there: sjsms (UDP, grosscheck.so), postfix (policy delegation, TCP).",
        examples=['["sjsms"]'],
    )
    grossd: SomeText | None = Field(
        default=None,
        description="A grossd.conf to take over as it stands; what this table sets counts over it.",
        examples=['"grossd.conf"'],
    )
    delay: DurationS = Field(
        default="10s",
        validate_default=True,
        description="How long mail waits, from its first try on.",
        examples=['"5m"'],
    )
    interval: DurationS = Field(
        default="1h",
        validate_default=True,
        description="How often the oldest triplets are forgotten.",
        examples=['"1d"'],
    )
    generations: Annotated[int, Field(ge=2, le=366)] = Field(
        default=8,
        description="After so many intervals a triplet is forgotten of which nothing more came.",
        examples=["35"],
    )
    triplets: Annotated[int, Field(ge=1000, le=100_000_000)] = Field(
        default=1_000_000,
        description="Most triplets that are remembered; about 140 bytes of memory each.",
        examples=["5000000"],
    )
    mask4: Annotated[int, Field(ge=1, le=32)] = Field(
        default=24, description="Leading bits of an IPv4 address that count.", examples=["32"]
    )
    mask6: Annotated[int, Field(ge=1, le=128)] = Field(
        default=64, description="Leading bits of an IPv6 address that count.", examples=["56"]
    )
    tuple: Literal["user", "server", "account"] = Field(
        default="user",
        description="What a triplet is beside the network: sender and recipient (user), sender domain and "
        "HELO (server), or the account (account).",
        examples=['"server"'],
    )
    variants: bool = Field(
        default=False,
        description="Senders written anew for each message (VERP, SRS, BATV) are one.",
        examples=["true"],
    )
    remember: Literal["grey", "always"] = Field(
        default="grey",
        description="Which triplets are remembered: those that had to wait (grey), or all.",
        examples=['"always"'],
    )
    grey_threshold: Weight = Field(
        default=1,
        description="From this weight of all checks on mail waits; 0: all mail that is not trusted.",
        examples=["2"],
    )
    block_threshold: Weight = Field(
        default=0, description="From this weight on it is blocked; 0: never.", examples=["5"]
    )
    checks: list[SomeText] = Field(
        default=[],
        description="What is asked before mail waits, for the thresholds: names of [[dns_list]] tables, all "
        "lists of a kind (dnsbl, dnswl, rhsbl), reverse, helo, spf; none: all mail waits.",
        examples=['["reverse", "helo"]'],
    )
    wait: Wait = Field(
        default="5s",
        validate_default=True,
        description="How long checks are waited for; Postfix gets its answer within a second.",
        examples=['"2s"'],
    )
    grey_reason: Plain = Field(
        default="Please try again later",
        description="What the sender of mail that waits is told.",
        examples=['"Please wait 10 seconds and try sending again"'],
    )
    block_reason: Plain = Field(
        default="Bad reputation",
        description="What the sender of mail that is blocked is told.",
        examples=['"Bad reputation"'],
    )
    exempt_networks: list[Network] = Field(
        default=[], description="Clients whose mail never waits.", examples=['["192.0.2.0/24"]']
    )
    exempt_accounts: list[SomeText] = Field(
        default=[],
        description="Logins, or else senders, whose mail never waits.",
        examples=['["newsletter"]'],
    )
    exempt_recipients: list[SomeText] = Field(
        default=["postmaster", "abuse"],
        description="Recipients, or local parts at any domain, for whom mail never waits.",
        examples=['["postmaster", "abuse", "sos@example.org"]'],
    )
    allow_after: Annotated[int, Field(ge=0, le=1000)] = Field(
        default=0,
        description="A network waits no more once so many of its triplets have waited; 0: it always does.",
        examples=["5"],
    )
    log: Plain = Field(
        default="greylist.log",
        description="A line for each answer, in grossd's form: a file in the state folder; empty: none.",
        examples=['"greylist.log"'],
    )
    sjsms_grey: Plain = Field(
        default="$X4.4.3|$N%reason%",
        description="What a mapping entry yields for mail that waits; %reason% stands for the reason.",
        examples=['"$X4.4.3|$N%reason%"'],
    )
    sjsms_match: Plain = Field(default="$Y", description="And for mail that has waited.", examples=['"$Y"'])
    sjsms_trust: Plain = Field(default="$Y", description="And for mail that need not.", examples=['"$Y"'])
    sjsms_block: Plain = Field(
        default="$N%reason%", description="And for mail that is blocked.", examples=['"$N%reason%"']
    )
    postfix_grey: Plain = Field(
        default="action=defer_if_permit %reason%",
        description="What Postfix is told of mail that waits.",
        examples=['"action=defer 4.7.1 %reason%"'],
    )
    postfix_block: Plain = Field(
        default="action=reject %reason%",
        description="And of mail that is blocked.",
        examples=['"action=reject %reason%"'],
    )
