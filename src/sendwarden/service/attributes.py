"""Which row of limits a directory names for an account: known at once, or looked up behind the first answer.

Nothing ever waits for the directory. An account that is not known has the row of its channel until the answer
is there; one whose answer is older than ``keep_s`` is asked about again, and has the old answer meanwhile.
While the directory is down what is known stays.
"""

import asyncio
import re
from collections.abc import Callable, Collection

from sendwarden.service.ports import Clock, Directory, DirectoryDown, EventLog

# Accounts that wait for an answer, and whose answer is remembered, at the most.
MOST_WAITING = 100_000
# What a query of a directory may name: the account as a whole, and its parts.
NAMES = ("account", "local", "domain")
# Pause between questions while the directory is down.
DOWN_S = 5.0

# As SQLAlchemy's text() finds bound parameters.
_NAME = re.compile(r"(?<![:\w\\]):(\w+)(?!:)")


def names_in(query: str) -> list[str]:
    return list(dict.fromkeys(_NAME.findall(query)))


class Attributes:
    """What is known of accounts. `run` it as a task."""

    def __init__(self, directory: Directory, clock: Clock, log: EventLog, keep_s: float) -> None:
        self._directory = directory
        self._clock = clock
        self._log = log
        self._keep_s = keep_s
        self._known: dict[str, tuple[str, float]] = {}  # row and when it was asked, the oldest first
        self._waiting: dict[str, None] = {}
        self._wanted = asyncio.Event()
        self.down = False
        # The names of rows that there are, and who hears that an account has another one.
        self.rows: Collection[str] = ()
        self.most = MOST_WAITING
        self.on_change: Callable[[str], None] = lambda _account: None

    def row(self, account: str) -> str:
        """The row of limits; "": the one of its channel, for now or because nothing is said of it."""
        known = self._known.get(account)
        if known is None or known[1] + self._keep_s <= self._clock.now():
            self._want(account)
        return known[0] if known else ""

    def _want(self, account: str) -> None:
        if len(self._waiting) < MOST_WAITING:
            self._waiting[account] = None
            self._wanted.set()

    def refresh(self, in_use: Callable[[str], bool]) -> None:
        """To be called now and then: ask again about those that send, forget the others."""
        before = self._clock.now() - self._keep_s
        while not self.down and self._known:
            account, (row, asked) = next(iter(self._known.items()))
            if asked > before and len(self._known) <= self.most:
                return
            del self._known[account]
            if in_use(account) and asked <= before:
                self._known[account] = row, self._clock.now()  # until the answer is there
                self._want(account)

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
            row = await self._directory.row_of(account)
        except DirectoryDown as error:
            self.down = True
            self._log.warning("directory-down", str(error))
            self._waiting.pop(account, None)
            self._waiting[account] = None  # behind the others, if it is this one that cannot be answered
            return False
        self.down = False
        self._waiting.pop(account, None)
        if row and row not in self.rows:
            self._log.warning("no-such-row", row)
            row = ""
        before = self._known.pop(account, ("", 0.0))[0]
        self._known[account] = row, self._clock.now()
        if row != before:
            self.on_change(account)
        return True
