"""How many connections may be open, and whether the process was just asleep.

Shared by all frontends; no sockets.

Fewer connections are taken than there are file descriptors, since running out of those hits the store and the
log as well. What is one too many is closed at once: the mail server then applies its configured default.
"""

from collections.abc import Callable

from sendwarden.core.networks import Networks, in_networks
from sendwarden.service.site import LOOPBACK

# Our own deadline for an answer, in seconds. Postfix gives up after what the docs tell people to set: 2.
DEADLINE_S = 1.0
# How long after waking up what is read counts as asked before.
WAKING_S = 0.1


class Gate:
    """Counts connections.

    ``monotonic`` is the clock for `asleep`; `tick` must be called several times a second.

    ``allowed``: networks of peers besides this machine. A peer without an address came by a unix socket.
    """

    def __init__(self, most: int, monotonic: Callable[[], float], allowed: Networks = ()) -> None:
        self.most = most
        self.allowed = allowed
        self.open = 0
        self.turned_away = 0
        self._monotonic = monotonic
        self._ticked = monotonic()
        self._woke = float("-inf")

    def welcome(self, peer: str) -> bool:
        """May it ask at all?"""
        return not peer or in_networks(peer, LOOPBACK) or in_networks(peer, self.allowed)

    def enter(self, peer: str) -> bool:
        """One more connection; False: a stranger, or one too many: close it."""
        if not self.welcome(peer) or self.open >= self.most:
            self.turned_away += 1
            return False
        self.open += 1
        return True

    def leave(self) -> None:
        self.open -= 1

    def tick(self) -> None:
        now = self._monotonic()
        if now - self._ticked > DEADLINE_S:
            self._woke = now
        self._ticked = now

    def asleep(self) -> bool:
        """Has more than the deadline passed without a tick? Then what arrives now was asked too long ago.

        The process was stopped or starved; the mail server has given up on those questions and an answer
        would be taken for one to its next. An event loop that wakes up may tick before it reads what has
        waited, so that this holds for a moment longer.
        """
        now = self._monotonic()
        return now - self._ticked > DEADLINE_S or now - self._woke < WAKING_S
