"""engine.senders: whom a header names as its sender, however it is written, and who of them is foreign."""

import re
import time
from base64 import b64encode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sendwarden.core.identity import IdentityRules
from sendwarden.core.texts import SENTENCES, sentence
from sendwarden.engine.owners import Owners, SenderTable
from sendwarden.engine.senders import (
    ADDRESSES,
    FIELD_LETTERS,
    FIELDS,
    MISMATCHES,
    NOTE,
    REASONS,
    addresses_in,
    header_reasons,
)

EVE = "eve@example.org"
# Eve may also use info@example.org and all of shop.example; boss@partner.example is somebody else's.
OWNERS = Owners(
    IdentityRules(),
    ("example.org", ".example.org"),
    table=SenderTable(
        {"info@example.org": frozenset({EVE}), "boss@partner.example": frozenset({"boss@example.org"})},
        {},
        {"shop.example": frozenset({EVE})},
    ),
)

Headers = list[tuple[str, str]]


def found(headers: Headers, sender: str = EVE) -> list[str]:
    """Each reason, with the header and what it names."""
    said = []
    for reason in header_reasons(headers, sender, EVE, OWNERS):
        named = reason.numbers.get(MISMATCHES.get(reason.id, "address"), "")
        said.append(" ".join(filter(None, (reason.id, str(reason.numbers["header"]), str(named)))))
    return said


def base64(text: str) -> str:
    return f"=?utf-8?b?{b64encode(text.encode()).decode()}?="


FOREIGN = "foreign-header From"
TRICK = "display-name From"
UNSURE = "unreadable-header From"

# What stands in From -> what is wrong with it.
FROM: dict[str, tuple[str, list[str]]] = {
    "her own address": ("eve@example.org", []),
    "with a name": ("Eve <eve@example.org>", []),
    "in capitals, with a sub-address": ("<EVE+list@Example.ORG>", []),
    "in quotes that are not needed": ('"eve"@example.org', []),
    "her address for a name": ('"eve@example.org" <eve@example.org>', []),
    "as Outlook quotes it": ("\"'eve@example.org'\" <eve@example.org>", []),
    "an address lent to her": ("Info <info@example.org>", []),
    "a domain lent to her": ("Sales <any.body@shop.example>", []),
    "no domain: who knows which one is added": ("eve", [f"{FOREIGN} eve"]),
    "somebody else": ("boss@example.org", [f"{FOREIGN} boss@example.org"]),
    "somebody elsewhere": ("Eve <eve@example.net>", [f"{FOREIGN} eve@example.net"]),
    "a name like her address": ('"eve@example.org" <x@evil.example>', [f"{FOREIGN} x@evil.example"]),
    "folded": ("Eve\r\n <eve@\n\texample.org>", []),
    "folded, somebody else": ("Eve\r\n\t<boss@\r\n example.org>", [f"{FOREIGN} boss@example.org"]),
    "comments": ("(a) eve (b) @ (c) example.org (d)", []),
    "comments, somebody else": ("eve(@example.org)@evil.example", [f"{FOREIGN} eve@evil.example"]),
    "obsolete blanks": ("eve @ example . org", []),
    "a source route": ("<@relay.example,@b.example:eve@example.org>", []),
    "a route to somebody else": ("<@example.org:x@evil.example>", [f"{FOREIGN} x@evil.example"]),
    "an address in the local part": (
        '"eve@example.org"@evil.example',
        [f'{FOREIGN} "eve@example.org"@evil.example'],
    ),
    "two at signs": (
        "eve@example.org@evil.example",
        [f"{UNSURE} eve@example.org@evil.example", f"{FOREIGN} example.org@evil.example"],
    ),
    "a percent sign": ("x%evil.example@example.org", [f"{FOREIGN} x%evil.example@example.org"]),
    "a literal": ("eve@[192.0.2.1]", [f"{FOREIGN} eve@[192.0.2.1]"]),
    # --- names that read like addresses
    "the boss in the name": ('"boss@example.org" <eve@example.org>', [f"{TRICK} boss@example.org"]),
    "the boss with words": ('"Boss (boss@example.org)" <eve@example.org>', [f"{TRICK} boss@example.org"]),
    "the boss in brackets": ('"Boss <boss@example.org>" <eve@example.org>', [f"{TRICK} boss@example.org"]),
    "the boss in a comment": ("eve@example.org (boss@example.org)", [f"{TRICK} boss@example.org"]),
    "the boss encoded, Q": (
        "=?utf-8?q?boss=40example.org?= <eve@example.org>",
        [f"{TRICK} boss@example.org"],
    ),
    "the boss encoded, B": (
        f"{base64('Boss <boss@exa')} {base64('mple.org>')} <eve@example.org>",
        [f"{TRICK} boss@example.org"],
    ),
    "the boss encoded, in quotes": (
        '"=?utf-8?q?boss=40example.org?=" <eve@example.org>',
        [f"{TRICK} boss@example.org"],
    ),
    "a NUL encoded behind the boss": (
        "=?utf-8?q?boss=40example.org=00?= <eve@example.org>",
        [f"{TRICK} boss@example.org"],
    ),
    "letters nobody sees": (
        '"bo\u200bss@exam\u00adple.org" <eve@example.org>',
        [f"{TRICK} boss@example.org"],
    ),
    "wide letters": ('"\uff42oss\uff20example\u3002org" <eve@example.org>', [f"{TRICK} boss@example.org"]),
    "blanks round the sign": ('"boss @ example.org" <eve@example.org>', [f"{TRICK} boss@example.org"]),
    "below our domain": ('"it@help.example.org" <eve@example.org>', [f"{TRICK} it@help.example.org"]),
    "an account with an address elsewhere": (
        '"boss@partner.example" <eve@example.org>',
        [f"{TRICK} boss@partner.example"],
    ),
    "a customer of a web form": ('"customer@mail.example" <info@example.org>', []),
    "a name with an at sign": ('"Eve @ home, @work" <eve@example.org>', []),
    "a real name": ("=?iso-8859-1?q?Andr=E9?= Eve O'Neil <eve@example.org>", []),
    # --- names outside quotes are addresses to some
    "the boss before the brackets": (
        "boss@example.org <eve@example.org>",
        [f"{FOREIGN} boss@example.org"],
    ),
    "herself before the brackets": ("eve@example.org <eve@example.org>", []),
    # --- groups and lists
    "a group of her": ("Team: eve@example.org;", []),
    "a group with somebody else": ("Team: boss@example.org;", [f"{FOREIGN} boss@example.org"]),
    "the boss as a group": ("boss@example.org: eve@example.org;", [f"{FOREIGN} boss@example.org"]),
    "the boss as a quoted group": ('"boss@example.org": eve@example.org;', [f"{TRICK} boss@example.org"]),
    "an empty group": ("Nobody:;", ["no-sender-field From"]),
    "nothing": ("", ["no-sender-field From"]),
    "two of hers": ("eve@example.org, info@example.org", ["no-sender-field From"]),
    "the boss and she": (
        "boss@example.org, eve@example.org",
        [f"{FOREIGN} boss@example.org", "no-sender-field From"],
    ),
    # --- what cannot be read
    "words without brackets": ("Eve eve@example.org", [f"{UNSURE} Eve eve@example.org"]),
    "words": ("The Boss", [f"{UNSURE} The Boss"]),
    "two addresses in brackets": (
        "<eve@example.org> <x@evil.example>",
        [f"{UNSURE} <eve@example.org> <x@evil.example>", f"{FOREIGN} x@evil.example"],
    ),
    "a quote without its end": ('"Eve <eve@example.org>', [f'{UNSURE} "Eve <eve@example.org>']),
    "a comment without its end": (
        "eve@example.org (x <x@evil.example>",
        [f"{UNSURE} eve@example.org (x <x@evil.example>"],
    ),
    "an encoded address": (
        "=?utf-8?q?boss=40bank.example?=@shop.example",
        [f"{UNSURE} =?utf-8?q?boss=40bank.example?=@shop.example"],
    ),
    "bytes in a name": ("Andr\udce9 <eve@example.org>", []),
    "bytes in an address": ("ev\udce9@shop.example", [f"{UNSURE} ev\udce9@shop.example"]),
    "NUL": ("eve@example.org\0", [f"{UNSURE} eve@example.org\0", f"{FOREIGN} eve@example.org\0"]),
    "a line end that folds nothing": (
        "eve@example.org\rFrom: x@evil.example",
        [f"{FOREIGN} x@evil.example"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", FROM)
def test_what_stands_in_from_is_the_accounts_or_is_told(case: str) -> None:
    value, expected = FROM[case]

    assert found([("From", value), ("Subject", "boss@example.org")]) == expected


# All headers, envelope sender -> what is wrong.
MESSAGES: dict[str, tuple[Headers, str, list[str]]] = {
    "no From, her envelope": ([("Subject", "a")], EVE, []),
    "no From, a foreign envelope": (
        [("Subject", "a")],
        "boss@example.org",
        ["no-from From boss@example.org"],
    ),
    "no From, null sender": ([("Subject", "a")], "", []),
    "From counts, not the envelope": ([("From", EVE)], "x@evil.example", []),
    "two From fields, both hers": ([("From", EVE), ("From", EVE)], EVE, ["several-from From"]),
    "two From fields": (
        [("From", EVE), ("from ", "boss@example.org")],
        EVE,
        ["several-from From", f"{FOREIGN} boss@example.org"],
    ),
    "Sender does not help": (
        [("From", "boss@example.org"), ("Sender", EVE)],
        EVE,
        [f"{FOREIGN} boss@example.org"],
    ),
    "with one author Sender does not count": ([("From", EVE), ("Sender", "root@host.example")], EVE, []),
    "two authors and Sender": ([("From", f"{EVE}, info@example.org"), ("Sender", EVE)], EVE, []),
    "two authors, a foreign Sender": (
        [("Sender", "boss@example.org"), ("From", f"{EVE}, info@example.org")],
        EVE,
        ["foreign-header Sender boss@example.org"],
    ),
    "two authors, an empty Sender": (
        [("From", f"{EVE}, {EVE}"), ("Sender", "")],
        EVE,
        ["no-sender-field From"],
    ),
    "no author, and Sender": ([("From", "Nobody:;"), ("Sender", EVE)], EVE, []),
    "sent on by her": (
        [("Resent-From", EVE), ("Resent-Date", "x"), ("From", "a@mail.example")],
        EVE,
        ["resent From a@mail.example"],
    ),
    "sent on by somebody else": (
        [("Resent-From", "boss@example.org"), ("From", EVE)],
        EVE,
        ["foreign-header Resent-From boss@example.org"],
    ),
    "sent on twice, last by her": (
        [("Received", "x"), ("Resent-From", EVE), ("Resent-To", "x"), ("Received", "x"),
         ("Resent-From", "boss@example.org"), ("Resent-Sender", "boss@example.org"), ("From", EVE)],
        EVE,
        [],
    ),
    "sent on twice, last by somebody else": (
        [("Resent-From", "boss@example.org"), ("Resent-From", EVE), ("From", EVE)],
        EVE,
        ["foreign-header Resent-From boss@example.org"],
    ),
    "a block without Resent-From is none": (
        [("Resent-Sender", EVE), ("Resent-To", "x"), ("Received", "x"), ("Resent-From", EVE),
         ("From", "boss@example.org")],
        EVE,
        [f"{FOREIGN} boss@example.org"],
    ),
    "sent on for two": (
        [("Resent-From", f"{EVE}, {EVE}"), ("Resent-Sender", "x@evil.example"), ("From", EVE)],
        EVE,
        ["foreign-header Resent-Sender x@evil.example"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", MESSAGES)
def test_from_decides_sender_helps_where_there_are_several_and_the_latest_resent_block_takes_its_place(
    case: str,
) -> None:
    headers, sender, expected = MESSAGES[case]

    assert found(headers, sender) == expected


def test_the_tables_have_the_cases_that_were_asked_for() -> None:
    assert len(FROM) + len(MESSAGES) >= 30


# --- any field

SCRAPS = [
    "<", ">", "@", ",", ";", ":", '"', "\\", "(", ")", "[", "]", ".", " ", "\t", "eve", "example.org", EVE,
    "boss@example.org", f"<{EVE}>", '"a b"', "(c)", "\0", "é", "\udcff", "=?utf-8?q?a=40b?=", "=?", "?=",
    "\uff20",
]  # fmt: skip
VALUES = st.lists(st.sampled_from(SCRAPS) | st.text(st.characters(), max_size=2), max_size=14).map("".join)
NAMES = st.sampled_from(["From", "from ", "Sender", "Resent-From", "Resent-Sender", "Resent-To", "To"])


@given(st.lists(st.tuples(NAMES, VALUES), max_size=6), st.sampled_from(["", EVE, "x@evil.example"]))
@example([("From", '"\\')], EVE)
@example([("From", "=?utf-8?b?====?=\ud800@")], EVE)
def test_any_header_is_judged_and_every_reason_can_be_said(headers: Headers, sender: str) -> None:
    reasons = header_reasons(headers, sender, EVE, OWNERS)

    assert len(reasons) <= REASONS + 1
    for reason in reasons:
        assert reason.id in {*MISMATCHES, NOTE} and sentence(reason)


@given(VALUES.map(lambda text: re.sub(r"[\r\n]", "", text)), st.data())
def test_folding_a_field_changes_nothing(value: str, data: st.DataObject) -> None:
    blanks = [match.start() for match in re.finditer(r"[ \t]", value)]
    folds = data.draw(st.sets(st.sampled_from(blanks))) if blanks else set()
    line_end = data.draw(st.sampled_from(["\r\n", "\n"]))
    folded = "".join(line_end + letter if at in folds else letter for at, letter in enumerate(value))

    assert found([("From", folded)]) == found([("From", value)])


LOCALS = st.text("abc.+-_'é", max_size=8)


@given(LOCALS, st.sampled_from(["{}", "<{}>", "x <{}>", "{} (x)", "{}, x", "=?utf-8?q?x?= {}"]))
def test_no_way_of_writing_an_address_of_ours_in_a_name_or_an_address_is_missed(local: str, way: str) -> None:
    """Whatever stands around it: an address of the field, or shown in a name, or the field is unsure."""
    value = way.format(f"x{local}x@example.org")

    assert found([("From", value)]) and found([("From", f'"{value}" <{EVE}>')])


@pytest.mark.parametrize(
    "letters",
    ["(", ")", "<", '"', "[", "\\", ",", "a.", "@", "(\\", "<@a,", ":", "a@b,", "=?", "=?a?q?", "a@", " "],
)
def test_of_a_field_without_end_nothing_is_believed_and_it_takes_no_time(letters: str) -> None:
    began = time.perf_counter()

    reasons = found([("From", f"{EVE} ({letters * 200_000})"), ("Sender", letters * 200_000)])

    assert reasons and reasons[0].startswith(UNSURE)
    assert time.perf_counter() - began < 2


def test_a_field_may_be_as_long_as_is_read() -> None:
    name = "x" * (FIELD_LETTERS - len(f'"" <{EVE}>'))

    assert found([("From", f'"{name}" <{EVE}>')]) == []
    assert found([("From", f'"{name}x" <{EVE}>')])[0].startswith(UNSURE)


def test_more_addresses_than_are_looked_at_are_not_believed() -> None:
    many = ", ".join([f"{EVE[:3]}+{number}@example.org" for number in range(ADDRESSES)])

    assert found([("From", many), ("Sender", EVE)]) == []
    assert found([("From", f"{many}, eve+x@example.org"), ("Sender", EVE)])[0].startswith(UNSURE)
    assert found([("From", f'"{many}, eve+x@example.org" <{EVE}>')])[0].startswith(UNSURE)


def test_of_many_from_fields_some_are_read_and_all_are_counted() -> None:
    (reason,) = header_reasons([("From", EVE)] * (FIELDS + 5), EVE, EVE, OWNERS)

    assert (reason.id, reason.numbers["count"]) == ("several-from", FIELDS + 5)


def test_many_mistakes_are_a_few_reasons() -> None:
    assert len(found([("From", ", ".join(f"x{number}@evil.example" for number in range(50)))])) == REASONS


def test_every_reason_has_a_sentence() -> None:
    assert {*MISMATCHES, NOTE} <= set(SENTENCES)


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        pytest.param("a@b c@d", ["a@b", "c@d"], id="two"),
        pytest.param("'a@b.'", ["a@b"], id="quotes and a stop"),
        pytest.param("a@b@c", ["a@b", "b@c"], id="a chain"),
        pytest.param("@b, a@, @, a@.", [], id="halves"),
        pytest.param("x" * 100 + "@b", ["x" * 64 + "@b"], id="a long local part"),
        pytest.param("a@\u202eb.example", ["a@b.example"], id="a turn of direction"),
    ],
)
def test_addresses_in_a_name(text: str, addresses: list[str]) -> None:
    assert list(addresses_in(text)) == addresses
