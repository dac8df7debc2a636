"""wire.syslog: stamps of all forms, whoever wrote a line, and everything that is no line."""

import json
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.wire.syslog import LINE_LETTERS, LogLine, Stamps, SyslogLines, read_journal

REFERENCE = datetime(2026, 11, 25, 12, tzinfo=UTC).timestamp()


def lines(reference: float = REFERENCE) -> SyslogLines:
    return SyslogLines(Stamps(reference, UTC))


def at(*parts: int) -> float:
    return datetime(*parts, tzinfo=UTC).timestamp()  # type: ignore[arg-type,misc] # year to microsecond


@pytest.mark.parametrize(
    ("line", "read"),
    [
        (
            "Nov  5 02:16:30 mx postfix/smtpd[12]: connect from a[192.0.2.1]",
            LogLine(at(2026, 11, 5, 2, 16, 30), "mx", "postfix/smtpd", "12", "connect from a[192.0.2.1]"),
        ),
        (
            "2026-11-05T02:16:30.250000+01:00 mx postfix-out/submission/smtpd[12]: x: y",
            LogLine(at(2026, 11, 5, 1, 16, 30, 250000), "mx", "postfix-out/submission/smtpd", "12", "x: y"),
        ),
        ("2026-11-05T02:16:30Z mx a: b", LogLine(at(2026, 11, 5, 2, 16, 30), "mx", "a", "", "b")),
        ("2026-11-05T02:16:30-0230 mx a: b", LogLine(at(2026, 11, 5, 4, 46, 30), "mx", "a", "", "b")),
        (
            '<22>1 2026-11-05T02:16:30.5Z mx postfix/qmgr 9 - [a@1 b="]\\"] "] \ufeffA: removed',
            LogLine(at(2026, 11, 5, 2, 16, 30, 500000), "mx", "postfix/qmgr", "9", "A: removed"),
        ),
        (
            "<22>1 2026-11-05T02:16:30Z mx postfix/qmgr - - - A: removed",
            LogLine(at(2026, 11, 5, 2, 16, 30), "mx", "postfix/qmgr", "", "A: removed"),
        ),
        ("<22>Nov 25 02:16:30 mx a[1]: b", LogLine(at(2026, 11, 25, 2, 16, 30), "mx", "a", "1", "b")),
        ("Dec 31 23:59:59 mx a[1]: b", LogLine(at(2025, 12, 31, 23, 59, 59), "mx", "a", "1", "b")),
        ("Feb 29 00:00:00 mx a[1]: b", LogLine(at(2024, 2, 29), "mx", "a", "1", "b")),
    ],
)
def test_a_line_is_read_with_its_stamp_whatever_its_form(line: str, read: LogLine) -> None:
    assert lines().read(line) == read


@pytest.mark.parametrize(
    "line",
    [
        "",
        "Nov",
        "Nov  5 02:16:30",
        "Nov  5 02:16:30 mx",
        "Nov  5 02:16:30 mx text without a program",
        "Nov 35 02:16:30 mx a: b",
        "Nov  5 02:16:3x mx a: b",
        "Xxx  5 02:16:30 mx a: b",
        "Nov  5 02-16:30 mx a: b",
        "Nov  5 02:16:99 mx a: b",
        "Nov  5 99:16:30 mx a: b",
        "Nov  5 02:16:30 mx a[1: b",
        "2026-13-05T02:16:30Z mx a: b",
        "2026-11-05T02:16:30+9999 mx a: b",
        "2026-11-05T02:16:30.x mx a: b",
        "2026-11-05T02:16 mx a: b",
        "<x>1 a b c",
        "<22>1 2026-11-05T02:16:30Z mx a",
        "<22>1 2026-11-05T02:16:30Z mx a 1 - [a b",
        "<<<<<<",
        "\x00" * 50,
        "Nov \u0665\u0665 02:16:30 mx a: b",
    ],
)
def test_what_is_no_line_is_none(line: str) -> None:
    assert lines().read(line) is None


def test_a_stamp_without_a_zone_is_of_the_zone_given() -> None:
    berlin = ZoneInfo("Europe/Berlin")

    assert Stamps(REFERENCE, berlin).traditional("Jul  5 02:00:00") == at(2026, 7, 5)
    assert Stamps(REFERENCE, berlin).iso("2026-01-05T02:00:00") == at(2026, 1, 5, 1)
    assert Stamps(REFERENCE, timezone(timedelta(hours=-8))).traditional("Nov  5 02:00:00") == at(
        2026, 11, 5, 10
    )


def journal(**members: object) -> str:
    given_ = {
        "__REALTIME_TIMESTAMP": "1795573902250000",
        "_HOSTNAME": "mx",
        "SYSLOG_IDENTIFIER": "postfix/smtpd",
        "_PID": "7",
        "MESSAGE": "A: b",
    }
    return json.dumps(given_ | members)


def test_a_line_of_the_journal_is_believed_if_a_mail_servers_unit_wrote_it() -> None:
    believed = LogLine(1795573902.25, "mx", "postfix/smtpd", "7", "A: b")

    assert read_journal(journal()) == believed
    assert read_journal(journal(_SYSTEMD_UNIT="postfix@-.service", _UID="107")) == believed


@pytest.mark.parametrize(
    "forged",
    [{"_SYSTEMD_UNIT": "session-3.scope"}, {"_SYSTEMD_UNIT": "cron.service", "_UID": "0"}, {"_UID": "1000"}],
)
def test_another_program_that_calls_itself_postfix_is_not_believed(forged: dict[str, str]) -> None:
    line = read_journal(journal(**forged))

    assert line is not None and line.program.partition(":")[2] == "postfix/smtpd"


def test_a_message_of_bytes_is_read() -> None:
    line = read_journal(journal(MESSAGE=[65, 255]))

    assert line is not None and line.text == "A\udcff"


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        "[" * 100_000,
        journal(MESSAGE=None),
        journal(MESSAGE=[999]),
        journal(__REALTIME_TIMESTAMP=3),
    ],
)
def test_what_is_no_line_of_the_journal_is_none(line: str) -> None:
    assert read_journal(line) is None


@given(st.text())
def test_any_text_is_a_line_or_none(text: str) -> None:
    for line in (text, f"Nov  5 02:16:30 {text}", f"2026-11-05T02:16:30{text}", f"<22>1 {text}", f"{{{text}"):
        lines().read(line)
        read_journal(line)


def test_a_longer_line_is_cut() -> None:
    line = lines().read("Nov  5 02:16:30 mx a[1]: " + "x" * LINE_LETTERS * 2)

    assert line is not None and len(line.text) < LINE_LETTERS
