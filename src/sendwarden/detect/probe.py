"""The probe hold: from throttled on, strangers get an account's mail a few at a time.

Some are let through, and the next only when the outcomes of these have come. That costs an honest
sender minutes, and a thief gets about five recipients out for each verdict. Whom the account wrote to
before is not touched.
"""

from sendwarden.core.account import State

STRANGERS = 5
# An outcome that has not come by then will not come; an honest sender must not wait for it.
PATIENCE_S = 1200.0


def let_through(state: State, strangers: int, waiting: int) -> int:
    """How many of a message's strangers may get it now. Of ``waiting`` others no outcome has come yet."""
    if state in (State.NORMAL, State.WATCHED):
        return strangers
    if state is State.THROTTLED:
        return min(strangers, max(0, STRANGERS - waiting))
    return 0
