"""Asking scanners about a message, before filters see it.

A scanner may be down, slow, or say what cannot be. Then the message passes unscored: the finding says so, the
log tells it once a minute with a count, and after `FAILURES` in a row the scanner is left alone for `REST_S`,
so that mail does not wait for it in vain; then one message tries it again.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass

from sendwarden.core.decision import Message
from sendwarden.core.errors import ScannerDown
from sendwarden.core.networks import Networks
from sendwarden.core.scan import Finding, ToScan
from sendwarden.engine.handover import handed_over
from sendwarden.service.ports import Clock, EventLog, Scanner
from sendwarden.service.site import Bounds

FAILURES = 3
REST_S = 10.0


class Asked:
    """One scanner, and how it behaved."""

    def __init__(self, scanner: Scanner, bounds: Bounds, clock: Clock, log: EventLog) -> None:
        self.bounds = bounds
        self._scanner = scanner
        self._clock = clock
        self._log = log
        self._failures = 0
        self._rests_until = 0.0

    async def find(self, message: Message, handed: "Handed") -> Finding:
        """Its answer, or a finding that says why there is none."""
        name = self._scanner.name
        if message.body_cut or message.size_bytes > self.bounds.largest_bytes:
            return Finding(name, failed=f"the message is larger than {self.bounds.largest_bytes} bytes")
        if self._clock.now() < self._rests_until:
            return self._failed(f"left alone for {REST_S:g} s after {FAILURES} failures")
        if self._failures >= FAILURES:  # this message tries it, the others go on passing it by
            self._rests_until = self._clock.now() + REST_S
        try:
            async with asyncio.timeout(self.bounds.patience_s):
                found = await self._scanner.scan(handed.content(message))
        except TimeoutError:
            return self._broken(f"no answer within {self.bounds.patience_s:g} s")
        except ScannerDown as error:
            return self._broken(str(error))
        self._failures, self._rests_until = 0, 0.0
        return found

    def _broken(self, why: str) -> Finding:
        self._failures += 1
        if self._failures >= FAILURES:
            self._rests_until = self._clock.now() + REST_S
        return self._failed(why)

    def _failed(self, why: str) -> Finding:
        self._log.warning("scanner-down", f"{self._scanner.name}: {why}; mail passes unscored")
        return Finding(self._scanner.name, failed=why)


@dataclass(frozen=True, slots=True)
class Ours:
    """How we sign, and whose address no scanner gets (`engine.handover`)."""

    host: str
    networks: Networks
    relays: Networks


class Handed:
    """What scanners are given of a message: made once for all of them, when the first asks."""

    def __init__(self, ours: Ours, now: float) -> None:
        self._ours = ours
        self._now = now
        self._made: ToScan | None = None

    def content(self, message: Message) -> ToScan:
        ours = self._ours
        if self._made is None:
            self._made = handed_over(message, ours.host, self._now, ours.networks, ours.relays)
        return self._made


@dataclass(frozen=True, slots=True)
class Scan:
    """What scanners are to be asked about one message. ``run`` never raises for a scanner's trouble."""

    patience_s: float  # the longest that it takes
    run: Callable[[], Coroutine[None, None, tuple[Finding, ...]]]


class Scanning:
    """All scanners that the settings name and that are asked."""

    def __init__(
        self,
        scanners: Iterable[Scanner],
        bounds: Mapping[str, Bounds],
        ours: Ours,
        clock: Clock,
        log: EventLog,
    ) -> None:
        self._ours = ours
        self._clock = clock
        self._asked = {one.name: Asked(one, bounds[one.name], clock, log) for one in scanners}

    def scan(self, message: Message, names: Iterable[str]) -> Scan | None:
        """Ask those of ``names`` that are asked at all, all at a time; None: there is none."""
        asked = [self._asked[name] for name in names if name in self._asked]
        if not asked:
            return None
        handed = Handed(self._ours, self._clock.now())

        async def run() -> tuple[Finding, ...]:
            return tuple(await asyncio.gather(*(one.find(message, handed) for one in asked)))

        return Scan(max(one.bounds.patience_s for one in asked), run)
