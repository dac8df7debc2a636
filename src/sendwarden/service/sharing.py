"""Acts by hand that hold at several processes: kept here first, then where all of them look.

An act is durable here before anything else (`Exceptions`), with a mark that no other has. Then it goes to the
others' place, which gives it a version: the last act about the same thing stands, in the order in which they
came there. What came since is asked for several times a second, so that a lost connection loses nothing. Who
could not ask for a while tells all it knows, with versions, and reads all there is; so a place that lost its
memory has it again, and what is gone (kept as an act without a record until it would have ended) stays so.

While nobody answers, what is known here holds, and what is set here waits.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from sendwarden.core.errors import StoreDown
from sendwarden.service.ports import Act, ActsAway, Clock, EventLog, Exceptions, SharedActs

# Between two looks at what others did, and the same while nobody answers.
LOOK_S = 0.25
AWAY_S = 0.5
# Acts that are told together.
TOGETHER = 200
# How long an act is known of beyond its end: what was held has less room for 14 days after.
BEYOND_S = 15 * 86_400.0
# Where a kept record has its act's mark and version, and the kind of a record of what is gone.
_SHARED = "shared"
_GONE = "gone"

Record = Mapping[str, Any]
# Told what others did: the name, and the record or None. False: it cannot be read.
Hears = Callable[[str, Record | None], bool]


def plain(records: Iterable[Record]) -> Iterator[Record]:
    """Records as they were set, without what is noted of those who share them."""
    for record in records:
        if record.get("kind") != _GONE:
            yield {name: value for name, value in record.items() if name != _SHARED}


class Sharing:
    """`Exceptions`. ``others``: where all look; None: this process cannot, and notes what it does."""

    def __init__(
        self,
        store: Exceptions,
        new_mark: Callable[[], str],
        clock: Clock,
        log: EventLog,
        others: SharedActs | None = None,
    ) -> None:
        self.away = False
        self.hears: Hears | None = None
        self._store = store
        self._new_mark = new_mark
        self._clock = clock
        self._log = log
        self._others = others
        self._acts: dict[str, Act] = {}
        self._unkept: dict[str, None] = {}  # names of which the store does not know the latest
        self._place, self._since = "", 0
        self._all = True  # is everything to be told, and to be read?
        self._exchanging = asyncio.Lock()

    def load(self, records: Iterable[Record], name_of: Callable[[Record], str]) -> Iterator[Record]:
        """Take what was kept; those that hold, as they were set. What cannot be read is passed on."""
        for record in records:
            with suppress(KeyError, TypeError, ValueError):
                act = _loaded(record, name_of)
                if not act.mark:  # of when there were no others
                    act = act._replace(mark=self._new_mark())
                    self._unkept[act.name] = None
                self._acts[act.name] = act
            yield from plain([record])

    @property
    def untold(self) -> bool:
        """Is there something that the others do not know yet?"""
        return any(not act.version for act in self._acts.values())

    async def keep_exception(self, name: str, record: Record | None) -> None:
        before = self._acts.get(name)
        end = float(record["until"]) + BEYOND_S if record else before.until if before else 0.0
        act = Act(name, record, end, self._new_mark(), 0)
        await self._store.keep_exception(name, _kept(act))
        if self._acts.get(name) is not before:  # somebody else's came meanwhile, and may be kept behind ours
            self._unkept[name] = None
        self._acts[name] = act

    async def tell(self) -> bool:
        """Let the others know now. False: they do not."""
        if not self.away:
            await self._exchange()
        return not self.untold

    # --- with the others

    async def begin(self, hears: Hears) -> None:
        """Find out what holds. Where nobody answers, what is known here does."""
        self.hears = hears
        await self._exchange()

    async def run(self) -> None:
        while True:
            await self._exchange()
            await self._keep()
            await asyncio.sleep(AWAY_S if self.away else LOOK_S)

    async def _exchange(self) -> None:
        """Tell and hear until there is nothing more."""
        assert self._others
        async with self._exchanging:
            try:
                while await self._exchanged(self._others):
                    pass
            except ActsAway as error:
                self._all = True
                if not self.away:
                    self.away = True
                    what = f"{self._others.name}: {error}; states and limits set by hand are those known here"
                    self._log.warning("acts-away", what)
                return
            if self.away:
                self.away = False
                self._log.event("acts-back", {"where": self._others.name})

    async def _exchanged(self, others: SharedActs) -> bool:
        """Say all there is to say, and then hear what there is. True: it has to be done again, with all."""
        everything, now = self._all, self._clock.now()
        telling = [act for act in self._acts.values() if not act.version or (everything and act.until > now)]
        place, since = self._place, 0 if everything else self._since
        said: dict[str, str] = {}
        more = True
        while telling or more:
            some, telling = telling[:TOGETHER], telling[TOGETHER:]
            news = await others.exchange(some, place, since, hear=not telling)
            if news.place != place and not (everything and not said):  # it has lost its memory, or is another
                self._place, self._all = news.place, True
                return True
            said.update((act.name, act.mark) for act in some)
            for act in news.acts:
                self._hear(act, said)
            place, since, more = news.place, news.upto, news.more
        self._place, self._since, self._all = place, since, False
        return False

    def _hear(self, act: Act, said: Mapping[str, str]) -> None:
        """``said``: the marks of what was told there just now, by name; what stands there came later."""
        mine = self._acts.get(act.name)
        if mine and mine.mark != act.mark:
            waits = not mine.version and said.get(act.name) != mine.mark
            if waits or mine.version >= act.version:
                return
        elif mine == act:
            return
        self._acts[act.name] = act
        self._unkept[act.name] = None
        if (mine is None or mine.mark != act.mark) and self.hears and not self.hears(act.name, act.record):
            self._log.warning(
                "act-unreadable", f"{act.name.splitlines()[0]!r} of {self._others and self._others.name}"
            )

    async def _keep(self) -> None:
        """Note what was heard, and forget what has ended. What cannot be kept is tried again."""
        now = self._clock.now()
        for name in [act.name for act in self._acts.values() if act.until < now]:
            del self._acts[name]
            self._unkept[name] = None
        names, self._unkept = list(self._unkept), {}
        acts = [self._acts.get(name) for name in names]
        keeping = (
            self._store.keep_exception(name, _kept(act) if act else None)
            for name, act in zip(names, acts, strict=True)
        )
        for name, failed in zip(names, await asyncio.gather(*keeping, return_exceptions=True), strict=True):
            if isinstance(failed, StoreDown):
                self._unkept.setdefault(name)
            elif failed is not None:
                raise failed


def _kept(act: Act) -> Record:
    shared = {"mark": act.mark, "version": act.version}
    if act.record is None:
        return {"kind": _GONE, "name": act.name, "until": act.until, _SHARED: shared}
    return {**act.record, _SHARED: shared}


def _loaded(record: Record, name_of: Callable[[Record], str]) -> Act:
    """Raises `KeyError`, `TypeError` or `ValueError` for what is none."""
    shared = record.get(_SHARED) or {}
    mark, version = str(shared.get("mark", "")), int(shared.get("version", 0))
    if record.get("kind") == _GONE:
        return Act(str(record["name"]), None, float(record["until"]), mark, version)
    (bare,) = plain([record])
    return Act(name_of(bare), bare, float(record["until"]) + BEYOND_S, mark, version)
