"""cli.standing: who may still refuse what was charged, by Postfix's settings as they are written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.cli.standing import DATA, END, MILTERS, RCPT, Sockets, asks_us, behind, entries_of, spellings

OURS = Sockets(spellings(["inet:127.0.0.1:10032"]), spellings(["inet:127.0.0.1:10031"]))
MILTER = "{ inet:127.0.0.1:10032, connect_timeout=2s, default_action=accept }"
POLICY = "check_policy_service { inet:127.0.0.1:10031, timeout=2s, default_action=DUNNO }"
OTHER = "check_policy_service inet:127.0.0.1:10023"

# Settings of Postfix -> who stands behind us, in which of them.
ORDERS: dict[str, tuple[dict[str, str], dict[str, list[str]]]] = {
    "nothing": ({}, {}),
    "our milter alone": ({MILTERS: MILTER}, {}),
    "our milter last": ({MILTERS: f"inet:127.0.0.1:8891, {MILTER}"}, {}),
    "a milter behind ours": ({MILTERS: f"{MILTER}, inet:127.0.0.1:8891"}, {MILTERS: ["inet:127.0.0.1:8891"]}),
    "two of them, parted by blanks": (
        {MILTERS: "a:1 inet:localhost:10032 unix:/run/x { inet:h:2, connect_timeout=1s }"},
        {MILTERS: ["unix:/run/x", "inet:h:2"]},
    ),
    "a port that only begins like ours": ({MILTERS: "inet:127.0.0.1:100321, inet:127.0.0.1:8891"}, {}),
    "restrictions behind ours, given back at the end": (
        {RCPT: f"{POLICY}, reject_unverified_recipient", END: POLICY, MILTERS: MILTER},
        {},
    ),
    "the same without our end": (
        {
            RCPT: f"permit_mynetworks, {POLICY}, {OTHER}, reject_unverified_recipient, permit",
            DATA: "reject_unauth_pipelining",
        },
        {RCPT: [OTHER, "reject_unverified_recipient"], DATA: ["reject_unauth_pipelining"]},
    ),
    "a restriction behind our end": (
        {RCPT: POLICY, END: f"{OTHER}, {POLICY}, check_client_access hash:/x, permit", MILTERS: MILTER},
        {END: ["check_client_access hash:/x"]},
    ),
    "only policy asks us, and there are milters": (
        {RCPT: POLICY, END: POLICY, MILTERS: "inet:127.0.0.1:8891"},
        {MILTERS: ["inet:127.0.0.1:8891"]},
    ),
    "policy, and a milter before ours": (
        {RCPT: POLICY, END: POLICY, MILTERS: f"inet:127.0.0.1:8891 {MILTER}"},
        {},
    ),
}


@pytest.mark.parametrize("case", ORDERS)
def test_who_stands_behind_us(case: str) -> None:
    values, those = ORDERS[case]

    found = list(behind(values, OURS))

    assert {one.setting: list(one.entries) for one in found} == those
    assert all(one.remedy for one in found)
    assert asks_us(values, OURS) is any("1003" in value for value in values.values() if "100321" not in value)


def test_entries_keep_their_arguments_and_braces() -> None:
    table = "check_sender_access inline:{{a=b}, c=d}"
    value = f"permit_mynetworks,\n reject_rbl_client a.example, {POLICY} {table}"

    assert entries_of(value) == [
        "permit_mynetworks",
        "reject_rbl_client a.example",
        POLICY,
        table,
    ]


@given(st.text("{}, abc:/_=0123"))
def test_any_text_has_some_entries(value: str) -> None:
    assert all(entries_of(value))
