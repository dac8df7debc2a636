"""Which keys a store may still bring something of, while it reads what was counted before a restart."""


class Loading:
    """One table's view of it. The sets are empty unless `going_on`."""

    __slots__ = ("going_on", "settled", "unread")

    def __init__(self) -> None:
        self.going_on = False
        # Keys that began here meanwhile. What the store holds of them is still to be added, so that nothing
        # of theirs may be written yet.
        self.unread: set[str] = set()
        # Keys that were removed or set meanwhile: what the store holds of them does not count.
        self.settled: set[str] = set()

    def begin(self) -> None:
        self.going_on = True

    def begins_key(self, key: str) -> None:
        if self.going_on and key not in self.settled:
            self.unread.add(key)

    def settle(self, key: str) -> None:
        if self.going_on:
            self.settled.add(key)
            self.unread.discard(key)

    def end(self) -> None:
        """All that the store holds is in."""
        self.going_on = False
        self.unread.clear()
        self.settled.clear()
