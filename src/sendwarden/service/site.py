"""A site's configuration as the service uses it: read, checked and compiled.

Never changed, only replaced as a whole.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import ip_network
from typing import Literal

from sendwarden.core.decision import Stage
from sendwarden.core.identity import IdentityRules
from sendwarden.core.networks import Networks
from sendwarden.engine.access.tables import AccessRules, present
from sendwarden.engine.channel import Channel
from sendwarden.engine.handover import ScoreSource
from sendwarden.engine.limits.incoming import IncomingRules
from sendwarden.engine.limits.overrides import Override
from sendwarden.engine.limits.rules import Limits
from sendwarden.engine.mapping.run import Mappings
from sendwarden.engine.meters.options import TableOptions
from sendwarden.engine.owners import Owners, SenderTable
from sendwarden.engine.programs import Apart
from sendwarden.engine.sieve.compile import Script
from sendwarden.engine.webmail import Webmail

LOOPBACK: Networks = (ip_network("127.0.0.0/8"), ip_network("::1/128"))

# Most of a body that is kept for filters, in bytes; a scanner may want more.
BODY_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long one scanner is waited for, and the largest message it is given, in bytes."""

    patience_s: float
    largest_bytes: int


@dataclass(frozen=True)
class Site:
    """Everything that a decision depends on, but for what was counted."""

    channels: tuple[Channel, ...] = ()
    identity: IdentityRules = field(default_factory=IdentityRules)
    domains: tuple[str, ...] = ()  # our own, folded; ".example.org" stands for all below it
    lent: SenderTable = field(default_factory=SenderTable)  # addresses that logins may use besides their own
    every_domain: bool = False  # a login without a domain owns its name at each of our domains
    internal: Networks = LOOPBACK
    relays: Networks = ()  # internal hosts that pass on mail of others
    webmail: Webmail = field(default_factory=Webmail)
    mappings: Mappings = field(default_factory=lambda: Mappings({}))
    meters: Mapping[str, TableOptions] = field(default_factory=dict)
    rows: Mapping[str, Limits] = field(default_factory=dict)  # of limits, by name
    overrides: tuple[Override, ...] = ()
    incoming: IncomingRules = field(default_factory=IncomingRules)
    administrators: tuple[str, ...] = ()  # who hears that an account reached a limit
    tell_users: bool = True  # that they come near a limit
    help: str = ""  # the page that a refusal names
    most_accounts: int = 1_000_000  # counted at a time
    new_account_s: int = 0  # so long an account is new from when it was first seen; 0: none is
    programs: Apart = "together"  # what programs on the mail server are told apart by
    external_logins: bool = False  # does a client certificate name an account?
    host: str = "localhost"  # the name we sign messages of our own with
    asks_greylist: bool = False  # does a mapping table call grosscheck?
    access: AccessRules = field(default_factory=AccessRules)
    scanners: Mapping[str, Bounds] = field(default_factory=dict)  # that are asked, by name
    score_headers: Mapping[str, ScoreSource] = field(default_factory=dict)  # that are read, by name

    lends: bool = False  # a directory says what else accounts may send as

    @cached_property
    def scripts(self) -> tuple[Script, ...]:
        """All filters that some channel names."""
        found = []
        for channel in self.channels:
            found += [channel.sourcefilter] if channel.sourcefilter else []
            found += [destination.script for destination in channel.destinationfilters]
        return tuple(found)

    @cached_property
    def scans(self) -> frozenset[str]:
        """Scanners that some channel has asked."""
        named = {name for channel in self.channels for name in channel.scan}
        return frozenset(named & self.scanners.keys())

    @cached_property
    def body_bytes(self) -> int:
        """Most of a body that is kept."""
        return max((BODY_BYTES, *(self.scanners[name].largest_bytes for name in self.scans)))

    def access_stages(self, frontend: Literal["milter", "policy"]) -> frozenset[Stage]:
        """The steps at which this frontend asks an access table."""
        asked = self.access.frontends in (frontend, "both")
        return frozenset(present(self.mappings.__contains__)) if asked else frozenset()

    @cached_property
    def greylists(self) -> bool:
        """Does mail of some channel wait?"""
        return any(channel.greylist for channel in self.channels)

    @cached_property
    def judges_senders(self) -> bool:
        return any(channel.senders == "own" for channel in self.channels)

    @cached_property
    def judges_headers(self) -> bool:
        return any(channel.header_from == "own" for channel in self.channels)

    @cached_property
    def reads_headers(self) -> bool:
        """Does anything but access tables look at the header of a message?"""
        looks = bool(self.scripts) or self.judges_headers or self.webmail.reads_headers
        return looks or self.programs != "together"

    @cached_property
    def owners(self) -> Owners:
        """What a login may send as."""
        return Owners(self.identity, self.domains, self.every_domain, self.lent)
