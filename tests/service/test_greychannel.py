"""service.greychannel: whose mail of a channel waits, and what nobody can make us believe."""

import asyncio
from dataclasses import dataclass, field, replace
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.core.account import State
from sendwarden.core.decision import Decision, Request, Stage, Verdict
from sendwarden.core.identity import IdentityRules
from sendwarden.engine.channel import Channel, Mode, Waits
from sendwarden.engine.greylist.decide import Exemptions, Greylister, GreylistRules
from sendwarden.engine.greylist.places import Places
from sendwarden.engine.greylist.question import Findings, Found, Word
from sendwarden.engine.webmail import ClientSource, Headers, Webmail, client_behind
from sendwarden.service.greychannel import ChannelGreylisting, Kept
from sendwarden.service.greylisting import Greylisting
from sendwarden.service.limiter import Limiter
from sendwarden.service.site import Site
from tests.service.checks import FakeChecks
from tests.service.outside import Counted
from tests.service.states import StatesInMemory
from tests.stores.around import HandClock, KeptLog

HOME, OFFICE, HOST = "198.51.100.7", "203.0.113.9", "192.0.2.80"
LISTED = Findings((Found("bl.test", 1),))
EVE = Request(
    Stage.END_OF_MESSAGE, "l", HOME, login="eve", sender="eve@example.org", recipients=("a@x", "b@x")
)
STRANGER = replace(EVE, login="", client_address=OFFICE)
BY_WEBMAIL = replace(EVE, client_address=HOST)
SOURCES: tuple[ClientSource, ...] = ("received", "proxy-ip", "x-originating-ip")


@dataclass
class Around:
    """One channel of which mail waits."""

    waits: frozenset[Waits]
    checks: FakeChecks | None = None
    rules: GreylistRules = field(default_factory=GreylistRules)
    mode: Mode = Mode.ENFORCE
    sources: tuple[ClientSource, ...] = SOURCES

    def __post_init__(self) -> None:
        self.clock, self.log = HandClock(), KeptLog()
        self.states: dict[str, State] = {}
        webmail = Webmail((ip_network(f"{HOST}/32"),), clients=self.sources)
        self.channel = Channel("c", mode=self.mode, greylist=self.waits)
        self.site = Site(channels=(self.channel,), webmail=webmail)
        greylister = Greylister(replace(self.rules, checks=self.checks is not None))
        self.service = Greylisting(greylister, self.clock, self.log, self.checks)
        self.places = Places(1000)
        kept = Kept(self.service, self.places, Limiter(self.site, StatesInMemory(self.states), self.clock))
        self.greylisting = ChannelGreylisting(self.site, kept, self.clock, Counted())

    def ask(self, request: Request = EVE, *headers: tuple[str, str]) -> Decision | None:
        at_end: Headers | None = headers if request.stage is Stage.END_OF_MESSAGE else None
        account = request.login or f"[{request.client_address}]"
        found = self.greylisting.ask(request, self.channel, account, at_end)
        return found if found is None or isinstance(found, Decision) else asyncio.run(found(0.1))

    def waits_then_passes(self, request: Request = EVE, *headers: tuple[str, str]) -> Decision:
        said = self.ask(request, *headers)
        assert said is not None and said.verdict is Verdict.DEFER
        self.clock.at += self.rules.delay_s
        assert self.ask(request, *headers) is None
        return said


def test_by_default_nobody_waits() -> None:
    around = Around(frozenset())

    assert around.ask() is None and around.ask(STRANGER) is None
    assert not len(around.service.greylister.triplets)


def test_all_of_a_channel_waits_once_for_an_account_and_by_triplets_for_strangers() -> None:
    around = Around(frozenset({"all"}))

    said = around.waits_then_passes()
    assert (said.smtp_code, said.enhanced, said.text) == (450, "4.7.1", "Please try again later")
    assert said.reference == "SW-000001" and said.reasons[0].numbers == {
        "client": "198.51.100.0",
        "why": "all",
    }
    assert around.ask(replace(EVE, recipients=("c@x",), sender="other@example.org")) is None
    around.waits_then_passes(STRANGER)
    assert around.ask(replace(STRANGER, recipients=("a@x", "c@x"))) is not None, "one of its recipients waits"


def test_only_whose_client_is_listed_waits() -> None:
    around = Around(frozenset({"listed"}), FakeChecks(found={HOME: LISTED}))

    assert around.waits_then_passes().reasons[0].numbers["why"] == "listed"
    assert around.ask(replace(EVE, client_address=OFFICE)) is None
    assert around.log.events[0][1]["found"] == ["bl.test+1"] and around.log.events[0][1]["channel"] == "c"


@pytest.mark.parametrize("state", State)
def test_at_risk_is_who_is_watched_or_throttled(state: State) -> None:
    around = Around(frozenset({"risk"}))
    around.states["eve"] = state

    said = around.ask()
    assert (said is not None) is (state in (State.WATCHED, State.THROTTLED))
    assert around.ask(replace(EVE, login="bob")) is None and around.ask(STRANGER) is None


def test_a_new_network_waits_unless_it_is_the_accounts_first() -> None:
    around = Around(frozenset({"new-network"}))

    assert around.ask() is None, "there is nothing to compare it with"
    assert around.ask(replace(EVE, client_address="198.51.100.99")) is None, "the same network"
    away = replace(EVE, client_address=OFFICE)
    around.waits_then_passes(away)
    around.clock.at += 10 * 3600  # the triplet is forgotten, the network is not
    assert around.ask(away) is None and around.ask() is None
    assert around.ask(replace(away, login="bob")) is None
    around.clock.at += 36 * 86_400
    assert around.ask(away) is None, "all is forgotten, and so it is its first"
    assert around.ask() is not None


def test_who_has_not_waited_yet_teaches_nothing() -> None:
    around = Around(frozenset({"new-network"}))
    around.ask()
    away = replace(EVE, client_address=OFFICE)

    for _ in range(5):
        assert around.ask(away) is not None


def test_while_watching_all_passes_is_told_and_learned() -> None:
    around = Around(frozenset({"new-network"}), mode=Mode.WATCH)
    around.ask()
    away = replace(EVE, client_address=OFFICE)

    assert around.ask(away) is None
    kind, event = around.log.events[0]
    assert (kind, event["watched"], event["why"], event["account"]) == (
        "greylist",
        True,
        "new-network",
        "eve",
    )
    assert around.ask(away) is None and len(around.log.events) == 1


def test_a_list_of_good_clients_and_exemptions_spare() -> None:
    white = Findings((Found("wl.test", 0, Word.PASSED),))
    assert Around(frozenset({"all"}), FakeChecks(found={HOME: white})).ask() is None
    for exempt in (
        Exemptions(networks=(ip_network("198.51.100.0/24"),)),
        Exemptions(accounts=frozenset({"eve"})),
        Exemptions(recipients=frozenset({"a", "b@x"})),
    ):
        assert Around(frozenset({"all"}), rules=GreylistRules(exempt=exempt)).ask() is None
    some = Exemptions(recipients=frozenset({"a"}))
    assert Around(frozenset({"all"}), rules=GreylistRules(exempt=some)).ask() is not None


def test_after_so_many_passes_a_network_waits_no_more() -> None:
    rules = GreylistRules(exempt=Exemptions(after_passes=2))
    around = Around(frozenset({"all"}), rules=rules)

    for number in range(2):
        around.waits_then_passes(replace(STRANGER, recipients=(f"{number}@x",)))
    assert around.ask(replace(STRANGER, recipients=("3@x",))) is None


@pytest.mark.parametrize(
    ("request_", "verdict"),
    [
        (EVE, Verdict.REFUSE),
        (replace(STRANGER, stage=Stage.RCPT), Verdict.REFUSE),
        (STRANGER, Verdict.HOLD),
    ],
)
def test_a_block_is_refused_but_never_becomes_backscatter(request_: Request, verdict: Verdict) -> None:
    checks = FakeChecks(found=dict.fromkeys((HOME, OFFICE), LISTED))
    said = Around(frozenset({"listed"}), checks, GreylistRules(block_threshold=1)).ask(request_)

    assert said is not None and (said.verdict, said.text) == (verdict, "Bad reputation")


def test_the_same_mail_gets_one_reference_however_often_it_comes() -> None:
    around = Around(frozenset({"all"}))

    first, second = around.ask(), around.ask()
    assert first and second and first.reference == second.reference and second.repeated
    other = around.ask(replace(EVE, login="bob"))
    assert other and other.reference != first.reference


def test_a_program_on_the_mail_server_never_waits() -> None:
    assert Around(frozenset({"all"})).ask(replace(EVE, client_address="", login="")) is None


# --- behind a webmail

WHEN = "Fri, 18 Jul 2008 16:34:53 +1000"
TOP = ("Received", f"from [{HOST}] (Forwarded-For: {HOME}) by mail.example.org (mshttpd); {WHEN}")
NAMES = {
    "mshttpd": (TOP,),
    "Proxy-ip": (("Proxy-ip", HOME),),
    "X-Originating-IP": (("X-Originating-IP", f"[{HOME}]"),),
    "Roundcube": (("Received", f"from home.example ({HOME}) by h with HTTP (HTTP/1.1 POST); {WHEN}"),),
}


@pytest.mark.parametrize("source", NAMES)
def test_the_address_behind_a_webmail_counts(source: str) -> None:
    around = Around(frozenset({"listed"}), FakeChecks(found={HOME: LISTED, HOST: LISTED}))

    assert around.waits_then_passes(BY_WEBMAIL, *NAMES[source]).reasons[0].numbers["client"] == "198.51.100.0"


def test_at_rcpt_nobody_knows_who_is_behind_a_webmail() -> None:
    assert Around(frozenset({"all"})).ask(replace(BY_WEBMAIL, stage=Stage.RCPT)) is None


def test_by_xclient_the_client_is_the_browser() -> None:
    around = Around(frozenset({"listed"}), FakeChecks(found={HOME: LISTED}))

    assert around.ask(EVE, ("Proxy-ip", OFFICE)) is not None, "and what the header says does not count"


# Each tries to have the listed browser at HOME taken for the one at OFFICE, or the other way round.
LIE = f"from [{HOST}] (Forwarded-For: {OFFICE}) by mail.example.org (mshttpd); {WHEN}"
FORGED: dict[str, tuple[Request, Headers, str]] = {
    "a second Received below": (BY_WEBMAIL, (TOP, ("Received", LIE)), HOME),
    "a header below in another case": (BY_WEBMAIL, (TOP, ("RECEIVED", LIE), ("proxy-IP", OFFICE)), HOME),
    "Forwarded-For twice in one line": (
        BY_WEBMAIL,
        (("Received", TOP[1].replace(" by ", f" (Forwarded-For: {OFFICE}) by ")),),
        "",
    ),
    "text behind the line": (BY_WEBMAIL, (("Received", f"{TOP[1]} (Forwarded-For: {OFFICE})"),), ""),
    "text before the line": (BY_WEBMAIL, (("Received", f"(Forwarded-For: {OFFICE}) {TOP[1]}"),), ""),
    "from somebody's own host": (replace(EVE, client_address=HOME), (("Received", LIE),), HOME),
    "Proxy-ip from somebody's own host": (EVE, (("Proxy-ip", OFFICE),), HOME),
    "X-Originating-IP from somebody's own host": (EVE, (("X-Originating-IP", f"[{OFFICE}]"),), HOME),
    "Proxy-ip twice": (BY_WEBMAIL, (("Proxy-ip", HOME), ("Proxy-ip", OFFICE)), ""),
    "X-Originating-IP twice": (
        BY_WEBMAIL, (("X-Originating-IP", HOME), ("x-originating-ip", OFFICE)), "",
    ),
    "no address": (BY_WEBMAIL, (("Proxy-ip", f"{OFFICE}, {HOME}"),), ""),
    "told by a proxy that is not ours": (
        BY_WEBMAIL,
        (("Received", f"from [{HOME}] (Forwarded-For: {OFFICE}) by mail.example.org (mshttpd); {WHEN}"),),
        HOME,
    ),
    "a fold in the middle": (BY_WEBMAIL, (("Received", TOP[1].replace(" by", "\r\n\tby")),), HOME),
    "a line of another program on top": (
        BY_WEBMAIL, (("Received", f"from x by y (Postfix) id 1; {WHEN}"), TOP), "",
    ),
    "a NUL in the field": (BY_WEBMAIL, (("Proxy-ip", f"{OFFICE}\0"),), ""),
    "a scope": (BY_WEBMAIL, (("Proxy-ip", f"fe80::1%{OFFICE}"), ("X-Originating-IP", HOME)), HOME),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_header_moves_nobody(name: str) -> None:
    """Asked about is the address that the row names; "": it is not known, and nobody is asked about."""
    request, headers, believed = FORGED[name]
    checks = FakeChecks(found=dict.fromkeys((HOME, OFFICE, HOST), LISTED))
    said = Around(frozenset({"listed", "new-network"}), checks).ask(request, *headers)

    assert (said.reasons[0].numbers["client"] if said else "") == believed.rpartition(".")[0] + ".0" * bool(
        believed
    )


HEADERS = st.lists(
    st.tuples(
        st.sampled_from(["Received", "received ", "Proxy-ip", "X-Originating-IP", "X-Forwarded-For", "From"]),
        st.one_of(
            st.text(max_size=60),
            st.sampled_from([TOP[1], LIE, OFFICE, f"[{HOME}]", f"{HOME} {OFFICE}", "", "2001:db8::7"]),
        ),
    ),
    max_size=6,
)


@given(HEADERS)
def test_whatever_a_client_writes_into_its_header_it_is_who_it_is(headers: list[tuple[str, str]]) -> None:
    webmail = Webmail((ip_network(f"{HOST}/32"),), clients=SOURCES)

    assert client_behind(EVE, headers, webmail, IdentityRules()) == HOME


@given(HEADERS, HEADERS)
def test_what_stands_below_the_webmails_own_lines_moves_nobody(
    above: list[tuple[str, str]], below: list[tuple[str, str]]
) -> None:
    """Only the topmost Received line counts."""
    webmail = Webmail((ip_network(f"{HOST}/32"),), clients=("received",))
    top = [(name, value) for name, value in above if name.strip().lower() != "received"]

    assert client_behind(BY_WEBMAIL, [*top, TOP, *below], webmail, IdentityRules()) == HOME


def test_at_risk_mail_waits_even_where_the_webmail_does_not_say_from_where_it_comes() -> None:
    around = Around(frozenset({"risk"}))
    around.states["eve"] = State.WATCHED

    said = around.waits_then_passes(BY_WEBMAIL, ("Proxy-ip", HOME), ("Proxy-ip", OFFICE))
    assert said.reasons[0].numbers["client"] == "192.0.2.0"


def test_many_recipients_of_a_stranger_are_looked_up_at_the_same_time() -> None:
    checks = FakeChecks(slow=True)
    around = Around(frozenset({"listed"}), checks)
    asked = replace(STRANGER, recipients=tuple(f"r{n}@x" for n in range(100)))

    assert around.ask(asked) is None and len(checks.looks) == 100
