"""What a mail server is told about a login, and what is kept of how it ended.

A contained account may not log in. Dovecot asks twice about each login, before and after it has looked at the
password, and tells once how it ended: only that counts, and only that is an event ``login``.
"""

import hashlib
from collections.abc import Callable, Mapping

from sendwarden.core.account import State
from sendwarden.core.decision import Reason
from sendwarden.core.identity import IdentityRules, account_of
from sendwarden.core.login import Login, LoginResult
from sendwarden.service.ports import AccountStates, Clock, EventLog

# Letters of a name or address that the event log keeps: a client can make them long.
LOGGED_LETTERS = 255
# Letters of a session's hash: enough to find lines of one session, of no use for anything else.
SESSION_LETTERS = 16


class Logins:
    """The use case for one configuration. ``watching``: nobody is refused, only told of."""

    def __init__(
        self, rules: IdentityRules, states: AccountStates, clock: Clock, log: EventLog, *, watching: bool
    ) -> None:
        self._rules = rules
        self._states = states
        self._clock = clock
        self._log = log
        # Told of each account that logged in.
        self.on_login: list[Callable[[str], None]] = []
        self._watching = watching

    def refusal(self, login: Login) -> Reason | None:
        """Why this login may not go on; None: it may. Counts nothing, since it is asked more than once."""
        account = account_of(login.login, self._rules)
        if self._states.state(account, self._clock.now()) is not State.CONTAINED:
            return None
        watched = self._watching
        self._log.event("login-refused", lambda: {**_fields(account, login), "watched": watched})
        return None if watched else Reason("login-stopped")

    def ended(self, result: LoginResult) -> None:
        """How a login ended: one event."""
        account = account_of(result.login.login, self._rules)
        for tell in self.on_login if result.success else ():
            tell(account)
        self._log.event("login", lambda: {**_fields(account, result.login), **_ending(result)})


def _fields(account: str, login: Login) -> Mapping[str, object]:
    return {
        "account": account[:LOGGED_LETTERS],
        "login": login.login[:LOGGED_LETTERS],
        "remote": login.remote[:LOGGED_LETTERS],
        "protocol": login.protocol[:LOGGED_LETTERS],
        "device": login.device[:LOGGED_LETTERS],
        "tls": login.tls,
        "session": hashed(login.session),
    }


def _ending(result: LoginResult) -> Mapping[str, object]:
    return {
        "success": result.success,
        "refused_by_us": result.refused_by_us,
        "why": result.why[:LOGGED_LETTERS],
    }


def hashed(session: str) -> str:
    """A session in the log: the same for the same session, which cannot be found from it."""
    return hashlib.sha256(session.encode()).hexdigest()[:SESSION_LETTERS] if session else ""
