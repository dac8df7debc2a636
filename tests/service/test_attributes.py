"""Rows of limits that a directory names: behind the first answer, and kept while it is down."""

import asyncio
from dataclasses import replace

import pytest

from sendwarden.core.decision import Verdict
from sendwarden.engine.limits.rules import Limit, Limits
from sendwarden.service import attributes as module
from sendwarden.service.attributes import Attributes, names_in
from sendwarden.service.ports import DirectoryDown, DirectoryUnclear, Entry
from sendwarden.service.quick import Quick
from tests.service.asking import asking
from tests.service.test_limits_at_work import Warden
from tests.stores.around import until

FIVE = Limits((Limit(1, 0, 5, "five"),))
BULK = Limits((Limit(1, 0, 50, "bulk"),))
KEEP_S = 600


class Rows:
    """`Directory` as a test says it is."""

    def __init__(self, **rows: str) -> None:
        self.rows = rows
        self.senders: dict[str, tuple[str, ...]] = {}
        self.down = self.unclear = False
        self.asked: list[str] = []

    async def entry_of(self, account: str) -> Entry:
        self.asked.append(account)
        await asyncio.sleep(0)
        if self.down:
            raise DirectoryDown("it is away")
        if self.unclear:
            raise DirectoryUnclear("several entries")
        return Entry(self.rows.get(account, ""), self.senders.get(account, ()))

    def close(self) -> None: ...


class Site(Warden):
    """A judge whose limits depend on a directory."""

    def __init__(self, directory: Rows) -> None:
        super().__init__(FIVE)
        self.directory = directory
        self.limiter.use(replace(self.site, rows={"bulk": BULK}))
        self.attributes = Attributes(directory, self.clock, self.log, KEEP_S)
        self.limiter.use_attributes(self.attributes)

    def most(self, account: str = "eve") -> int:
        limits = self.limiter.limits_of("c", account)
        assert limits is not None
        return limits.limits[0].most


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DOWN_S", 0.0)


def test_whoever_may_wait_has_the_row_at_once_and_hears_of_trouble() -> None:
    site = Site(Rows(eve="bulk", dan="no-row"))

    async def work() -> None:
        found = await site.attributes.look("eve")
        assert (found["row"], found["known"], found["trouble"]) == ("bulk", True, "")
        assert site.most() == 50
        await site.attributes.look("eve")
        assert site.directory.asked == ["eve"], "what is known is not asked again"
        found = await site.attributes.look("dan")
        assert (found["row"], found["names"]) == ("", "no-row")

        site.directory.down = True
        found = await site.attributes.look("bob")
        assert (found["row"], found["known"], found["trouble"]) == ("", False, "it is away")
        site.clock.at += KEEP_S
        found = await site.attributes.look("eve")
        assert (found["row"], found["trouble"]) == ("bulk", "it is away"), "what was known stays"

    asyncio.run(work())


def test_the_first_answer_has_the_channels_row_and_the_next_its_own() -> None:
    site = Site(Rows(eve="bulk"))

    async def work() -> None:
        assert site.recipient("m0").verdict is Verdict.ACCEPT
        assert site.directory.asked == [], "no answer waits for it"
        meter = site.limiter.table.find("c", "eve")
        assert meter is not None
        assert meter.limits.limits[0].most == 5
        await until("it is known", lambda: site.most() == 50)
        passed = [site.recipient(f"n{n}").verdict is Verdict.ACCEPT for n in range(60)]
        assert passed.count(True) == 49
        assert site.directory.asked == ["eve"]

    asking(site.attributes, work)


def test_whoever_remembers_the_meter_finds_the_other_row_as_well() -> None:
    site = Site(Rows(eve="bulk"))
    quick = Quick(lambda: site.judge, site.limiter, "")

    async def work() -> None:
        meter = quick.meter(b"192.0.2.7", b"eve", b"eve@example.org")
        assert meter is not None
        meter.roll(site.limiter.quantum)
        site.recipient("m0")
        await until("it is known", lambda: site.attributes.row("eve") == "bulk")
        assert not meter.quick(site.limiter.quantum, 1, 1), "it has to look"
        site.recipient("m1")
        assert meter.limits.limits[0].most == 50

    asking(site.attributes, work)


def test_what_is_known_stays_while_the_directory_is_down_and_others_have_the_channels_row() -> None:
    site = Site(Rows(eve="bulk", bob="bulk"))

    async def work() -> None:
        site.recipient("m0")
        await until("it is known", lambda: site.most() == 50)
        site.directory.down = True
        site.clock.at += 10 * KEEP_S
        site.limiter.tick()
        assert (site.most(), site.most("bob")) == (50, 5)
        await until("it is told", lambda: site.log.about("directory-down"))
        assert site.log.about("directory-down")[0] == "it is away"
        for _ in range(10):
            site.clock.at += 10 * KEEP_S
            site.limiter.tick()
        assert site.most() == 50
        site.directory.down = False
        await until("it is back", lambda: site.most("bob") == 50)

    asking(site.attributes, work)


def test_an_answer_is_asked_for_anew_and_meanwhile_the_old_one_counts() -> None:
    site = Site(Rows(eve="bulk"))

    async def work() -> None:
        site.recipient("m0")
        await until("it is known", lambda: site.most() == 50)
        site.directory.rows["eve"] = ""
        site.recipient("m1")
        site.clock.at += KEEP_S
        site.limiter.tick()
        assert site.most() == 50
        await until("it is another", lambda: site.most() == 5)
        assert site.directory.asked == ["eve", "eve"]

    asking(site.attributes, work)


def test_accounts_that_send_no_more_are_not_asked_about_and_forgotten_where_there_are_too_many() -> None:
    site = Site(Rows(bob="bulk", carol="bulk"))

    async def work() -> None:
        site.most("bob")
        await until("it is known", lambda: site.most("bob") == 50)
        for _ in range(5):
            site.clock.at += KEEP_S + 30
            site.limiter.tick()
        assert site.directory.asked == ["bob"]
        assert site.most("bob") == 50, "until there is another answer"
        site.attributes.most = 1
        site.most("carol")
        await until("it is known", lambda: site.most("carol") == 50)
        await until("bob is asked about", lambda: site.directory.asked == ["bob", "bob", "carol"])
        site.clock.at += KEEP_S + 30
        site.limiter.tick()
        site.directory.down = True
        assert (site.most("bob"), site.most("carol")) == (5, 50)

    asking(site.attributes, work)


def test_unlimited_is_an_answer_like_any_row() -> None:
    site = Site(Rows(eve="unlimited"))

    async def work() -> None:
        site.recipient("m0")
        await until("it is known", lambda: site.limiter.limits_of("c", "eve") == Limits())
        assert {site.recipient(f"n{n}").verdict for n in range(60)} == {Verdict.ACCEPT}
        assert site.log.about("no-such-row") == []

    asking(site.attributes, work)


def test_a_row_that_does_not_exist_is_told_and_the_channels_counts() -> None:
    site = Site(Rows(eve="blk"))

    async def work() -> None:
        site.recipient("m0")
        await until(
            "it is told", lambda: site.log.about("no-such-row") == ['eve: there is no row of limits "blk"']
        )
        assert site.most() == 5

    asking(site.attributes, work)


@pytest.mark.parametrize("account", ["eve\0", "eve\n", " eve", "eve ", "eve\udcff", "\0"])
def test_a_name_that_a_server_could_take_for_another_is_not_asked_about(account: str) -> None:
    site = Site(Rows(eve="bulk"))
    assert site.most(account) == 5
    assert site.attributes.senders(account) == ()
    site.attributes.doubt(account)
    assert not site.attributes._waiting  # noqa: SLF001


def test_hosts_and_programs_are_in_no_directory() -> None:
    site = Site(Rows())
    for account in ("[192.0.2.7]", "[local]", "[uid:33]"):
        assert site.most(account) == 5
    assert not site.attributes._waiting  # noqa: SLF001


def test_names_in_a_query_are_those_that_are_bound() -> None:
    assert names_in("SELECT a::text FROM b WHERE c = :account OR d = :local || ':x' OR e = :account") == [
        "account",
        "local",
        "x",
    ]
