"""What every codec shares: the one answer that is not an event, and the one error."""

from enum import Enum


class Need(Enum):
    """Returned instead of an event. DATA: feed more bytes and ask again."""

    DATA = "data"


class ProtocolError(Exception):
    """The peer broke the protocol. Close the connection; never raised for our own bugs."""
