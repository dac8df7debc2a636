"""The rules that follow from ``[greylist]`` and a grossd.conf below it, and what can be wrong with them."""

from collections.abc import Iterator, Mapping
from typing import Any

from sendwarden.config.access import PlaceOf
from sendwarden.config.addresses import OPEN_REMEDY, is_open
from sendwarden.config.dns_lists import check_names
from sendwarden.config.greylist import GreylistSettings
from sendwarden.config.grossd import Grossd
from sendwarden.config.limits import networks
from sendwarden.config.schema import Settings
from sendwarden.config.values import shown
from sendwarden.core.identity import IdentityRules, account_of
from sendwarden.core.networks import in_networks
from sendwarden.core.place import Problem, Severity
from sendwarden.engine.channel import Channel
from sendwarden.engine.greylist.decide import Exemptions, GreylistRules
from sendwarden.engine.greylist.keys import KeyRules, folded
from sendwarden.service.greylisting import Manner, Templates
from sendwarden.service.reputation import CHECKS
from sendwarden.service.site import Site


def over(own: GreylistSettings, taken: Mapping[str, Any]) -> GreylistSettings:
    """What a grossd.conf says, and over it what our own table sets."""
    return GreylistSettings().model_copy(update={**taken, **own.model_dump(exclude_unset=True)})


def greylist_rules(settings: GreylistSettings, identity: IdentityRules) -> GreylistRules:
    """What decides."""
    accounts = (account_of(name, identity) for name in settings.exempt_accounts)
    return GreylistRules(
        keys=KeyRules(settings.mask4, settings.mask6, settings.tuple, settings.variants),
        delay_s=settings.delay,
        interval_s=settings.interval,
        generations=settings.generations,
        most=settings.triplets,
        checks=bool(settings.checks),
        grey_threshold=settings.grey_threshold,
        block_threshold=settings.block_threshold,
        always=settings.remember == "always",
        grey_reason=settings.grey_reason,
        block_reason=settings.block_reason,
        exempt=Exemptions(
            networks(settings.exempt_networks),
            frozenset([*settings.exempt_accounts, *accounts]),  # as senders, and as logins
            frozenset(folded(name).lower() for name in settings.exempt_recipients),
            settings.allow_after,
        ),
    )


def manner(settings: GreylistSettings, *, watching: bool) -> Manner:
    """How it is said."""
    return Manner(
        watching=watching,
        wait_s=settings.wait,
        sjsms=Templates(
            settings.sjsms_grey, settings.sjsms_match, settings.sjsms_trust, settings.sjsms_block
        ),
        postfix=Templates(settings.postfix_grey, block=settings.postfix_block),
    )


def check_waiting_channels(
    site: Site, settings: Settings, effective: GreylistSettings, place_of: PlaceOf
) -> Iterator[Problem]:
    """Channels of which mail waits that never would, or of people who would have to try again."""
    numbers = {own.name: number for number, own in enumerate(settings.channel)}
    for channel in site.channels:
        place = place_of(("channel", numbers.get(channel.name, 0), "greylist"))
        if "listed" in channel.greylist and not effective.checks:
            says = f"no list is asked whether clients of {shown(channel.name)} are on it"
            yield Problem("SW713", says, place, "name lists in greylist.checks")
        if "all" in channel.greylist and channel.login is not False:
            says = f"all who log in on {shown(channel.name)} are told to try again"
            remedy = 'write greylist = ["listed", "risk", "new-network"], or login = false'
            yield Problem("SW714", says, place, remedy, severity=Severity.WARNING)
        if channel.greylist and not site.webmail.clients and _takes_webmail(channel, site):
            says = f"it is not known from where webmail on {shown(channel.name)} comes: it hardly ever waits"
            remedy = 'set webmail.client = ["received"], or what your webmail writes'
            yield Problem("SW715", says, place, remedy, severity=Severity.WARNING)


def _takes_webmail(channel: Channel, site: Site) -> bool:
    own = channel.networks
    hosts = (str(network.network_address) for network in site.webmail.hosts)
    return any(own is None or in_networks(host, own) for host in hosts)


def check_greylist(
    settings: Settings, effective: GreylistSettings, grossd: Grossd, place_of: PlaceOf
) -> Iterator[Problem]:
    """Sockets that would be open to all or stand twice, and checks that nobody could ask."""
    taken = dict.fromkeys([*settings.listen.policy, *settings.listen.milter, *settings.listen.login])
    for name, places in (("listen", effective.listen), ("status", effective.status)):
        place = place_of(("greylist", name)) or place_of(("greylist", "grossd"))
        for one in places:
            if is_open(one) and not settings.listen.allow:
                says = f"greylist.{name} would be open to the whole network"
                yield Problem("SW122", says, place, OPEN_REMEDY)
            if one in taken:
                yield Problem("SW123", f"{one} is named twice", place, "each needs a port of its own")
            taken[one] = None
    yield from check_names(settings, grossd, place_of)
    for check, where in grossd.checks.items():
        if check in CHECKS:
            continue
        says = f'check "{check}" cannot be asked by this version'
        yield Problem("SW711", says, where, "take it out: mail then waits whatever its client is listed in")
