"""All accounts' meters: found by channel and account, bounded, and told to a store as they change.

A meter that forgot everything is forgotten itself. When there are too many, the lightest of a few goes; one
above half of a limit never does, or an attacker with many names could wipe out his own count. Where none may
go, the table grows to twice its size, and beyond that new accounts are not counted.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import islice

from sendwarden.engine.meters.keys import Change
from sendwarden.engine.meters.loading import Loading

from .meter import AccountMeter
from .people import Known
from .rules import NEW, Limits
from .windows import quantum_of

# Meters looked at to find one that may go, and how many are taken from the table at once for that.
SAMPLE = 8
CANDIDATES = 1024
# While the stored counts are still being read, an account has this share of its limits left.
PRESUMED_LEFT = 0.2
# Each quantum this part of the table is searched for meters that are quiet: all of it in an hour.
TIDIED = 120

# Parts of a stored meter: what it counted, and whom it wrote to.
_COUNTS, _PEOPLE = 0, 1

LimitsOf = Callable[[str, str], Limits | None]
KnownOf = Callable[[str], Known]


def key_of(channel: str, account: str) -> str:
    return f"{channel}\n{account}"


class LimitTable:
    """``limits_of(channel, account)`` says what holds; None: there is no such channel (any more).

    ``known_of(account)`` gives whom an account knows, for limits that ask.
    """

    def __init__(self, limits_of: LimitsOf, most: int, known_of: KnownOf = lambda _account: Known()) -> None:
        self.most = most
        self.full = 0  # meters that were not begun, or had to go though they counted
        self.loading = Loading()
        self.new_meter: type[AccountMeter] = AccountMeter
        self._limits_of = limits_of
        self._known_of = known_of
        self._meters: dict[str, AccountMeter] = {}
        self._changed: list[AccountMeter] = []
        self._version = 0
        self._dropped: dict[str, None] = {}
        self._candidates: list[str] = []

    def __len__(self) -> int:
        return len(self._meters)

    def slices(self, size: int) -> Iterator[list[tuple[str, str, AccountMeter]]]:
        """Channel, account and meter of all that are there now, ``size`` at a time.

        Between two slices the table may change; who left it meanwhile is left out.
        """
        keys = list(self._meters)
        for start in range(0, len(keys), size):
            found = []
            for key in keys[start : start + size]:
                if meter := self._found(key):
                    channel, _, account = key.partition("\n")
                    found.append((channel, account, meter))
            yield found

    def get(self, channel: str, account: str, quantum: int) -> AccountMeter | None:
        """The account's meter, begun where there is none; None: it cannot be counted."""
        return self.find(channel, account) or self._begin(key_of(channel, account), quantum)

    def find(self, channel: str, account: str) -> AccountMeter | None:
        """The account's meter, if it has one."""
        return self._found(key_of(channel, account))

    def _found(self, key: str) -> AccountMeter | None:
        meter = self._meters.get(key)
        return meter if meter is None or meter.version == self._version else self._renewed(meter)

    def reset(self, channel: str, account: str) -> bool:
        """Forget what the account sent. False: there was nothing."""
        key = key_of(channel, account)
        meter = self._meters.pop(key, None)
        if meter is None:
            return False
        meter.leave(reset=True)
        self._dropped[key] = None
        self.loading.settle(key)
        return True

    def renew(self) -> None:
        """What holds for accounts may have changed: it is asked again for each when it is next looked for.

        Whoever remembers meters must look here again.
        """
        self._version += 1

    def renew_one(self, channel: str, account: str) -> None:
        """The same for one account, which whoever remembers its meter finds out by itself."""
        meter = self._meters.get(key_of(channel, account))
        if meter is not None:
            meter.version = -1
            meter.look_closely()

    def has(self, channel: str, account: str) -> bool:
        return key_of(channel, account) in self._meters

    def _renewed(self, meter: AccountMeter) -> AccountMeter | None:
        channel, _, account = meter.key.partition("\n")
        limits = self._limits_of(channel, account)
        if limits is None:
            self.reset(channel, account)
            return None
        meter.use(self._presumed(limits) if meter.key in self.loading.unread else limits)
        self._introduce(meter)
        meter.version = self._version
        return meter

    def _introduce(self, meter: AccountMeter) -> None:
        """Let it know whom its account wrote to before, where a limit asks for that."""
        if meter.people:
            asks = NEW in meter.limits.others
            meter.people.known = self._known_of(meter.key.partition("\n")[2]) if asks else None

    def _begin(self, key: str, quantum: int) -> AccountMeter | None:
        channel, _, account = key.partition("\n")
        limits = self._limits_of(channel, account)
        if limits is None or not self._make_room(quantum):
            return None
        self.loading.begins_key(key)
        if key in self.loading.unread:
            limits = self._presumed(limits)
        meter = self._meters[key] = self.new_meter(limits, key, self._changed)
        self._introduce(meter)
        meter.version = self._version
        return meter

    @staticmethod
    def _presumed(limits: Limits) -> Limits:
        scaled = limits.scaled(PRESUMED_LEFT, "while what was counted is being read")
        return replace(scaled, limits=tuple(one._replace(presumed=True) for one in scaled.limits))

    # --- too many

    def _make_room(self, quantum: int) -> bool:
        if len(self._meters) < self.most:
            return True
        gone = self._lightest(quantum)
        if gone is not None:
            self._forget(gone)
            return True
        self.full += 1
        return len(self._meters) < 2 * self.most

    def _lightest(self, quantum: int) -> AccountMeter | None:
        sample: list[AccountMeter] = []
        while len(sample) < min(SAMPLE, len(self._meters)):
            if not self._candidates:
                self._candidates = list(islice(self._meters, CANDIDATES))
            key = self._candidates.pop()
            if (meter := self._meters.pop(key, None)) is not None:
                self._meters[key] = meter  # at the end, so that the next search meets others
                sample.append(meter)
        lightest = min(sample, key=lambda meter: meter.weight, default=None)
        return lightest if lightest and lightest.share(quantum) <= 1 / 2 else None

    def _forget(self, meter: AccountMeter) -> None:
        del self._meters[meter.key]
        meter.leave()
        if meter.key in self.loading.unread:  # the store may hold more of it, and keeps that
            self.loading.unread.discard(meter.key)
        else:
            self._dropped[meter.key] = None

    def leave_all(self) -> list[AccountMeter]:
        """All begin anew; those that were there."""
        found = list(self._meters.values())
        for meter in found:
            self._forget(meter)
        return found

    def tidy(self, quantum: int) -> None:
        """Forget some of those that are quiet. To be called once a quantum."""
        for key in list(islice(self._meters, len(self._meters) // TIDIED + 1)):
            meter = self._meters.pop(key)
            if meter.quiet(quantum) and key not in self.loading.unread:
                meter.leave()
                self._dropped[key] = None
            else:
                self._meters[key] = meter

    # --- for the store that keeps it

    def changed(self) -> list[AccountMeter]:
        """Meters that counted since the last call, or that left the table after they had."""
        found, self._changed[:] = self._changed[:], []
        for meter in found:
            meter.touched = False
        return found

    def changes(self, now: float) -> Iterator[Change]:
        """What is to be written since the last call."""
        del now
        changed, self._changed[:] = self._changed[:], []
        dropped, self._dropped = self._dropped, {}
        for key in dropped:
            yield Change(key, drop=True)
        for meter in changed:
            if meter.key in self.loading.unread:
                self._changed.append(meter)  # not before what the store holds of it is added
                continue
            meter.touched = False
            if self._meters.get(meter.key) is meter:
                yield Change(meter.key, _stored(meter))

    def everything(self) -> Iterator[Change]:
        for key, meter in self._meters.items():
            if key not in self.loading.unread:
                yield Change(key, _stored(meter))

    def restore(self, key: str, parts: Mapping[int, bytes], now: float) -> None:
        """Take one stored key in."""
        channel, _, account = key.partition("\n")
        if key in self.loading.settled or _COUNTS not in parts:
            return
        limits = self._limits_of(channel, account)
        if limits is None:
            self._dropped[key] = None
            return
        meter = self._meters.get(key)
        if meter is None:
            if not self._make_room(quantum_of(now)):
                return
            meter = self._meters[key] = self.new_meter(limits, key, self._changed)
        meter.use(limits)
        self._introduce(meter)
        self.loading.unread.discard(key)
        try:
            meter.restore(parts[_COUNTS], quantum_of(now))
            if meter.people and _PEOPLE in parts:
                meter.people.restore(parts[_PEOPLE], quantum_of(now))
        except ValueError:  # of another version: begun anew
            self._dropped[key] = None

    def begin_loading(self) -> None:
        self.loading.begin()

    def loaded(self, *, whole: bool = True) -> None:
        """All that the store holds is in, ``whole`` or not."""
        del whole
        unread = set(self.loading.unread)
        self.loading.end()
        for key in unread:
            channel, _, account = key.partition("\n")
            limits = self._limits_of(channel, account)
            if limits is not None and (meter := self._meters.get(key)):
                meter.use(limits)
                self._introduce(meter)


def _stored(meter: AccountMeter) -> tuple[tuple[int, bytes], ...]:
    counted = (_COUNTS, meter.stored())
    return (counted, (_PEOPLE, meter.people.stored())) if meter.people else (counted,)
