"""What an account's state may be: one for each account, shared by all that ask, tell and act."""

from enum import Enum


class State(Enum):
    """Mildest first."""

    NORMAL = "normal"
    WATCHED = "watched"
    THROTTLED = "throttled"
    HELD = "held"
    CONTAINED = "contained"
