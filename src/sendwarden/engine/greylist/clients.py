"""Networks of clients that have waited often enough: they need not wait any more.

Counted is each triplet that was let through for the first time after it had waited. A network of which
nothing more comes is forgotten after `KEPT_S`.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from sendwarden.engine.meters.keys import Change

KEPT_S = 35 * 86_400
# How often it is written down that a network is still there.
REFRESHED_S = 86_400

_NUMBER_BYTES = 4
_MOST = 2 ** (8 * _NUMBER_BYTES) - 1


class Passes(NamedTuple):
    """How often, and when it was last seen, in whole seconds."""

    times: int
    seen: int


class Clients:
    """All networks; at most ``most``. Time is in seconds since the epoch."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._passes: dict[str, Passes] = {}
        self._changed: dict[str, None] = {}
        self._dropped: dict[str, None] = {}

    def __len__(self) -> int:
        return len(self._passes)

    def count(self, network: str, now: float) -> int:
        """How often triplets of this network have waited."""
        known = self._passes.get(network)
        return known.times if known and now < known.seen + KEPT_S else 0

    def passed(self, network: str, now: float) -> None:
        """One more of its triplets has waited."""
        count = self.count(network, now)
        if network not in self._passes and len(self._passes) >= self.most:
            gone = next(iter(self._passes))
            del self._passes[gone]
            self._dropped[gone] = None
        self._set(network, Passes(min(count + 1, _MOST), int(now)))

    def seen(self, network: str, now: float) -> None:
        """It is still there."""
        known = self._passes.get(network)
        if known and now >= known.seen + REFRESHED_S:
            self._set(network, Passes(known.times, int(now)))

    def _set(self, network: str, passes: Passes) -> None:
        self._passes.pop(network, None)  # who was seen last stands last
        self._passes[network] = passes
        self._changed[network] = None
        self._dropped.pop(network, None)

    # --- for the store that keeps it

    def begin_loading(self) -> None:
        """Nothing to do: what is stored is added to what came meanwhile."""

    def restore(self, key: str, parts: Mapping[int, bytes], now: float) -> None:
        """Take one stored row in; one that cannot be read, or is over, is left out."""
        data = parts.get(0, b"")
        if len(data) != 2 * _NUMBER_BYTES:
            return
        count = int.from_bytes(data[:_NUMBER_BYTES], "big")
        seen = min(int.from_bytes(data[_NUMBER_BYTES:], "big"), int(now))
        if now >= seen + KEPT_S or len(self._passes) >= self.most:
            self._dropped[key] = None
        elif meanwhile := self._passes.get(key):
            self._set(key, Passes(min(count + meanwhile.times, _MOST), meanwhile.seen))
        else:
            self._passes[key] = Passes(count, seen)

    def loaded(self, *, whole: bool) -> None:
        """Nothing to do: who is missing waits a few times more."""

    def changes(self, now: float) -> Iterator[Change]:
        del now
        dropped, self._dropped = self._dropped, {}
        for network in dropped:
            yield Change(network, drop=True)
        changed, self._changed = self._changed, {}
        for network in changed:
            if network in self._passes:
                yield _row(network, self._passes[network])

    def everything(self) -> Iterator[Change]:
        for network, passes in self._passes.items():
            yield _row(network, passes)


def _row(network: str, passes: Passes) -> Change:
    numbers = (passes.times, passes.seen)
    return Change(network, ((0, b"".join(number.to_bytes(_NUMBER_BYTES, "big") for number in numbers)),))
