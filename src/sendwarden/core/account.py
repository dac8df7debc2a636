"""The one state of an account: asked by the frontends, moved by evidence, set by the postmaster."""

from enum import Enum


class State(Enum):
    """From nothing noticed to shut."""

    NORMAL = "normal"
    WATCHED = "watched"
    THROTTLED = "throttled"
    HELD = "held"
    CONTAINED = "contained"
