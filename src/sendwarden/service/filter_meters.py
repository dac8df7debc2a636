"""Meters of MeterMaid's tables by account: which keys are whose, what they counted, and beginning anew.

A mapping table makes a key of what it likes: the login, the sender, or several things with a sign between
them (``192.0.2.7/eve@example.org``). A key is an account's own if the whole of it or one part is the account
by the rules of `core.identity`, or an address that is the account's without being lent.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

from sendwarden.core.identity import account_of, host_account, in_domains, split_address
from sendwarden.engine.meters.keys import MeterError, Reading
from sendwarden.service.limiter import Limiter
from sendwarden.service.ports import Clock, KeptMeters, SharedTables, TableCall
from sendwarden.service.question import Answer

# Keys that are looked at between two turns of the loop: a few milliseconds.
SLICE = 500
# Whose a key is.
OWN, LENT, ALIKE = "own", "lent", "alike"

_BETWEEN = re.compile(r"[/|!,\s]+")
_ADDRESS = re.compile(r"[0-9a-fA-F.:]+")


@dataclass(frozen=True, slots=True)
class KeyMeter:
    """One key of a table, whose it is, and what it counted."""

    table: str
    key: str
    whose: str
    reading: Reading

    def record(self) -> Answer:
        reading = self.reading
        found: Answer = {
            "table": self.table,
            "key": self.key,
            "whose": self.whose,
            "used": reading.used,
            "quota": reading.quota.hits,
            "window_s": reading.quota.window_s,
        }
        return {**found, "frees_at": reading.frees_at} if reading.over else found


class FilterMeters:
    """The throttle tables that filters and mapping tables count in."""

    def __init__(self, limiter: Limiter, meters: KeptMeters, clock: Clock) -> None:
        self._limiter = limiter
        self._meters = meters
        self._clock = clock
        self.shared: SharedTables | None = None  # where other processes count in them too

    async def of(self, account: str) -> list[KeyMeter]:
        """What counted something for the account, its own before what is lent, the fullest first."""
        found = [one async for one in self._of(account)]
        return sorted(found, key=lambda one: (one.whose != OWN, one.whose, -_share(one.reading), one.key))

    async def reset(self, account: str) -> tuple[list[KeyMeter], list[KeyMeter]]:
        """Forget what its own keys counted, at all processes; those, and the others, which go on."""
        gone, on = await self.reset_here(account)
        if shared := self.shared:
            for one in gone:
                with suppress(MeterError):  # a key that nobody knows there
                    await shared.ask(TableCall("remove", one.table, one.key), lambda: None)
        return gone, on

    async def reset_here(self, account: str) -> tuple[list[KeyMeter], list[KeyMeter]]:
        """The same for what this process knows: another one has reset the rest, and counts go on there."""
        every = await self.of(account)
        gone = [one for one in every if one.whose == OWN]
        for one in gone:
            self._meters.remove(one.table, one.key)
        return gone, [one for one in every if one.whose != OWN]

    async def _of(self, account: str) -> AsyncIterator[KeyMeter]:
        whose = _Whose(self._limiter, account)
        now = self._clock.now()
        for table in self._meters.throttle_tables:
            keys = self._meters.keys(table)
            for start in range(0, len(keys), SLICE):
                for key in keys[start : start + SLICE]:
                    if (owner := whose.of(key)) and (reading := self._meters.query(table, key, now)).used:
                        yield KeyMeter(table, key, owner, reading)
                await asyncio.sleep(0)  # mail goes before us


class _Whose:
    """Says whether a key is the account's."""

    def __init__(self, limiter: Limiter, account: str) -> None:
        self._site = limiter.site
        self._account = account
        self._local, self._domain = split_address(account)
        granted = limiter.attributes.senders(account) if limiter.attributes else None
        self._owners = replace(limiter.site.owners, granted=granted or ())

    def of(self, key: str) -> str:
        """`OWN`, `LENT`, `ALIKE`, or "": it is none of its."""
        found = {self._part(part) for part in self._parts(key)}
        return next((one for one in (OWN, LENT, ALIKE) if one in found), "")

    def _parts(self, key: str) -> Iterator[str]:
        yield key
        parts = _BETWEEN.split(key)
        if len(parts) > 1:
            yield from filter(None, parts)

    def _part(self, part: str) -> str:
        if self._account.startswith("["):
            return OWN if self._host(part) else ""
        named = account_of(part, self._site.identity)
        if named == self._account:
            return OWN
        local, domain = split_address(named)
        if not domain:
            return ""
        alike = not self._domain and local == self._local and in_domains(domain, self._site.domains)
        if alike and self._site.every_domain:
            return OWN
        if self._owners.may_use(self._account, part):
            return LENT
        return ALIKE if alike else ""

    def _host(self, part: str) -> bool:
        if part == self._account:
            return True
        return bool(_ADDRESS.fullmatch(part)) and host_account(part) == self._account


def _share(reading: Reading) -> float:
    return reading.used / reading.quota.hits
