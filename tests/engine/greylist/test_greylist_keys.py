"""engine.greylist.keys: which questions are about the same triplet."""

from ipaddress import IPv4Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.engine.greylist.keys import KEY_BITS, KeyRules, Keys, hash_of, network_of, plain
from sendwarden.engine.greylist.question import Question

ASKED = Question("a@example.org", "b@example.net", "192.0.2.1", "mail.example.org")


def same(one: Question, other: Question, rules: KeyRules | None = None) -> bool:
    keys = Keys(rules or KeyRules())
    first, second = (keys.key(keys.network(asked.client_address), asked) for asked in (one, other))
    return first == second


# Address, and its network with 24 and 64 bits.
NETWORKS = [
    ("192.0.2.1", "192.0.2.0"),
    ("0.0.0.0", "0.0.0.0"),  # noqa: S104 - what a client may say
    ("255.255.255.255", "255.255.255.0"),
    ("2001:db8::1:2:3", "2001:db8::"),
    ("2001:DB8:0:1::", "2001:db8:0:1::"),
    ("::ffff:192.0.2.1", "192.0.2.0"),
    ("::1", "::"),
    ("", ""),
    ("192.0.2", ""),
    ("192.0.2.256", ""),
    ("192.0.2.01", ""),
    (" 192.0.2.1", ""),
    ("192.0.2.1 ", ""),
    ("192.0.2.1\r", ""),
    ("192.0.2.1/24", ""),
    ("fe80::1%eth0", ""),
    ("mail.example.org", ""),
    ("\udce4", ""),
]


@pytest.mark.parametrize(("address", "network"), NETWORKS)
def test_the_network_of_a_client(address: str, network: str) -> None:
    assert network_of(address, 24, 64) == network


@pytest.mark.parametrize(("mask4", "network"), [(4, "192.0.0.0"), (8, "192.0.0.0"), (32, "192.0.2.1")])
def test_other_masks(mask4: int, network: str) -> None:
    assert network_of("192.0.2.1", mask4, 64) == network


@given(st.ip_addresses(v=4), st.integers(0, 32))
def test_a_network_is_what_ipaddress_says(address: IPv4Address, mask4: int) -> None:
    whole = ip_network((address, mask4), strict=False)
    assert network_of(str(address), mask4, 64) == str(whole.network_address)


SAME = {
    "another host of the network": ("192.0.2.200", "a@example.org", "b@example.net"),
    "the domain in capitals": ("192.0.2.1", "a@EXAMPLE.org", "b@Example.NET"),
    "a final dot": ("192.0.2.1", "a@example.org.", "b@example.net"),
}
OTHER = {
    "another network": ("192.0.3.1", "a@example.org", "b@example.net"),
    "another sender": ("192.0.2.1", "aa@example.org", "b@example.net"),
    "another recipient": ("192.0.2.1", "a@example.org", "bb@example.net"),
    "the local part in capitals": ("192.0.2.1", "A@example.org", "b@example.net"),
    "words that are shifted": ("192.0.2.1", "a@example.org b@example.net", ""),
}


@pytest.mark.parametrize("case", SAME)
def test_the_same_triplet(case: str) -> None:
    address, sender, recipient = SAME[case]
    assert same(ASKED, Question(sender, recipient, address, "other"))


@pytest.mark.parametrize("case", OTHER)
def test_another_triplet(case: str) -> None:
    address, sender, recipient = OTHER[case]
    assert not same(ASKED, Question(sender, recipient, address, ASKED.helo))


def test_the_null_sender_has_two_spellings() -> None:
    assert same(Question("", "b", "192.0.2.1"), Question("<>", "b", "192.0.2.1"))


def test_by_server_only_domain_and_helo_count() -> None:
    rules = KeyRules(tuple="server")
    assert same(ASKED, Question("z@example.org", "other", "192.0.2.9", "MAIL.example.org"), rules)
    assert not same(ASKED, Question("a@example.org", "b@example.net", "192.0.2.1", "other"), rules)
    assert not same(ASKED, Question("a@other.example", "b", "192.0.2.1", ASKED.helo), rules)


def test_by_account_only_network_and_account_count() -> None:
    rules = KeyRules(tuple="account")
    eve = Question("x@y", "z", "192.0.2.1", account="eve")
    assert same(eve, Question("other@y", "zz", "192.0.2.2", "h", "eve"), rules)
    assert not same(eve, Question("x@y", "z", "192.0.2.1", account="bob"), rules)
    assert not same(eve, Question("x@y", "z", "198.51.100.1", account="eve"), rules)


VARIANTS = [
    ("srs0=ab12=cd=example.org=joe", "srs0=xyz9=fg=example.org=joe"),
    ("SRS0+ab12=cd=example.org=joe", "SRS0=xyz9=fg=example.org=joe"),
    ("SRS1=ab12=first.example==cd=ef=example.org=joe", "SRS1=zz=first.example==gh=ij=example.org=joe"),
    ("prvs=1234abcdef=joe", "prvs=5678fedcba=joe"),
    ("bounce-17-joe=example.net", "bounce-18-ann=example.com"),
    ("list-return-1234", "list-return-99"),
]


@pytest.mark.parametrize(("one", "other"), VARIANTS)
def test_forms_that_change_with_each_message_are_one_sender(one: str, other: str) -> None:
    first, second = (Question(f"{local}@lists.example", "b", "192.0.2.1") for local in (one, other))

    assert not same(first, second)
    assert same(first, second, KeyRules(variants=True))


@given(st.text(max_size=300))
def test_any_local_part_becomes_plain_at_once(local: str) -> None:
    assert isinstance(plain(local), str)


@given(st.lists(st.text(max_size=20), max_size=4))
def test_a_key_is_of_so_many_bits(words: list[str]) -> None:
    assert 0 <= hash_of(*words) < 2**KEY_BITS


def test_networks_that_are_remembered_are_bounded() -> None:
    keys = Keys(KeyRules(mask4=32))
    for number in range(120_000):
        keys.network(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")

    assert len(keys._known) <= 50_000  # noqa: SLF001 - the bound itself
