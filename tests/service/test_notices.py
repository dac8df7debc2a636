"""service.notices: who is told of refused recipients, and a message that no recipient's name can bend."""

from email import message_from_bytes
from email.message import Message as Parsed
from email.policy import compat32, default
from email.utils import parsedate_to_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.core.decision import Decision, Message, Reason, Request, Stage, Verdict
from sendwarden.core.identity import IdentityRules, account_of
from sendwarden.service.notices import FIELD_LETTERS, Notice, field, notice_recipient, refused_notice

NOW = 1_700_000_000.0
FIELDS = ["Content-Type", "MIME-Version", "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted"]
BLOCK = ["Final-Recipient", "Action", "Status", "Diagnostic-Code"]

# Addresses and words built to end a line, a field, a part or the message, or to upset whoever reads them.
HOSTILE = (
    st.text(st.sampled_from('ab@."\\ \r\n\t:;,<>()=?-\0\x1b\x85\u2028é\udcff\u202e中'), max_size=40)
    | st.sampled_from(
        [
            "v@x.example\r\nBcc: all@x.example",
            "v@x.example\r\n\r\nBody",
            "\r\n.\r\n",
            "=?utf-8?q?=0d=0aBcc:_x?=",
            "--===============0000000000000000000==",
            f"{'a' * 5000}@x.example",
            " ".join(["word"] * 2000),
        ]
    )
    | st.text(max_size=60)
)


def notice_of(
    refused: list[str],
    text: str = "No more today.",
    to: str = "eve@example.org",
    headers: list[tuple[str, str]] | None = None,
    enhanced: str = "5.7.1",
) -> Notice:
    request = Request(Stage.END_OF_MESSAGE, login="eve", sender=to, recipients=tuple(refused))
    decision = Decision(
        Verdict.ACCEPT,
        "c",
        "eve",
        (Reason("whole-message"),),
        text=text,
        enhanced=enhanced,
        refused=tuple(refused),
        reference="SW-7K3QXD",
    )
    return refused_notice(Message(request, tuple(headers or [])), decision, to, "mail.example.org", NOW)


def inside(part: Parsed) -> list[Parsed]:
    """The parts of a part."""
    parts = part.get_payload()
    assert isinstance(parts, list)
    return [each for each in parts if isinstance(each, Parsed)]


def parts_of(notice: Notice) -> tuple[Parsed, Parsed, list[Parsed], Parsed]:
    """The whole, the part for people, the blocks of the part for programs, and the headers' part."""
    whole = message_from_bytes(notice.message, policy=compat32)
    people, programs, headers = inside(whole)
    return whole, people, inside(programs), headers


# --- the message


def test_a_notice_is_a_delivery_status_notification_that_programs_and_people_can_read() -> None:
    headers = [("From", "Eve <eve@example.org>"), ("Received", "by x"), ("Subject", "hello\n world")]

    notice = notice_of(["a@x.example", "b@x.example"], headers=headers)
    whole, people, blocks, shown = parts_of(notice)

    assert (notice.id, notice.account, notice.recipient) == ("SW-7K3QXD", "eve", "eve@example.org")
    assert whole.get_content_type() == "multipart/report"
    assert whole.get_param("report-type") == "delivery-status"
    assert (whole["From"], whole["To"]) == (
        "Mail Delivery System <postmaster@mail.example.org>",
        "eve@example.org",
    )
    assert parsedate_to_datetime(whole["Date"]).timestamp() == NOW
    assert whole["Auto-Submitted"] == "auto-replied" and "SW-7K3QXD" in whole["Message-ID"]
    text = str(people.get_payload())
    assert "    a@x.example" in text and "    b@x.example" in text and "No more today. [SW-7K3QXD]" in text
    assert [part.get_content_type() for part in inside(whole)] == [
        "text/plain",
        "message/delivery-status",
        "text/rfc822-headers",
    ]
    assert blocks[0]["Reporting-MTA"] == "dns; mail.example.org"
    assert [dict(block.items()) for block in blocks[1:]] == [
        {
            "Final-Recipient": f"rfc822; {recipient}",
            "Action": "failed",
            "Status": "5.7.1",
            "Diagnostic-Code": "smtp; 550 5.7.1 No more today. [SW-7K3QXD]",
        }
        for recipient in ("a@x.example", "b@x.example")
    ]
    assert str(shown.get_payload()).splitlines() == ["From: Eve <eve@example.org>", "Subject: hello world"]


def test_the_modern_parser_finds_no_defect_in_it() -> None:
    notice = notice_of(["a@x.example"], headers=[("From", "eve@example.org")])

    parsed = message_from_bytes(notice.message, policy=default)

    assert [part.defects for part in parsed.walk()] == [[]] * len(list(parsed.walk()))


@pytest.mark.parametrize(("enhanced", "code"), [("5.7.1", 550), ("4.7.1", 450)])
def test_the_diagnostic_is_the_answer_that_a_refusal_would_have_been(enhanced: str, code: int) -> None:
    _whole, _people, blocks, _shown = parts_of(notice_of(["a@x.example"], enhanced=enhanced))

    assert blocks[1]["Diagnostic-Code"].startswith(f"smtp; {code} {enhanced} ")
    assert blocks[1]["Status"] == enhanced


def test_words_of_the_site_in_its_language_reach_people_as_they_are() -> None:
    notice = notice_of(["a@x.example"], text="Zu viele Nachrichten, ü.\nBitte anrufen.")
    _whole, people, blocks, _shown = parts_of(notice)

    words = people.get_payload(decode=True)
    assert isinstance(words, bytes) and "Zu viele Nachrichten, ü. Bitte anrufen." in words.decode()
    assert "Zu viele Nachrichten, ?. Bitte anrufen." in blocks[1]["Diagnostic-Code"]


@given(
    HOSTILE,
    st.lists(HOSTILE, min_size=1, max_size=4),
    HOSTILE,
    st.lists(st.tuples(st.sampled_from(["From", "TO", "Subject", "X-Other"]), HOSTILE), max_size=4),
)
def test_whatever_names_and_words_hold_the_message_keeps_its_form(
    to: str, refused: list[str], text: str, headers: list[tuple[str, str]]
) -> None:
    notice = notice_of(refused, text, to, headers)

    lines = notice.message.split(b"\r\n")
    assert notice.message.isascii() and all(len(line) <= 998 for line in lines)
    assert not any((byte < 32 and byte != 9) or byte == 127 for line in lines for byte in line)
    whole, people, blocks, shown = parts_of(notice)
    assert sorted(whole.keys()) == sorted(FIELDS) and whole["To"].split() == field(to).split()
    assert people.get_content_type() == "text/plain" and len(blocks) == 1 + len(refused)
    for block, recipient in zip(blocks[1:], refused, strict=True):
        assert block.keys() == BLOCK
        assert block["Final-Recipient"].split() == f"rfc822; {field(recipient)}".split()
    kept = [name for name, _value in headers if name != "X-Other"]
    assert [line.partition(":")[0] for line in str(shown.get_payload()).splitlines() if line] == kept


@given(HOSTILE)
def test_a_field_is_one_line_of_what_can_be_printed_and_not_longer_than_a_line_may_be(text: str) -> None:
    made = field(text)

    assert made.isascii() and (made.isprintable() or not made) and len(made) <= FIELD_LETTERS
    assert made == field(made)


# --- who is told

RULES = IdentityRules(realms=frozenset({"example.org"}))
DOMAINS = ("example.org", ".sub.example")
# Login, envelope sender -> who is told.
TOLD: list[tuple[str, str, str]] = [
    ("eve", "eve@example.org", "eve@example.org"),
    ("eve", "Eve+news@example.org", "Eve+news@example.org"),
    ("eve@example.org", "eve@example.org", "eve@example.org"),
    ("eve@example.org", "victim@example.net", "eve@example.org"),
    ("eve@a.sub.example", "victim@example.net", "eve@a.sub.example"),
    ("eve@example.org", "", "eve@example.org"),
    ("eve", "victim@example.net", ""),
    ("eve", "bob@example.org", ""),
    ("eve", "", ""),
    ("eve@gmail.example", "victim@example.net", ""),
    ("eve@gmail.example", "eve@gmail.example", "eve@gmail.example"),
    ("", "eve@example.org", ""),
    ("", "", ""),
]


@pytest.mark.parametrize(("login", "sender", "told"), TOLD)
def test_the_account_itself_is_told_or_nobody(login: str, sender: str, told: str) -> None:
    request = Request(Stage.END_OF_MESSAGE, login=login, sender=sender)

    assert notice_recipient(request, account_of(login, RULES), RULES, DOMAINS) == told


NAMES = st.sampled_from(["eve", "Eve+x", "bob", '"eve@example.org"', "eve@example.org\r\nBcc: v"])
PLACES = st.sampled_from(
    ["", "@example.org", "@example.net", "@sub.example", "@a.sub.example", "@example.org.evil"]
)
ADDRESSES = st.builds(str.__add__, NAMES, PLACES)


@given(ADDRESSES | st.just(""), ADDRESSES | st.just(""))
def test_nobody_is_told_but_the_account_or_its_login_at_a_domain_of_ours(login: str, sender: str) -> None:
    request = Request(Stage.END_OF_MESSAGE, login=login, sender=sender)
    account = account_of(login, RULES)

    told = notice_recipient(request, account, RULES, DOMAINS)

    assert not told or (login and (account_of(told, RULES) == account))
    assert told in ("", login, sender)
