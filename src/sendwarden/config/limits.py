"""Limits as the settings have them: rows by name, which row a channel gets, and overrides."""

from collections.abc import Callable, Mapping
from ipaddress import IPv4Network, IPv6Network
from typing import TypedDict

from sendwarden.config.positions import Path
from sendwarden.config.schema import Settings
from sendwarden.config.shipped import SHIPPED_LIMITS
from sendwarden.config.traffic import ChannelSettings, LimitSettings, OverrideSettings
from sendwarden.core.decision import Verdict
from sendwarden.core.identity import IdentityRules, account_of
from sendwarden.core.networks import Networks
from sendwarden.core.place import Place
from sendwarden.engine.limits.incoming import IncomingRules
from sendwarden.engine.limits.overrides import Override
from sendwarden.engine.limits.rules import COUNTERS, DEFER, NO_LIMITS, UNLIMITED, Limit, Limits, OverLimit
from sendwarden.engine.limits.windows import window_of

# What "slow" makes a mail server wait for each answer, in seconds: below our own deadline of 1 s.
SLOW_S = 0.8

VERDICTS: Mapping[str, OverLimit] = {
    "defer": DEFER,
    "refuse": OverLimit(Verdict.REFUSE),
    "hold": OverLimit(Verdict.HOLD),
    "discard": OverLimit(Verdict.DISCARD),
    "slow": OverLimit(Verdict.ACCEPT, delay_s=SLOW_S),
}


class ChannelLimits(TypedDict):
    """The fields of a `Channel` that are about limits."""

    limits: Limits | None
    over_limit: OverLimit


class LimitRows:
    """All rows: the shipped ones as the settings change them, and the site's own."""

    def __init__(self, settings: Settings) -> None:
        rows = {str(row["name"]): LimitSettings.model_validate(row) for row in SHIPPED_LIMITS}
        seen: set[str] = set()
        for own in settings.limits:
            if own.name in seen:  # told elsewhere (SW107); the first one counts
                continue
            seen.add(own.name)
            base = rows.get(own.name)
            rows[own.name] = _over_shipped(base, own) if base else own
        self.rows = {name: _limits(name, row) for name, row in rows.items()}

    def named(self, name: str) -> Limits:
        """A row; one that there is none of is told elsewhere (SW111)."""
        return UNLIMITED if name == NO_LIMITS else self.rows.get(name, UNLIMITED)

    def of(self, channel: ChannelSettings) -> ChannelLimits:
        name = channel.limits or fitting_row(channel)
        over = channel.over_limit or "defer"
        transport = over.removeprefix("filter ")
        return {
            "limits": self.named(name) if name else None,
            "over_limit": VERDICTS.get(over) or OverLimit(Verdict.ACCEPT, transport=transport),
        }


def _over_shipped(base: LimitSettings, own: LimitSettings) -> LimitSettings:
    """A shipped row with what the site's sets in it.

    Where that is recipients and not how many of one message, a message may have what the lowest window lets
    through; no more than the shipped row says, if that is less than its own windows do (``bulk``).
    """
    both = base.model_copy(update={name: getattr(own, name) for name in own.model_fields_set})
    if "per_message" in own.model_fields_set or base.per_message is None or not both.recipients:
        return both
    follows = base.per_message == _lowest(base)
    most = _lowest(both) if follows else min(base.per_message, _lowest(both))
    return both.model_copy(update={"per_message": most})


def _lowest(row: LimitSettings) -> int:
    return min(rate.amount for rate in row.recipients)


def fitting_row(channel: ChannelSettings) -> str:
    """The shipped row for a channel that names none; "" where mail of strangers may come by it."""
    networks = channel.networks
    if channel.login is not False and networks == ["webmail"]:
        return "webmail"
    if channel.login:
        return "internal" if networks == ["internal"] else "external"
    if channel.login is False and networks == ["internal"]:
        return "device"
    return "scripts" if channel.local and networks == [] else ""


def _limits(name: str, row: LimitSettings) -> Limits:
    found = (
        Limit(number, window_of(rate), rate.amount, name)
        for number, counter in enumerate(COUNTERS)
        for rate in getattr(row, counter)
    )
    return Limits(tuple(found), row.per_message)


def incoming(settings: Settings, rows: LimitRows) -> IncomingRules:
    own = settings.incoming
    site = settings.site
    return IncomingRules(
        {name: rows.named(name) for name in own.limits},
        networks([*site.internal, *site.relays, *site.webmail, *own.except_networks]),
        tuple(own.except_domains),
        own.ipv4_prefix,
        own.ipv6_prefix,
        Verdict.HOLD if own.over_limit == "hold" else Verdict.DEFER,
        watched=(own.mode or settings.mode) == "watch",
    )


def overrides(
    settings: Settings, identity: IdentityRules, rows: LimitRows, place_of: Callable[[Path], Place | None]
) -> tuple[Override, ...]:
    """Those of the settings; the first that applies to an account counts."""
    return tuple(
        _override(own, identity, rows, str(place_of(("override", number)) or "settings"))
        for number, own in enumerate(settings.override)
    )


def _override(own: OverrideSettings, identity: IdentityRules, rows: LimitRows, place: str) -> Override:
    return Override(
        own.reason,
        place,
        rows.named(own.limits),
        accounts=frozenset(account_of(name, identity) for name in own.accounts),
        domains=tuple(own.domains),
        networks=networks(own.networks),
        channels=frozenset(own.channels),
        until=own.until,
    )


def networks(values: list[object]) -> Networks:
    """Networks of a setting, as it was checked."""
    return tuple(value for value in values if isinstance(value, IPv4Network | IPv6Network))
