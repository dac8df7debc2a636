"""Keys of MeterMaid's tables: which texts are one key, and what is kept of a text that is too long or odd."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.engine.meters.keys import MAX_KEY_BYTES, MeterError, NothingThere, normal_key
from sendwarden.engine.meters.options import TableOptions
from tests.engine.meters.throttles import hit, table

STRING = TableOptions("t")
NOCASE = TableOptions("t", options=frozenset({"nocase"}))
ADDRESS = TableOptions("t", data_type="ipv4")
ANY_TEXT = st.text() | st.text("aA\udc80\ud800İßK\N{KELVIN SIGN}é", max_size=8)


@given(st.sampled_from([STRING, NOCASE]), ANY_TEXT.filter(bool), st.sampled_from([1, 300]))
def test_any_text_is_kept_as_a_short_key_that_can_be_written(
    options: TableOptions, key: str, times: int
) -> None:
    kept = normal_key(options, key * times)

    raw = kept.encode("utf-8", "surrogateescape")
    assert 0 < len(raw) <= MAX_KEY_BYTES
    assert normal_key(options, kept) == kept


@given(ANY_TEXT.filter(bool), ANY_TEXT.filter(bool))
def test_without_nocase_two_texts_are_two_keys(one: str, other: str) -> None:
    assert (normal_key(STRING, one) == normal_key(STRING, other)) is (one == other)


@given(ANY_TEXT.filter(bool), ANY_TEXT.filter(bool), st.sampled_from([1, 300]))
def test_with_nocase_two_keys_are_one_if_only_their_case_differs(one: str, other: str, times: int) -> None:
    keys = {normal_key(NOCASE, text * times) for text in (one, other)}

    assert (len(keys) == 1) is (one.casefold() == other.casefold())


@pytest.mark.parametrize(
    ("key", "kept"),
    [
        pytest.param("a" * 255, "a" * 255, id="at the limit"),
        pytest.param("é" * 127, "é" * 127, id="at the limit in bytes"),
        pytest.param("\udcff" * 255, "\udcff" * 255, id="a byte that is no letter is one byte"),
    ],
)
def test_a_key_of_255_bytes_is_kept_as_it_is(key: str, kept: str) -> None:
    assert normal_key(STRING, key) == kept


@pytest.mark.parametrize("key", ["a" * 256, "é" * 128, "a\ud800"], ids=["letters", "bytes", "half a letter"])
def test_a_longer_key_or_one_that_cannot_be_written_is_its_hash(key: str) -> None:
    kept = normal_key(STRING, key)

    assert kept.startswith("sha256:") and len(kept) == len("sha256:") + 64
    assert normal_key(STRING, f"{key}b") != kept


@pytest.mark.parametrize("options", [STRING, NOCASE, ADDRESS], ids=["string", "nocase", "ipv4"])
def test_an_empty_key_is_not_counted(options: TableOptions) -> None:
    with pytest.raises(NothingThere):
        normal_key(options, "")


@given(st.ip_addresses())
def test_all_spellings_of_an_address_are_one_key(address: object) -> None:
    found = ip_address(str(address))
    spellings = [str(found), found.exploded, f"IPv6:{found}" if found.version == 6 else f"::ffff:{found}"]

    assert len({normal_key(ADDRESS, spelling) for spelling in spellings}) == 1


@pytest.mark.parametrize(
    "key", ["bob", "10.1.2", "10.1.2.3 ", "10.1.2.3/32", "1234", "\ud800", "::1%" + "a" * 4000]
)
def test_in_an_ipv4_table_a_key_is_an_address_or_an_error(key: str) -> None:
    try:
        kept = normal_key(ADDRESS, key)
    except MeterError:
        return

    assert "%" in key and len(kept) <= MAX_KEY_BYTES


@pytest.mark.parametrize(
    ("options", "same"),
    [(frozenset({"nocase"}), True), (frozenset({"nocase", "penalize"}), True), (frozenset[str](), False)],
    ids=["nocase", "nocase and penalize", "case counts"],
)
def test_keys_are_counted_in_the_case_that_the_table_wants(options: frozenset[str], same: bool) -> None:
    counted = table(options=options, quota=1)

    assert hit(counted, "Bob@example.org", "bob@EXAMPLE.org") == [False, same]
