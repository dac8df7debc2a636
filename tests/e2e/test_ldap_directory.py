"""What `LdapDirectory` makes of a real slapd and 389-ds: rows, senders, hostile logins, servers that hang."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

from sendwarden.core.ldap_filter import FilterTemplate, read_filter
from sendwarden.lookups.ldap import LdapDirectory
from sendwarden.lookups.ldap_place import LdapPlace
from sendwarden.service.attributes import NAMES
from sendwarden.service.ports import DirectoryDown, DirectoryUnclear, Entry
from tests.servers.certificates import Authority
from tests.servers.ds389 import Ds389
from tests.servers.slapd import PEOPLE, SUFFIX, Person, Slapd

T = TypeVar("T")

PEOPLE_OF_THE_SITE: dict[str, Person] = {
    "bob": {"employeeType": "bulk", "mail": ["bob.smith@example.org", "info@example.org"]},
    "anna@example.org": {"employeeType": "webmail"},
    "carol": {},
    "*": {"employeeType": "star"},
    "two": {"employeeType": ["bulk", "webmail"]},
    "twin": {"employeeType": "bulk"},
    "Twin": {"employeeType": "bulk"},
    "ad": {
        "description": ["SMTP:ad@example.org", "smtp:help@example.org", "X500:/o=x", "sip:ad@example.org"]
    },
    "many": {"mail": [f"m{number}@example.org" for number in range(1_001)]},
    "müller": {"employeeType": "umlaut"},
}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def shared(authority: Authority) -> Iterator[Slapd]:
    """For tests that leave it as it is."""
    server = Slapd(PEOPLE_OF_THE_SITE, authority)
    yield server
    server.remove()


@pytest.fixture(scope="module")
def ds389() -> Iterator[Ds389]:
    server = Ds389(PEOPLE_OF_THE_SITE)
    yield server
    server.remove()


@pytest.fixture(params=["slapd", "389-ds"])
def either(request: pytest.FixtureRequest) -> Slapd | Ds389:
    """Servers of which the same is expected."""
    server: Slapd | Ds389 = request.getfixturevalue("shared" if request.param == "slapd" else "ds389")
    return server


@pytest.fixture
def slapd(authority: Authority) -> Iterator[Slapd]:
    server = Slapd(PEOPLE_OF_THE_SITE, authority)
    yield server
    server.remove()


def searching(text: str) -> FilterTemplate:
    return read_filter(text, NAMES)


def place(server: Slapd | Ds389, **changes: object) -> LdapPlace:
    usual = LdapPlace(
        url=server.url,
        bind_dn=server.reader[0],
        password=server.reader[1],
        base=PEOPLE,
        filter=searching("(uid=:account)"),
        limits_attribute="employeeType",
        senders_attributes=("mail", "description"),
        timeout_s=2.0,
    )
    return replace(usual, **changes)  # type: ignore[arg-type]


def using(asked: LdapPlace, work: Callable[[LdapDirectory], Coroutine[object, object, T]]) -> T:
    async def all_of_it() -> T:
        directory = LdapDirectory(asked)
        try:
            return await work(directory)
        finally:
            directory.close()

    return asyncio.run(all_of_it())


def entry(asked: LdapPlace, account: str) -> Entry:
    return using(asked, lambda directory: directory.entry_of(account))


def refused(asked: LdapPlace, account: str = "bob") -> str:
    """Why there is no answer, which comes in time."""
    began = time.monotonic()
    with pytest.raises(DirectoryDown) as told:
        entry(asked, account)
    assert time.monotonic() - began < asked.timeout_s + 1
    assert asked.password not in str(told.value) or not asked.password
    assert account not in str(told.value)
    return str(told.value)


def test_an_entry_names_a_row_and_addresses(either: Slapd | Ds389) -> None:
    assert entry(place(either), "bob") == Entry("bulk", ("bob.smith@example.org", "info@example.org"))
    assert entry(place(either), "anna@example.org") == Entry("webmail")
    assert entry(place(either), "carol") == entry(place(either), "nobody") == Entry()
    assert entry(place(either), "müller") == Entry("umlaut")


def test_the_parts_of_an_account_can_be_asked_for(either: Slapd | Ds389) -> None:
    text = "(&(objectClass=inetOrgPerson)(|(uid=:local)(mail=:local@:domain)))"
    assert entry(place(either, filter=searching(text)), "bob@any.example").row == "bulk"
    assert entry(place(either, filter=searching("(mail=:account)")), "info@example.org").row == "bulk"


def test_addresses_of_active_directory_are_read_and_other_schemes_are_not(either: Slapd | Ds389) -> None:
    assert set(entry(place(either), "ad").senders) == {"ad@example.org", "help@example.org"}


# Logins of a thief, that find somebody where they become part of a filter. Not "bob\0", which 389-ds reads as
# bob, nor "bob\n", of which it takes off the end: `Attributes` never asks about them.
HOSTILE = [
    "*)(uid=*", "bob)(|(uid=*", "b*", "*b", "bo\\62", "bob\\00", "\0", "bob\udcff", "\udcff*",
    "(", ")", "\\", "&(", "bob)(objectClass=*", "*)(&", "uid=bob", "bob#", ":account", "x" * 1_000 + "*", "",
    "%2a",
]  # fmt: skip


@pytest.mark.parametrize("login", HOSTILE)
def test_nothing_in_a_login_becomes_part_of_the_filter(either: Slapd | Ds389, login: str) -> None:
    async def work(directory: LdapDirectory) -> list[Entry]:
        return [await directory.entry_of(login), await directory.entry_of("carol")]

    assert using(place(either), work) == [Entry(), Entry()]


def test_a_star_is_the_login_that_is_called_so_and_nobody_else(either: Slapd | Ds389) -> None:
    assert entry(place(either), "*") == Entry("star")


@pytest.mark.parametrize(
    ("account", "says"),
    [("twin", "several entries"), ("two", "several values"), ("many", "more than 1000 addresses")],
)
def test_what_could_mean_several_things_is_told_as_unclear(
    either: Slapd | Ds389, account: str, says: str
) -> None:
    with pytest.raises(DirectoryUnclear, match=says):
        entry(place(either), account)


def test_more_entries_than_the_server_gives_are_unclear_as_well(authority: Authority) -> None:
    server = Slapd(PEOPLE_OF_THE_SITE, authority, sizelimit=1)
    try:
        with pytest.raises(DirectoryUnclear, match="several entries"):
            entry(place(server, filter=searching("(|(uid=:account)(uid=*))")), "bob")
        assert entry(place(server), "bob").row == "bulk"
    finally:
        server.remove()


def test_wrong_settings_are_told_and_are_no_answer(shared: Slapd) -> None:
    assert "Invalid credentials" in refused(place(shared, password="wrong"))  # noqa: S106
    assert "directory.base" in refused(place(shared, base=f"ou=nobody,{SUFFIX}"))
    assert refused(place(shared, base="no name"))
    assert "refers to ldap://ldap.elsewhere.example" in refused(place(shared, base=f"ou=elsewhere,{SUFFIX}"))
    assert "No such object" in refused(place(shared, bind_dn="", password=""))  # may see nothing
    assert "Can't contact" in refused(place(shared, url="ldap://127.0.0.1:9"))


def test_389_ds_that_went_and_came_back_and_has_no_such_base(ds389: Ds389) -> None:
    assert "directory.base" in refused(place(ds389, base=f"ou=nobody,{SUFFIX}"))
    assert "Invalid credentials" in refused(place(ds389, password="wrong"))  # noqa: S106
    assert "No such object" in refused(place(ds389, base="dc=elsewhere"))

    async def work(directory: LdapDirectory) -> None:
        assert (await directory.entry_of("bob")).row == "bulk"
        ds389.kill()
        with pytest.raises(DirectoryDown, match="Can't contact"):
            await directory.entry_of("bob")
        ds389.start()
        assert (await directory.entry_of("bob")).row == "bulk"
        ds389.change(f"dn: employeeNumber=0,{PEOPLE}\nchangetype: modify\nadd: mail\nmail: new@example.org\n")
        assert "new@example.org" in (await directory.entry_of("bob")).senders

    using(place(ds389), work)


def test_a_referral_within_an_answer_is_passed_over(shared: Slapd) -> None:
    assert entry(place(shared, base=SUFFIX), "bob").row == "bulk"


def test_the_next_of_several_servers_is_asked(shared: Slapd) -> None:
    assert entry(place(shared, url=f"ldap://127.0.0.1:9 {shared.url}"), "bob").row == "bulk"


def test_tls_needs_a_certificate_that_is_good_for_the_servers_name(
    shared: Slapd, authority: Authority, tmp_path: Path
) -> None:
    ours, stranger = str(authority.certificate), str(Authority(tmp_path).certificate)
    kinds: list[dict[str, object]] = [{"starttls": True}, {"url": shared.tls_url}]
    for more in kinds:
        assert entry(place(shared, ca_file=ours, **more), "bob").row == "bulk"
        assert refused(place(shared, ca_file=stranger, **more))
        assert refused(place(shared, **more))
    by_name = shared.tls_url.replace("127.0.0.1", "localhost")
    assert "no TLS with it" in refused(place(shared, url=by_name, ca_file=ours))


def test_a_socket_says_who_asks(shared: Slapd) -> None:
    assert entry(place(shared, url=shared.socket_url, bind_dn="", password=""), "bob").row == "bulk"


def test_a_server_that_went_and_came_back_is_asked_again(slapd: Slapd) -> None:
    async def work(directory: LdapDirectory) -> None:
        assert (await directory.entry_of("bob")).row == "bulk"
        slapd.kill()
        with pytest.raises(DirectoryDown, match="Can't contact"):
            await directory.entry_of("bob")
        slapd.start()
        assert (await directory.entry_of("bob")).row == "bulk"
        slapd.kill()
        slapd.start()  # while nobody asked
        assert (await directory.entry_of("bob")).row == "bulk"

    using(place(slapd), work)


@pytest.mark.parametrize("kind", ["kept", "anew", "starttls", "ldaps"])
def test_a_server_that_hangs_holds_up_its_own_question_alone(
    slapd: Slapd, authority: Authority, kind: str
) -> None:
    """However it hangs: the loop goes on, the question ends in time, and so does the next."""
    by_kind: dict[str, dict[str, object]] = {
        "starttls": {"starttls": True},
        "ldaps": {"url": slapd.tls_url},
    }
    asked = place(slapd, ca_file=str(authority.certificate), timeout_s=1.0, **by_kind.get(kind, {}))
    worst_s = 0.0

    async def watch() -> None:
        nonlocal worst_s
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.01)
            worst_s = max(worst_s, time.monotonic() - before)

    async def work(directory: LdapDirectory) -> None:
        if kind == "kept":
            await directory.entry_of("bob")
        watching = asyncio.create_task(watch())
        slapd.pause()
        for _ in range(3):
            began = time.monotonic()
            with pytest.raises(DirectoryDown, match=r"no answer within|Timed out"):
                await directory.entry_of("bob")
            assert time.monotonic() - began < 2
        slapd.go_on()
        assert (await directory.entry_of("bob")).row == "bulk"
        watching.cancel()

    using(asked, work)
    print(f"\n{kind}: the loop stood still for {worst_s * 1000:.0f} ms at the most")
    assert worst_s < 0.5


def test_questions_that_never_end_are_bounded(slapd: Slapd, authority: Authority) -> None:
    async def work(directory: LdapDirectory) -> str:
        slapd.pause()
        told = ""
        for _ in range(6):
            with pytest.raises(DirectoryDown) as error:
                await directory.entry_of("bob")
            told = str(error.value)
        slapd.go_on()
        for _ in range(100):
            await asyncio.sleep(0.05)
            try:
                assert (await directory.entry_of("bob")).row == "bulk"
            except DirectoryDown:
                continue
            return told
        raise AssertionError("it does not come back")

    asked = place(slapd, url=slapd.tls_url, ca_file=str(authority.certificate), timeout_s=0.3)
    assert using(asked, work) == "it hangs: 4 questions were never answered"
