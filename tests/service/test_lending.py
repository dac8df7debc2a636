"""Senders that a directory lends: nothing waits for it, and nobody is refused for what it has yet to say."""

from dataclasses import replace

import pytest

from sendwarden.core.decision import Decision, Request, Stage, Verdict
from sendwarden.core.texts import sentence
from sendwarden.service import attributes as module
from sendwarden.service.allowance import Allowance
from sendwarden.service.attributes import DOUBT_S, Attributes
from sendwarden.service.judge import Judge
from sendwarden.service.senders import ForeignSender
from sendwarden.stores.memory import MemoryMeters
from tests.service.asking import asking
from tests.service.judging import said
from tests.service.outside import outside
from tests.service.test_attributes import KEEP_S, Rows
from tests.service.test_limits_at_work import Warden
from tests.stores.around import until

INFO = "info@example.org"
FROM_INFO = (("From", INFO),)


class Site(Warden):
    """A channel that lets nobody use a sender that is not lent to him."""

    def __init__(self, directory: Rows, action: ForeignSender = "refuse", *, asks: bool = True) -> None:
        super().__init__(senders="own", header_from="own", foreign_sender=action)
        self.site = replace(self.site, lends=True)
        outer = outside(self.clock, self.log)
        self.judge = Judge(self.site, MemoryMeters({}), outer, Allowance(self.limiter, outer))
        self.attributes = Attributes(directory, self.clock, self.log, KEEP_S)
        if asks:
            self.limiter.use_attributes(self.attributes)

    def at(self, stage: Stage, sender: str = INFO, login: str = "eve") -> Decision:
        return self.judge.sender(Request(stage, login=login, sender=sender))


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DOWN_S", 0.0)


def lending(**senders: tuple[str, ...]) -> Rows:
    directory = Rows()
    directory.senders = senders
    return directory


def test_the_first_question_passes_and_is_told_and_the_next_is_held_against_what_is_lent() -> None:
    site = Site(lending(eve=(INFO,)))

    async def work() -> None:
        first = site.at(Stage.MAIL, "boss@example.org")
        assert first.plain
        (reason,) = first.reasons
        assert 'not known yet whether "boss@example.org" belongs to "eve"' in sentence(reason)
        assert site.log.about("sender-not-known")
        await until("it is known", lambda: site.attributes.senders("eve") is not None)
        assert site.at(Stage.MAIL, "boss@example.org").verdict is Verdict.REFUSE
        assert site.at(Stage.MAIL).reasons == ()
        assert site.message(sender=INFO, headers=FROM_INFO).reasons == ()

    asking(site.attributes, work)


def test_what_was_open_at_mail_is_judged_at_the_end_and_else_only_once() -> None:
    site = Site(lending())
    whole = site.mail(sender="boss@example.org", headers=(("From", "eve@example.org"),))
    left_open = replace(whole, request=replace(whole.request, sender_open=True))

    async def work() -> None:
        assert site.judge.message(left_open).plain, "it is not known yet"
        await until("it is known", lambda: site.attributes.senders("eve") is not None)
        assert site.judge.message(left_open).verdict is Verdict.REFUSE
        assert site.judge.message(whole).plain, "MAIL has said it"

    asking(site.attributes, work)


@pytest.mark.parametrize("action", ["hold", "tag", "allow"])
def test_what_can_be_done_at_the_end_alone_is_asked_about_at_mail(action: ForeignSender) -> None:
    site = Site(lending(), action)

    async def work() -> None:
        assert site.at(Stage.MAIL).reasons == ()
        await until("it is known", lambda: site.attributes.senders("eve") is not None)
        assert said(site.message(sender=INFO, headers=(("From", "eve@example.org"),)))

    asking(site.attributes, work)


def test_what_no_directory_could_lend_is_refused_at_once() -> None:
    site = Site(lending())
    twice = (("From", "eve@example.org"), ("From", INFO))
    assert {reason.id for reason in site.message(sender="eve@example.org", headers=twice).reasons} == {
        "several-from",
        "sender-not-known",
    }
    assert site.message(sender="eve@example.org", headers=twice).verdict is Verdict.REFUSE


def test_what_is_known_counts_while_it_is_down_and_who_is_not_known_may_send() -> None:
    directory = lending(eve=(INFO,), bob=(INFO,))
    site = Site(directory)

    async def work() -> None:
        site.at(Stage.MAIL)
        await until("it is known", lambda: site.attributes.senders("eve") is not None)
        directory.down = True
        for _ in range(5):
            site.clock.at += 10 * KEEP_S
            site.limiter.tick()
            assert site.at(Stage.MAIL).reasons == ()
            assert site.at(Stage.MAIL, "boss@example.org").verdict is Verdict.REFUSE
            assert site.at(Stage.MAIL, "boss@example.org", "bob").plain
        directory.down = False
        await until("it is back", lambda: site.attributes.senders("bob") is not None)
        assert site.at(Stage.MAIL, "boss@example.org", "bob").verdict is Verdict.REFUSE

    asking(site.attributes, work)


def test_what_was_lent_just_now_is_found_out_by_whoever_is_refused() -> None:
    directory = lending()
    site = Site(directory)

    async def work() -> None:
        site.at(Stage.MAIL)
        await until("it is known", lambda: site.attributes.senders("eve") is not None)
        directory.senders["eve"] = (INFO,)
        for _ in range(100):
            assert site.at(Stage.MAIL).verdict is Verdict.REFUSE
        site.clock.at += DOUBT_S
        assert site.at(Stage.MAIL).verdict is Verdict.REFUSE
        await until("it is asked again", lambda: site.at(Stage.MAIL).plain)
        assert directory.asked == ["eve", "eve"]

    asking(site.attributes, work)


def test_an_answer_that_is_not_clear_takes_nothing_away() -> None:
    directory = lending(eve=(INFO,))
    site = Site(directory)

    async def work() -> None:
        site.at(Stage.MAIL)
        await until("it is known", lambda: site.attributes.senders("eve") is not None)
        directory.unclear = True
        site.clock.at += KEEP_S
        site.at(Stage.MAIL)
        site.at(Stage.MAIL, login="bob")
        await until("it is told", lambda: len(site.log.about("directory-unclear")) == 2)
        assert site.at(Stage.MAIL).reasons == ()
        assert site.at(Stage.MAIL, "boss@example.org").verdict is Verdict.REFUSE
        assert site.at(Stage.MAIL, "boss@example.org", "bob").plain
        assert not site.attributes.down

    asking(site.attributes, work)


def test_where_nothing_asks_a_directory_nothing_is_held_against_anybody() -> None:
    site = Site(lending(), asks=False)
    assert site.at(Stage.MAIL, "boss@example.org").plain
    assert site.at(Stage.MAIL, "boss@example.org").reasons[0].id == "sender-not-known"


def test_an_account_that_pauses_is_known_when_it_comes_back() -> None:
    site = Site(lending(eve=(INFO,)))

    async def work() -> None:
        site.at(Stage.MAIL)
        await until("it is known", lambda: site.attributes.senders("eve") is not None)
        site.clock.at += 100 * KEEP_S
        site.limiter.tick()
        assert site.at(Stage.MAIL, "boss@example.org").verdict is Verdict.REFUSE

    asking(site.attributes, work)
