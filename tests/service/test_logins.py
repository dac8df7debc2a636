"""service.logins: whom is refused, what is told of it, and what a report becomes."""

from dataclasses import dataclass, field

import pytest

from sendwarden.core.account import State
from sendwarden.core.decision import Reason
from sendwarden.core.identity import IdentityRules
from sendwarden.core.login import Login, LoginResult
from sendwarden.service.logins import LOGGED_LETTERS, Logins, hashed
from tests.service.states import StatesInMemory
from tests.stores.around import START, HandClock, KeptLog

EVE = Login("Eve@example.org", "192.0.2.7", "imap", "a phone", "ZvrlQwZhzI5/AAAB", tls=True)
RULES = IdentityRules(realms=frozenset({"example.org"}))


@dataclass
class Site:
    """Eve's state is as given; she has an account of her bare name."""

    state: State = State.NORMAL
    watching: bool = False
    log: KeptLog = field(default_factory=KeptLog)

    def logins(self) -> Logins:
        states = StatesInMemory({"eve": self.state})
        return Logins(RULES, states, HandClock(), self.log, watching=self.watching)


@pytest.mark.parametrize("state", State)
def test_only_a_contained_account_is_refused(state: State) -> None:
    site = Site(state)

    reason = site.logins().refusal(EVE)

    assert reason == (Reason("login-stopped") if state is State.CONTAINED else None)
    assert bool(site.log.events) is (state is State.CONTAINED)


@pytest.mark.parametrize("login", ["eve", "EVE", " eve ", '"eve"@example.org', "eve+phone@Example.ORG"])
def test_every_spelling_of_the_account_is_refused(login: str) -> None:
    assert Site(State.CONTAINED).logins().refusal(Login(login)) is not None


@pytest.mark.parametrize("login", ["", "bob", "eve@example.net", "x" * 5000])
def test_nobody_else_is(login: str) -> None:
    assert Site(State.CONTAINED).logins().refusal(Login(login)) is None


def test_a_refusal_is_told_with_the_account_and_the_client() -> None:
    site = Site(State.CONTAINED)

    site.logins().refusal(EVE)

    ((kind, fields),) = site.log.events
    assert kind == "login-refused"
    assert fields == {
        "account": "eve",
        "login": "Eve@example.org",
        "remote": "192.0.2.7",
        "protocol": "imap",
        "device": "a phone",
        "tls": True,
        "session": hashed(EVE.session),
        "watched": False,
    }


def test_while_only_watching_it_is_told_and_nobody_is_refused() -> None:
    site = Site(State.CONTAINED, watching=True)

    assert site.logins().refusal(EVE) is None

    assert [fields["watched"] for _kind, fields in site.log.events] == [True]


def test_asking_is_no_event_and_ending_is_one() -> None:
    site = Site()
    logins = site.logins()

    assert logins.refusal(EVE) is None and logins.refusal(EVE) is None
    assert site.log.events == []
    logins.ended(LoginResult(EVE, success=True))

    ((kind, fields),) = site.log.events
    assert kind == "login"
    assert fields == {
        "account": "eve",
        "login": "Eve@example.org",
        "remote": "192.0.2.7",
        "protocol": "imap",
        "device": "a phone",
        "tls": True,
        "session": hashed(EVE.session),
        "success": True,
        "refused_by_us": False,
        "why": "",
    }


def test_a_session_is_told_apart_and_cannot_be_read() -> None:
    assert hashed("a") != hashed("b") and hashed("a") == hashed("a") and hashed("") == ""
    assert EVE.session not in repr(EVE)


def test_what_a_client_makes_long_is_cut_in_the_log() -> None:
    site = Site()
    long = Login("e" * 1000, device="d" * 1000)

    site.logins().ended(LoginResult(long, success=False))

    ((_kind, fields),) = site.log.events
    assert all(len(str(value)) <= LOGGED_LETTERS for value in fields.values())


def test_who_was_never_heard_of_is_normal() -> None:
    assert StatesInMemory({}).state("bob", START) is State.NORMAL
