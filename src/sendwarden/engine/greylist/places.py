"""From which networks accounts have sent: whether one is new for an account. Kept like `Clients`, as hashes.

The first network of an account is never new: nothing is known to compare it with.
"""

from sendwarden.engine.greylist.clients import Clients
from sendwarden.engine.greylist.keys import hash_of


class Places:
    """All accounts. A network from which nothing more came for `clients.KEPT_S` is new again."""

    def __init__(self, most: int) -> None:
        self.kept = Clients(most)

    def is_new(self, account: str, network: str, now: float) -> bool:
        """Has it sent before, and never from there?"""
        return bool(self._known(account, "", now)) and not self._known(account, network, now)

    def came(self, account: str, network: str, now: float) -> None:
        """It has sent from there."""
        for place in ("", network):
            if self._known(account, place, now):
                self.kept.seen(_name(account, place), now)
            else:
                self.kept.passed(_name(account, place), now)

    def _known(self, account: str, network: str, now: float) -> int:
        return self.kept.count(_name(account, network), now)


def _name(account: str, network: str) -> str:
    return f"{hash_of(account, network):x}"
