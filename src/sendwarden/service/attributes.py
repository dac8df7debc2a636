"""What a directory says of accounts: known at once, or looked up behind the first answer.

No answer to a mail server ever waits for the directory; whoever may wait calls `look`. An account that is not
known has the row of its channel until the answer is there, and may use any sender; one whose answer is older
than ``keep_s`` is asked about again, and has the old answer meanwhile. While the directory is down what is
known stays.
"""

import asyncio
import re
from collections import OrderedDict
from collections.abc import Callable, Collection
from typing import NamedTuple

from sendwarden.service.ports import Clock, Directory, DirectoryDown, DirectoryUnclear, Entry, EventLog

# Accounts that wait for an answer, and whose answer is remembered, at the most.
MOST_WAITING = 100_000
# Accounts that are looked through in one go: some milliseconds, in which no mail server is answered.
MOST_AT_ONCE = 1_000
# What a query of a directory may name: the account as a whole, and its parts.
NAMES = ("account", "local", "domain")
# Of an account and of a row that are told.
LETTERS = 100
# Pause between questions while the directory is down.
DOWN_S = 5.0
# An answer that is so old is not taken as the last word where it would cost somebody a message.
DOUBT_S = 10.0

# As SQLAlchemy's text() finds bound parameters.
_NAME = re.compile(r"(?<![:\w\\]):(\w+)(?!:)")


def names_in(query: str) -> list[str]:
    return list(dict.fromkeys(_NAME.findall(query)))


class Known(NamedTuple):
    """An answer; ``entry`` is None while there was none that is clear."""

    entry: Entry | None
    asked: float


class Attributes:
    """What is known of accounts. `run` it as a task."""

    def __init__(self, directory: Directory, clock: Clock, log: EventLog, keep_s: float) -> None:
        self._directory = directory
        self._clock = clock
        self._log = log
        self._keep_s = keep_s
        # Ordered ones, since a dict from whose front much was taken is slow to say what stands there.
        self._known = OrderedDict[str, Known]()  # of accounts that send, those asked about first at the front
        self._old = OrderedDict[str, Known]()  # of others, for when they come back
        self._waiting = OrderedDict[str, None]()
        self._wanted = asyncio.Event()
        self._one_asks = asyncio.Lock()
        self.down = False
        # The names of rows that there are, and who hears that an account has another one.
        self.rows: Collection[str] = ()
        self.most = MOST_WAITING
        self.on_change: Callable[[str], None] = lambda _account: None

    def row(self, account: str) -> str:
        """The row of limits; "": the one of its channel, for now or because nothing is said of it."""
        entry = self._find(account).entry
        return entry.row if entry and entry.row in self.rows else ""

    def senders(self, account: str) -> tuple[str, ...] | None:
        """What it may send as besides its own address; None: that is not known yet."""
        entry = self._find(account).entry
        return entry.senders if entry else None

    def doubt(self, account: str) -> None:
        """What is known of it would cost it a message: ask again, unless that was done just now."""
        if self._find(account).asked + DOUBT_S <= self._clock.now():
            self._want(account)

    async def look(self, account: str) -> dict[str, object]:
        """What is known of it, asked now where it is not known or old: for whoever may wait.

        ``names`` is the row as the directory has it, ``row`` the same if there is such a row; ``known`` is
        false where it has never answered, and ``trouble`` says why it did not just now.
        """
        trouble = ""
        known = self._find(account)
        if known.entry is None or known.asked + self._keep_s <= self._clock.now():
            try:
                async with self._one_asks:
                    self.learn(account, await self._directory.entry_of(account))
                self._waiting.pop(account, None)
            except (DirectoryDown, DirectoryUnclear) as error:
                trouble = str(error)
        entry = self._find(account).entry
        names = entry.row if entry else ""
        return {
            "row": names if names in self.rows else "",
            "names": names,
            "senders": list(entry.senders if entry else ()),
            "known": entry is not None,
            "trouble": trouble,
        }

    def _find(self, account: str) -> Known:
        if not account.isprintable() or account != account.strip():
            return _NOBODY
        known = self._known.get(account) or self._old.get(account) or _NOTHING
        if known.asked + self._keep_s <= self._clock.now():
            self._want(account)
        return known

    def _want(self, account: str) -> None:
        if len(self._waiting) < MOST_WAITING:
            self._waiting[account] = None
            self._wanted.set()

    def refresh(self, in_use: Callable[[str], bool]) -> None:
        """To be called several times a second: ask again about those that send, put the others aside."""
        before = self._clock.now() - self._keep_s
        for _ in range(MOST_AT_ONCE):
            account = next(iter(self._known), None)
            if account is None or self.down:
                break
            known = self._known[account]
            if known.asked > before and len(self._known) <= self.most:
                break
            del self._known[account]
            if in_use(account) and known.asked <= before:
                self._known[account] = known._replace(asked=self._clock.now())  # until the answer is there
                self._want(account)
            else:
                self._old[account] = known
        for _ in range(min(MOST_AT_ONCE, len(self._known) + len(self._old) - self.most, len(self._old))):
            self._old.popitem(last=False)

    async def run(self) -> None:
        """Ask about those that wait, one after the other, for ever."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            while self._waiting:
                account = next(iter(self._waiting))
                if not await self._asked(account):
                    await asyncio.sleep(DOWN_S)

    async def _asked(self, account: str) -> bool:
        try:
            async with self._one_asks:
                entry: Entry | None = await self._directory.entry_of(account)
        except DirectoryDown as error:
            self.down = True
            self._log.warning("directory-down", str(error))
            self._waiting.move_to_end(account)  # behind the others, if it is this one that has no answer
            return False
        except DirectoryUnclear as error:
            self._log.warning("directory-unclear", str(error))
            entry = None
        self.down = False
        self._waiting.pop(account, None)
        self.learn(account, entry)
        return True

    def learn(self, account: str, entry: Entry | None) -> None:
        """Of an answer that is not clear nothing is taken: what was known stays."""
        before = self._known.pop(account, None) or self._old.pop(account, None) or _NOTHING
        self._known[account] = Known(entry or before.entry, self._clock.now())
        if entry is None:
            return
        if entry.row and entry.row not in self.rows:
            row = entry.row[:LETTERS]
            self._log.warning("no-such-row", f'{account[:LETTERS]}: there is no row of limits "{row}"')
        if entry.row != (before.entry.row if before.entry else ""):
            self.on_change(account)


_NOTHING = Known(None, float("-inf"))
# Servers read a name to its NUL, or take off blanks at its ends: it would be found as another one.
_NOBODY = Known(Entry(), float("inf"))
