"""Channels: classes of traffic, and which one a request belongs to.

A request belongs to the first channel all of whose conditions hold; the order is the settings file's. What
fits none belongs to `OTHER`, which has no filters and lets everything pass.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

from sendwarden.core.decision import Request, Verdict
from sendwarden.core.identity import in_domains, split_address
from sendwarden.core.networks import Networks, in_networks
from sendwarden.engine.limits.rules import DEFER, Limits, OverLimit
from sendwarden.engine.sieve.compile import Script

# Whose mail waits: everybody's, that of clients on a list, of accounts at risk, and what comes from where its
# account never sent from.
Waits = Literal["all", "listed", "risk", "new-network"]


class Mode(Enum):
    """`watch`: decide and tell, but let everything pass. `enforce`: act as decided."""

    WATCH = "watch"
    ENFORCE = "enforce"


def is_own(recipient: str, own_domains: tuple[str, ...]) -> bool:
    """Is it one of our own recipients? One without a domain is."""
    domain = split_address(recipient)[1]
    return not domain or in_domains(domain, own_domains)


@dataclass(frozen=True, slots=True)
class DestinationFilter:
    """A script for recipients "internal", "external", or of a domain (".example.org": all below it)."""

    recipients: str
    script: Script

    def takes(self, recipient: str, own_domains: tuple[str, ...]) -> bool:
        match self.recipients:
            case "internal":
                return is_own(recipient, own_domains)
            case "external":
                return not is_own(recipient, own_domains)
            case _:
                return in_domains(split_address(recipient)[1], (self.recipients,))


@dataclass(frozen=True, slots=True)
class Channel:
    """One class of traffic: its conditions, then what holds for it. A condition left out always holds."""

    name: str
    login: bool | None = None  # only with, only without SMTP AUTH
    networks: Networks | None = None  # of the client
    local: bool = False  # also mail handed in by a local program, which has no client address
    listener: str = ""  # one of our own sockets, by its name in the settings
    # Milter macros or policy attributes, and the values they must have.
    macros: Mapping[str, str] = field(default_factory=dict)
    mode: Mode = Mode.WATCH
    sourcefilter: Script | None = None
    destinationfilters: tuple[DestinationFilter, ...] = ()
    # What takes the place of a refusal that would hit a stranger: hold or discard.
    unauthenticated: Verdict = Verdict.HOLD
    # What a filter's reject becomes: refuse (for good) or defer.
    refusal: Verdict = Verdict.REFUSE
    # Which envelope senders an account may use.
    senders: Literal["any", "own"] = "any"
    # Which addresses From and its like may name.
    header_from: Literal["any", "own"] = "any"
    # What becomes of a message whose sender is not the account's.
    foreign_sender: Literal["refuse", "hold", "tag", "allow"] = "refuse"
    # What filters see as the envelope's "from" where there is a login: what the client wrote, or the account.
    envelope_from: Literal["sender", "account"] = "sender"
    # How often a filter that looks at the recipient runs.
    count: Literal["recipient", "message"] = "recipient"
    mta_channel: str = ""  # what mapping tables call it, as in tcp_submit; "": by its name
    # How much each of its accounts may send; None: it is not counted.
    limits: Limits | None = None
    over_limit: OverLimit = DEFER
    greylist: frozenset[Waits] = frozenset()  # whose mail waits; empty: nobody's
    scan: tuple[str, ...] = ()  # scanners that are asked, or whose header counts
    # What becomes of mail that they call spam, and of mail in which they find a virus.
    spam: Verdict = Verdict.ACCEPT
    virus: Verdict = Verdict.ACCEPT

    def __post_init__(self) -> None:
        if self.unauthenticated not in (Verdict.HOLD, Verdict.DISCARD):
            raise ValueError(f"unauthenticated may be hold or discard, not {self.unauthenticated}")
        if self.refusal not in (Verdict.REFUSE, Verdict.DEFER):
            raise ValueError(f"refusal may be refuse or defer, not {self.refusal}")

    @property
    def table_name(self) -> str:
        """What mapping tables call it."""
        return self.mta_channel or self.name

    def fits(self, request: Request) -> bool:
        if self.login is not None and self.login is not bool(request.login):
            return False
        if self.listener and self.listener != request.listener:
            return False
        if any(_macro(request, name) != value for name, value in self.macros.items()):
            return False
        return self._from_here(request.client_address)

    def _from_here(self, address: str) -> bool:
        if not address:
            return self.local or self.networks is None
        return self.networks is None or in_networks(address, self.networks)


OTHER = Channel("other")


def _macro(request: Request, name: str) -> str:
    """A milter macro, its braces written or not, or a policy attribute."""
    return request.macros.get(name) or request.macros.get(f"{{{name}}}", "")


def channel_of(request: Request, channels: tuple[Channel, ...]) -> Channel:
    return next((channel for channel in channels if channel.fits(request)), OTHER)
