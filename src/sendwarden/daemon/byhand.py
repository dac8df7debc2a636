"""What was set by hand, in the daemon: read at the start, and shared with others if there are any."""

import secrets
from functools import partial
from typing import TYPE_CHECKING

from sendwarden.daemon.shared import Shared
from sendwarden.service.book import Book, Entry
from sendwarden.service.limiter import Limiter
from sendwarden.service.ports import Clock, EventLog
from sendwarden.service.sharing import Sharing, plain
from sendwarden.stores.journal import Journal

if TYPE_CHECKING:
    from sendwarden.stores.redis import RedisRoom


class ByHand:
    """A `Book` over the journal."""

    def __init__(self, journal: Journal, clock: Clock, log: EventLog, shared: Shared | None) -> None:
        self._journal = journal
        self._log = log
        self.sharing: Sharing | None = None
        if shared:
            new_mark = partial(secrets.token_hex, 8)
            self.sharing = Sharing(journal, new_mark, shared.clock, log, shared.acts)
        self.book = Book(shared.clock if shared else clock, self.sharing or journal)

    async def open(self, limiter: Limiter, room: "RedisRoom | None") -> None:
        """Before the sockets open: states and overrides are few, and must not be missed by anybody."""
        book, kept = self.book, self._journal.exceptions
        records = self.sharing.load(kept, Entry.name_of_record) if self.sharing else plain(kept)
        if bad := book.load(records):
            self._log.warning("state-damaged", f"{bad} acts by hand")
        if room:
            await room.begin()
        if self.sharing:
            book.tell_others = self.sharing.tell
            await self.sharing.begin(book.hear)

        def changed(_account: str) -> None:
            limiter.set_by_hand(book.overrides())

        def reset(account: str, channel: str) -> None:
            limiter.reset(account, channel)
            if room:
                room.tell_soon()

        book.on_change.append(changed)
        book.on_reset.append(reset)
        changed("")
