"""Whom each account wrote to before, for limits of new recipients: kept only where one asks.

For `LEARNING_S` after such a limit was first there nobody counts as new: until then only those are known to
whom an account wrote in that time.
"""

from collections.abc import Iterator, Mapping

from sendwarden.engine.meters.keys import Change

from .people import Known

LEARNING_S = 8 * 86_400
# The row that holds since when it is kept.
BEGINNING = ""

_HOUR_S = 3600
_HOUR_BYTES = 4


class Acquaintances:
    """Of all accounts that a limit of new recipients holds for; at most ``most``, those that wrote last.

    After a restart they are in the order in which they were stored.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._began: int | None = None  # hour
        self._learning = True
        self._loading = False
        self._known: dict[str, Known] = {}
        self._dropped: dict[str, None] = {}
        self._touched: list[Known] = []
        self._began_changed = False

    def __len__(self) -> int:
        return len(self._known)

    def of(self, account: str) -> Known:
        """Of too many accounts the one that wrote to nobody for longest is forgotten."""
        known = self._known.get(account)
        if known is None:
            known = Known(account, self._touched, self._use)
        self._use(known)
        return known

    def _use(self, known: Known) -> None:
        """It comes last. One that was forgotten, and whose meter is still there, is known again."""
        account = known.account
        mine = self._known.pop(account, None)
        if mine is not None:
            self._known[account] = mine
            return
        if len(self._known) >= self.most:
            gone = next(iter(self._known))
            del self._known[gone]
            self._dropped[gone] = None
        self._known[account] = known
        known.learning = self._learning
        known.change_all()

    def tick(self, now: float) -> None:
        """To be called now and then: learning begins and ends."""
        if not self._known or self._loading:
            return
        hour = int(now // _HOUR_S)
        if self._began is None:
            self._began = hour
            self._began_changed = True
        learning = self._learns(now)
        if learning is not self._learning:
            self._learning = learning
            for known in self._known.values():
                known.learning = learning

    def learning_until(self, now: float) -> float | None:
        """None: it counts."""
        if self._began is None:
            return now + LEARNING_S
        return self._began * _HOUR_S + LEARNING_S if self._learns(now) else None

    def _learns(self, now: float) -> bool:
        return self._began is None or now < self._began * _HOUR_S + LEARNING_S

    # --- for the store that keeps it

    def begin_loading(self) -> None:
        self._loading = True  # nothing may be written over what is still to be read

    def restore(self, key: str, parts: Mapping[int, bytes], now: float) -> None:
        if key == BEGINNING:
            began = int.from_bytes(parts.get(0, b""), "big")
            self._began = min(began, int(now // _HOUR_S)) if began else None
            return
        try:
            self.of(key).restore(parts)
        except ValueError:  # of another version
            self._dropped[key] = None

    def loaded(self, *, whole: bool) -> None:
        """All is in; not ``whole``: it is learnt anew."""
        if not whole:
            self._began = None
        self._loading = False

    def changes(self, now: float) -> Iterator[Change]:
        del now
        if self._loading:
            return
        dropped, self._dropped = self._dropped, {}
        for account in dropped:
            yield Change(account, drop=True)
        if self._began_changed and self._began is not None:
            self._began_changed = False
            yield _beginning(self._began)
        touched, self._touched[:] = self._touched[:], []
        for known in touched:
            numbers, known.changed = sorted(known.changed), set()
            if self._known.get(known.account) is known:
                yield Change(known.account, known.parts(numbers), known.first)

    def everything(self) -> Iterator[Change]:
        if self._began is not None:
            yield _beginning(self._began)
        for account, known in self._known.items():
            if known.segments:
                yield Change(account, known.parts(known.everything()), known.first)


def _beginning(hour: int) -> Change:
    return Change(BEGINNING, ((0, hour.to_bytes(_HOUR_BYTES, "big")),))
