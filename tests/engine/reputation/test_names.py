"""engine.reputation.names: addresses and domains as lists have them."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.engine.reputation.names import (
    NAME_LETTERS,
    address_name,
    domain_name,
    key_of,
    reverse_name,
    sender_domain,
)

# RFC 5782 section 2.4.
IPV6 = "2001:db8:1:2:3:4:567:89ab"
IPV6_NAME = "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2"


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("192.0.2.99", "99.2.0.192"),
        (IPV6, IPV6_NAME),
        ("::ffff:192.0.2.99", "99.2.0.192"),
        ("::192.0.2.99", "3.6.2.0.0.0.0.c." + ".".join("0" * 24)),
        ("bob", ""),
        ("", ""),
        ("192.0.2", ""),
        ("192.0.2.099", ""),
        ("[192.0.2.99]", ""),
    ],
)
def test_an_address_has_a_name_and_what_is_none_has_not(address: str, name: str) -> None:
    assert address_name(address) == name


@given(st.ip_addresses(v=4))
def test_an_ipv4_name_read_backwards_is_the_address(ip: IPv4Address) -> None:
    assert ".".join(reversed(address_name(str(ip)).split("."))) == str(ip)
    assert reverse_name(str(ip)) == ip.reverse_pointer


@given(st.ip_addresses(v=6))
def test_an_ipv6_name_is_that_of_the_reverse_pointer(ip: IPv6Address) -> None:
    expected = ip.ipv4_mapped.reverse_pointer if ip.ipv4_mapped else ip.reverse_pointer
    assert reverse_name(str(ip)) == expected


@pytest.mark.parametrize(
    ("domain", "name"),
    [
        ("Example.ORG.", "example.org"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
        ("a.b.c.example.org", "a.b.c.example.org"),
        ("_dmarc.example.org", "_dmarc.example.org"),
        ("localhost", ""),
        ("192.0.2.7", ""),
        ("[192.0.2.7]", ""),
        ("a..org", ""),
        ("-a.org", ""),
        ("a b.org", ""),
        ("a/b.org", ""),
        (f"{'a' * 64}.org", ""),
        (".".join(["a" * 60] * 5), ""),
        ("", ""),
    ],
)
def test_a_domain_is_folded_and_kept_whole(domain: str, name: str) -> None:
    assert domain_name(domain) == name


@given(st.text(max_size=80))
def test_whatever_is_given_the_name_is_empty_or_can_be_asked_for(domain: str) -> None:
    name = domain_name(domain)

    assert len(name) <= NAME_LETTERS and name.isascii() and name == name.lower()
    assert not name or all(0 < len(label) <= 63 for label in name.split("."))
    assert domain_name(name) == name


@pytest.mark.parametrize(
    ("sender", "domain"),
    [
        ("bob@example.org", "example.org"),
        ('"a@b"@Example.org', "example.org"),
        ("uwc", ""),
        ("", ""),
        ("@example.org", ""),
        ("bob@", ""),
    ],
)
def test_a_senders_domain_stands_behind_the_last_at(sender: str, domain: str) -> None:
    assert sender_domain(sender) == domain


@pytest.mark.parametrize(
    ("zone", "key"),
    [
        ("zen.spamhaus.org", ""),
        ("abcdefghijklmnopqrstuvwxyz.zen.dq.spamhaus.net", "abcdefghijklmnopqrstuvwxyz"),
        ("0123456789abcdef0123456789abcdef.combined.mail.abusix.zone", "0123456789abcdef0123456789abcdef"),
        ("a-very-long-name-of-a-list.example.org", ""),
        ("abcdefghijklmnopqrstuvwxyz", ""),
    ],
)
def test_a_key_in_a_zone_is_found(zone: str, key: str) -> None:
    assert key_of(zone) == key
