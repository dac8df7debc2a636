"""limits and account, where no daemon runs: the state itself is read and written."""

import json
import os
import re
import time
from datetime import UTC, datetime
from threading import Timer
from typing import Any

import pytest

from sendwarden.cli import desk
from sendwarden.cli.exits import CANNOT, GOOD
from sendwarden.daemon.process import lock
from sendwarden.engine.limits.incoming import KINDS
from sendwarden.service.limiter import SPAM_SCORED
from sendwarden.stores.batch import Batch
from sendwarden.stores.memory import INCOMING, LIMITS, Changes
from sendwarden.stores.sql import SqlState
from tests.cli.command import Commands
from tests.cli.state import counted_meter, make_state
from tests.config.folder import write

SETTINGS = """
state = "var"
mode = "enforce"
[site]
domains = ["example.org"]
internal = ["10.0.0.0/8"]
"""
REASON = ("--reason", "class lists")
EXTERNAL = "submission-auth-external"


@pytest.fixture
def site(commands: Commands) -> Commands:
    """Eve sent 100 recipients over the channel for those outside."""
    write(commands.folder, {"sendwarden.toml": SETTINGS, "message": "Subject: a\n\nText.\n"})
    (commands.folder / "var").mkdir()
    state = SqlState(commands.folder / "var" / "state.db")
    change = counted_meter(EXTERNAL, "eve", 40, time.time())  # noqa: TID251
    state.write(Batch(Changes(meters=[(LIMITS, change)])))
    state.close()
    return commands


def limits_of(site: Commands, account: str, channel: str) -> dict[str, tuple[int, int]]:
    (record,) = site.on_folder("limits", "show", account, "--json").records
    found = {one["channel"]: one["limits"] for one in record["channels"]}  # type: ignore[attr-defined]
    return {f"{one['counted']} {one['window']}": (one["used"], one["most"]) for one in found[channel]}


def test_show_tells_what_is_used_and_when_there_is_room(site: Commands) -> None:
    said = site.on_folder("limits", "show", "EVE")

    assert said.code == GOOD
    assert "eve   normal" in said.out
    assert "recipients      40 of 40 in 10m   full; room again" in said.out
    assert "recipients      40 of 150 in 1h\n" in said.out
    assert limits_of(site, "eve", "webmail")["recipients 10m"] == (0, 30)


def test_what_is_set_counts_until_it_is_taken_out(site: Commands) -> None:
    said = site.on_folder("limits", "set", "eve", "recipients=500/1h", *REASON)
    assert (said.code, said.out.split(" until")[0]) == (GOOD, "eve: recipients 500/1h")
    assert limits_of(site, "eve", EXTERNAL)["recipients 1h"] == (40, 500)
    assert limits_of(site, "eve", EXTERNAL)["recipients 10m"] == (40, 40)
    why = site.on_folder("limits", "why", "eve").out
    assert "class lists" in why
    assert "from row set by" in why

    assert site.on_folder("limits", "set", "eve", "--remove").code == GOOD
    assert limits_of(site, "eve", EXTERNAL)["recipients 1h"] == (40, 150)
    assert site.on_folder("limits", "set", "eve", "--remove").err == "nothing was set for eve\n"


def test_a_row_takes_the_place_of_all_limits(site: Commands) -> None:
    said = site.on_folder("limits", "set", "eve", "bulk", *REASON)

    rates = "row bulk (recipients 3600/1h, recipients 20000/1d, 500 of one message)"
    assert (said.code, said.err, said.out.split(" until")[0]) == (GOOD, "", f"eve: {rates}")
    assert limits_of(site, "eve", EXTERNAL) == {"recipients 1h": (40, 3600), "recipients 24h": (40, 20000)}
    assert "500 of one message" in site.on_folder("limits", "show", "eve").out


@pytest.mark.parametrize("at", range(4))
def test_options_may_stand_anywhere(at: int, site: Commands) -> None:
    words = ["eve", "500/1h", "messages=9/24h"]
    words[at:at] = REASON

    said = site.on_folder("limits", "set", *words)

    assert (said.code, said.out.split(" until")[0]) == (GOOD, "eve: recipients 500/1h, messages 9/1d")


def test_on_one_channel_only(site: Commands) -> None:
    assert site.on_folder("limits", "set", "eve", "unlimited", "--channel", "webmail", *REASON).code == GOOD
    assert limits_of(site, "eve", "webmail") == {}
    assert limits_of(site, "eve", EXTERNAL)["recipients 10m"] == (40, 40)


def test_reset_begins_at_nothing(site: Commands) -> None:
    said = site.on_folder("limits", "reset", "eve", *REASON)
    assert said.out == f"eve: begins at 0 on {EXTERNAL}\n"
    assert limits_of(site, "eve", EXTERNAL)["recipients 10m"] == (0, 40)
    assert site.on_folder("limits", "reset", "eve", *REASON).out == "eve: nothing was counted\n"


def test_mail_that_looks_like_spam_is_shown_and_reset_like_a_channel(site: Commands) -> None:
    state = SqlState(site.folder / "var" / "state.db")
    change = counted_meter(SPAM_SCORED, "eve", 7, time.time())  # noqa: TID251
    state.write(Batch(Changes(meters=[(LIMITS, change)])))
    state.close()

    assert limits_of(site, "eve", SPAM_SCORED)["recipients 10m"] == (7, 10)
    assert "  mail that looks like spam\n" in site.on_folder("limits", "show", "eve").out
    assert "mail that looks like spam" in site.on_folder("limits", "reset", "eve", *REASON).out
    (record,) = site.on_folder("limits", "show", "eve", "--json").records
    assert SPAM_SCORED not in [one["channel"] for one in record["channels"]]  # type: ignore[attr-defined]


def test_normal_says_what_becomes_of_the_limits(site: Commands) -> None:
    normal = ("account", "state", "eve", "normal", "--reason", "it was a mistake")
    assert site.on_folder(*normal).out == "eve: normal, before normal\n"
    site.on_folder("account", "state", "eve", "held", "--reason", "looking")

    first, second, third = (site.on_folder(*normal).out for _ in range(3))

    assert re.fullmatch(
        r"eve: normal, before held\n  it has half of its limits until \d\d \w+ \d{4} \d\d:\d\d UTC, since it "
        r"was held or contained; the same command once more ends that\n",
        first,
    )
    assert second == "eve: normal, before normal\n  it has its whole limits again\n"
    assert third == "eve: normal, before normal\n"


def test_a_text_for_whoever_sends_is_kept_shown_and_said(site: Commands) -> None:
    act = ("account", "state", "eve", "contained", "--reason", "ticket 4711", "--tell", "Call 555-1234.")
    assert site.on_folder(*act).code == GOOD

    assert "  whoever sends is told: Call 555-1234.\n" in site.on_folder("account", "show", "eve").out
    message = ("explain", str(site.folder / "message"), "--login", "eve", "--from", "eve@example.org")
    explained = site.on_folder(*message, "--to", "v@x.example", "--client", "192.0.2.7")
    assert "Call 555-1234." in explained.out


def test_a_text_for_nobody_is_refused_with_what_to_write(site: Commands) -> None:
    for state in ("normal", "watched", "throttled"):
        said = site.on_folder("account", "state", "eve", state, "--reason", "x", "--tell", "y")
        assert (said.code, "leave out --tell" in said.err) == (CANNOT, True)


def test_a_text_that_no_reply_could_hold_is_refused(site: Commands) -> None:
    act = ("account", "state", "eve", "held", "--reason", "x", "--tell")
    assert site.on_folder(*act, "y " * 150).code == GOOD
    said = site.on_folder(*act, "y " * 151)
    assert (said.code, "300 letters at the most" in said.err) == (CANNOT, True)


def test_a_state_is_set_and_shown_with_who_and_why(site: Commands) -> None:
    said = site.on_folder("account", "state", "eve", "contained", "--reason", "phished", "--until", "14d")
    assert re.fullmatch(r"eve: contained until \d\d \w+ \d{4} \d\d:\d\d UTC, before normal\n", said.out)
    assert ": phished" in site.on_folder("account", "show", "eve").out.splitlines()[0]
    explained = site.on_folder(
        "explain",
        str(site.folder / "message"),
        "--login",
        "eve",
        "--from",
        "eve@example.org",
        "--to",
        "v@x.example",
        "--client",
        "192.0.2.7",
    )
    assert explained.code != GOOD
    assert site.on_folder("account", "state", "eve", "normal", "--reason", "new password").code == GOOD
    assert site.on_folder("account", "show", "eve").out.startswith("eve   normal\n")


def test_top_lists_who_is_nearest_to_a_limit(site: Commands) -> None:
    (record,) = site.on_folder("account", "top", "--json").records
    assert (record["account"], record["recipients"], record["share"]) == ("eve", 40, 1.0)
    assert (
        "100%          40         1  eve   submission-auth-external" in site.on_folder("account", "top").out
    )


WRONG = {
    ("limits", "set", "eve", "recipients=500/1h"): "acts by hand have a reason: --reason 'why'\n",
    ("limits", "set", "eve", *REASON): "say how much: recipients=500/1h, messages=100/24h, "
    "per_message=300, a row's name, or unlimited\n",
    (
        "limits",
        "set",
        "eve",
        "recipient=5/1h",
        *REASON,
    ): "'recipient' is not counted; did you mean \"recipients\"?\n",
    (
        "limits",
        "set",
        "eve",
        "5/2h",
        *REASON,
    ): "the windows are 10m, 1h, 24h: write recipients=500/1h\n",
    (
        "limits",
        "set",
        "eve",
        "0/1h",
        *REASON,
    ): "a limit of nothing is a state: give the account the state contained\n",
    (
        "limits",
        "set",
        "eve",
        "5/1h",
        "--channel",
        "webmal",
        *REASON,
    ): "there is no channel 'webmal'; did you mean \"webmail\"? channels are "
    "webmail, submission-auth-internal, submission-auth-external, submission-noauth-internal, local\n",
    (
        "limits",
        "set",
        "eve",
        "5/1h",
        *REASON,
        "--until",
        "soon",
    ): '"soon" is not a duration: write a number with s, m, h or d, such as "15m" or "1h", or a day or '
    "moment, such as 2026-12-31 or 2026-12-31T18:00\n",
    (
        "limits",
        "set",
        "eve",
        "5/1h",
        "6/1h",
        *REASON,
    ): "two rates count the same in the same window: leave one of them out\n",
    (
        "limits",
        "set",
        "eve",
        "5/1h",
        *REASON,
        "--until",
        "9999999999d",
    ): "acts by hand end, after now and within ten years: --until 7d, --until 2026-12-31\n",
    ("limits", "set", "eve", "blk", *REASON): "'blk' is neither a rate nor a row of limits; "
    'did you mean "bulk"?\n',
    ("limits", "set", "eve", "bulk", "5/1h", *REASON): "bulk stands alone, without rates beside it\n",
    (
        "limits",
        "set",
        "eve",
        "5/1h",
        "unlimited",
        *REASON,
    ): "unlimited stands alone, without rates beside it\n",
    ("limits", "reset", "eve"): "acts by hand have a reason: --reason 'why'\n",
    ("limits", "show", "eve", "5/1h"): "'5/1h' goes with set: "
    "sendwarden limits set eve 5/1h --reason 'why' --config {folder}\n",
    ("limits", "show", " "): "an account has a name, such as bob@example.org\n",
    (
        "account",
        "state",
        "eve",
    ): "a state is missing: sendwarden account state eve contained --reason 'phished' --until 14d "
    "--config {folder}\n",
    ("account", "state", "eve", "contained"): "acts by hand have a reason: --reason 'why'\n",
    ("account", "state", "eve", "containd", *REASON): 'did you mean "contained"?\n',
    ("account", "top", "--number", "0"): "a list has at least one line: --number 20\n",
    ("limits", "set", "eve", "per_message=0", *REASON): "how many recipients one message may have is a "
    "number: per_message=300\n",
    ("limits", "set", "eve", "5/1h", "--remove"): "--remove takes out all that was set: leave 5/1h out\n",
    (
        "limits",
        "set",
        "eve",
        "5/1h",
        *REASON,
        "--until",
        "2026-13-01",
    ): '"2026-13-01" is no day or moment: write 2026-12-31, 2026-12-31T18:00 or 2026-12-31T17:00Z\n',
    (
        "limits",
        "set",
        "eve",
        "5/1h",
        *REASON,
        "--until",
        "2020-01-01",
    ): "acts by hand end, after now and within ten years: --until 7d, --until 2026-12-31\n",
    ("account", "show"): "an account has a name: sendwarden account show bob --config {folder}\n",
}


@pytest.mark.parametrize("words", WRONG, ids=" ".join)
def test_wrong_words_are_told_with_what_to_write(words: tuple[str, ...], site: Commands) -> None:
    said = site.on_folder(*words)
    assert (said.code, said.out, said.err) == (CANNOT, "", WRONG[words].format(folder=site.folder))


def test_without_a_state_there_is_nothing_and_no_error(commands: Commands) -> None:
    write(commands.folder, {"sendwarden.toml": SETTINGS})
    assert commands.on_folder("account", "top").out == "nobody has sent anything that is counted\n"
    assert commands.on_folder("limits", "show", "eve").code == GOOD


def test_a_state_that_another_command_has_is_waited_for(site: Commands) -> None:
    held = lock(site.folder / "var")
    Timer(0.2, held.close).start()

    said = site.on_folder("limits", "set", "eve", "500/1h", *REASON)

    assert (said.code, said.err) == (GOOD, "") and held.closed
    assert limits_of(site, "eve", EXTERNAL)["recipients 1h"] == (40, 500)


def test_a_state_that_stays_in_use_is_told_with_who_has_it(
    site: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk, "STATE_WITHIN_S", 0.1)
    with lock(site.folder / "var"):
        said = site.on_folder("limits", "set", "eve", "500/1h", *REASON)

    assert said.code == CANNOT
    assert said.err.endswith(
        f"var is in use by process {os.getpid()}: stop that one first, or try again "
        "(it was waited for 0.1 s)\n"
    )


def test_ending_an_incident_leaves_half_of_the_limits_for_a_while(site: Commands) -> None:
    site.on_folder("account", "state", "eve", "contained", "--reason", "phished")
    site.on_folder("account", "state", "eve", "normal", "--reason", "has a new password")
    assert limits_of(site, "eve", EXTERNAL)["recipients 1h"] == (40, 75)
    assert (
        "after an incident (contained: has a new password): half of its limits until"
        in site.on_folder("account", "show", "eve").out
    )
    assert "half after an incident" in site.on_folder("limits", "why", "eve").out
    site.on_folder("account", "state", "eve", "normal", "--reason", "enough")
    assert limits_of(site, "eve", EXTERNAL)["recipients 1h"] == (40, 150)


# --- several rates, one after the other


def set_eve(site: Commands, *words: str) -> str:
    said = site.on_folder("limits", "set", "eve", *words)
    assert (said.code, said.err) == (GOOD, "")
    return said.out


def test_a_second_set_changes_only_what_it_names_and_says_so(site: Commands) -> None:
    set_eve(site, "300/10m", "recipients=500/1h", "per_message=9", *REASON, "--until", "30d")
    said = set_eve(site, "recipients=700/1h", "--reason", "exams", "--until", "1d")

    assert re.search(r"\n  in the place of: recipients 500/1h until .*, set by \w+ .*: class lists\n", said)
    assert re.search(r"\n  goes on: recipients 300/10m until .*: class lists\n", said)
    assert re.search(r"\n  goes on: 9 of one message until .*: class lists\n", said)
    limits = limits_of(site, "eve", EXTERNAL)
    assert (limits["recipients 10m"], limits["recipients 1h"]) == ((40, 300), (40, 700))
    assert "       9 of one message" in site.on_folder("limits", "show", "eve").out
    ends = {
        entry["limits"][0] if entry["limits"] else "message": entry["until"] - time.time()  # noqa: TID251
        for entry in overrides_of(site, "eve", EXTERNAL)
    }
    assert ends["recipients 700/1h"] < 2 * 86_400 < ends["recipients 300/10m"]


def overrides_of(site: Commands, account: str, channel: str) -> list[dict[str, Any]]:
    (record,) = site.on_folder("limits", "show", account, "--json").records
    channels: list[Any] = record["channels"]  # type: ignore[assignment]
    return next(one["overrides"] for one in channels if one["channel"] == channel)


def test_rates_lie_over_a_row_and_a_row_takes_the_place_of_all(site: Commands) -> None:
    set_eve(site, "bulk", *REASON)
    said = set_eve(site, "messages=9/24h", *REASON)
    assert "\n  goes on: row bulk" in said
    assert limits_of(site, "eve", EXTERNAL).keys() == {"recipients 1h", "recipients 24h", "messages 24h"}

    said = set_eve(site, "unlimited", *REASON)
    assert said.count("in the place of:") == 2
    assert limits_of(site, "eve", EXTERNAL) == {}

    said = set_eve(site, "--remove")
    assert "taken out: unlimited" in said
    assert limits_of(site, "eve", EXTERNAL)["recipients 1h"] == (40, 150)


def test_rates_lie_over_an_override_of_the_settings(site: Commands) -> None:
    override = '[[override]]\naccounts = ["eve"]\nlimits = "bulk"\nreason = "newsletter"\n'
    write(site.folder, {"sendwarden.toml": f"{SETTINGS}{override}"})
    set_eve(site, "per_message=7", *REASON)

    assert limits_of(site, "eve", EXTERNAL) == {"recipients 1h": (40, 3600), "recipients 24h": (40, 20000)}
    shown = site.on_folder("limits", "show", "eve").out
    assert "override (instead of all), " in shown and "override (7 of one message) until " in shown
    assert "       7 of one message" in shown


def test_one_channel_goes_before_all(site: Commands) -> None:
    set_eve(site, "9/1h", "--channel", "webmail", *REASON)
    said = set_eve(site, "unlimited", *REASON)
    assert "in the place of" not in said
    assert limits_of(site, "eve", "webmail") == {"recipients 1h": (0, 9)}
    assert limits_of(site, "eve", EXTERNAL) == {}


# --- until when


@pytest.mark.parametrize(
    ("written", "ends"),
    [
        ("2033-12-31", "2034-01-01T00:00:00+09:00"),
        ("2033-12-31T18:00", "2033-12-31T18:00:00+09:00"),
        ("2033-12-31T18:00Z", "2033-12-31T18:00:00+00:00"),
        ("2033-12-31 18:00+02:00", "2033-12-31T18:00:00+02:00"),
    ],
)
def test_an_end_is_a_day_or_a_moment_in_a_zone_that_is_said(
    written: str, ends: str, site: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        for words in (("limits", "set", "eve", "9/1h"), ("account", "state", "eve", "held")):
            (record,) = site.on_folder(*words, "--until", written, *REASON, "--json").records
            kept: Any = record["set"]
            kept = kept[0] if isinstance(kept, list) else kept
            assert kept["until"] == datetime.fromisoformat(ends).timestamp()
        shown = site.on_folder("account", "show", "eve").out
        utc = datetime.fromisoformat(ends).astimezone(UTC)
        assert f" JST ({utc:%d %b %Y %H:%M} UTC), by " in shown.splitlines()[0]
    finally:
        monkeypatch.undo()
        time.tzset()


# --- what filters count


AUTHSPAM = """
metermaid.table.limitauthspam.quota = 5
metermaid.table.limitauthspam.quota_time = 3600
metermaid.table.other.type = simple
"""


def counted_by_filters(site: Commands, keys: dict[str, int]) -> None:
    write(site.folder, {"metermaid.options": AUTHSPAM})
    write(site.folder, {"senders": "info@example.org eve\n"})
    settings = SETTINGS.replace("[site]", '[senders]\nfile = "senders"\n[site]')
    write(site.folder, {"sendwarden.toml": settings})
    hits = {("limitauthspam", key): number for key, number in keys.items()}
    make_state(site.folder, time.time(), hits)  # noqa: TID251


def meters_of(site: Commands, account: str) -> dict[str, tuple[float, str]]:
    (record,) = site.on_folder("limits", "show", account, "--json").records
    return {one["key"]: (one["used"], one["whose"]) for one in record["meters"]}  # type: ignore[attr-defined]


KEYS = {"Eve": 5, "192.0.2.7/eve": 2, "info@example.org": 3, "eve@example.org": 1, "bob": 4, "steve": 1}


def test_meters_of_filters_are_shown_by_account(site: Commands) -> None:
    counted_by_filters(site, KEYS)

    assert meters_of(site, "eve") == {
        "Eve": (5, "own"),
        "192.0.2.7/eve": (2, "own"),
        "eve@example.org": (1, "alike"),
        "info@example.org": (3, "lent"),
    }
    assert meters_of(site, "192.0.2.7") == {"192.0.2.7/eve": (2, "own")}
    shown = site.on_folder("limits", "show", "eve").out
    assert re.search(
        r"  limitauthspam   \(a table of MeterMaid's\)\n    5 of 5 in 1h, key Eve   full; room ag", shown
    )
    assert "3 of 5 in 1h, key info@example.org   lent to the account\n" in shown


def test_reset_begins_anew_what_filters_counted_and_says_what_goes_on(site: Commands) -> None:
    counted_by_filters(site, KEYS)

    said = site.on_folder("limits", "reset", "eve", *REASON).out.splitlines()

    assert said[0] == (
        f"eve: begins at 0 on {EXTERNAL}, MeterMaid's limitauthspam (key Eve), "
        "MeterMaid's limitauthspam (key 192.0.2.7/eve)"
    )
    alone, lent = (
        ", by its name another account: limits reset ",
        ", an address that is lent to it: limits reset ",
    )
    assert said[1:] == [
        f"  goes on: MeterMaid's limitauthspam, 1 of 5 in 1h, key eve@example.org{alone}eve@example.org",
        f"  goes on: MeterMaid's limitauthspam, 3 of 5 in 1h, key info@example.org{lent}info@example.org",
    ]
    assert set(meters_of(site, "eve")) == {"eve@example.org", "info@example.org"}
    assert meters_of(site, "bob") == {"bob": (4, "own")}
    assert (
        "limitauthspam (key info@example.org)"
        in site.on_folder("limits", "reset", "info@example.org", *REASON).out
    )
    assert set(meters_of(site, "eve")) == {"eve@example.org"}


def test_a_reset_on_one_channel_leaves_what_filters_count_over_all(site: Commands) -> None:
    counted_by_filters(site, {"eve": 5})
    said = site.on_folder("limits", "reset", "eve", "--channel", EXTERNAL, *REASON).out
    assert said.startswith(
        f"eve: begins at 0 on {EXTERNAL}\n  goes on: MeterMaid's limitauthspam, 5 of 5 in 1h"
    )
    assert said.endswith(", which counts over all channels: leave --channel out\n")
    assert meters_of(site, "eve") == {"eve": (5, "own")}


# --- one channel, and hosts


def test_show_and_why_of_one_channel_leave_the_others_out(site: Commands) -> None:
    for verb in ("show", "why"):
        (record,) = site.on_folder("limits", verb, "eve", "--channel", "webmail", "--json").records
        assert [one["channel"] for one in record["channels"]] == ["webmail"]  # type: ignore[attr-defined]
        said = site.on_folder("limits", verb, "eve", "--channel", "nowhere")
        assert (said.code, said.out) == (CANNOT, "")
        assert said.err == (
            "there is no channel 'nowhere'; channels are webmail, submission-auth-internal, "
            "submission-auth-external, submission-noauth-internal, local\n"
        )


@pytest.mark.parametrize(
    ("written", "account"),
    [
        ("192.0.2.7", "[192.0.2.7]"),
        ("[192.0.2.7]", "[192.0.2.7]"),
        ("2001:db8::25", "[2001:db8::]"),
        ("[2001:db8::25]", "[2001:db8::]"),
        ("[IPv6:2001:db8::25]", "[2001:db8::]"),
        ("[uid:33]", "[uid:33]"),
        ("192.0.2", "192.0.2"),
    ],
)
def test_an_address_is_its_host_with_or_without_brackets(written: str, account: str, site: Commands) -> None:
    (record,) = site.on_folder("limits", "show", written, "--json").records
    assert record["account"] == account
    if written.startswith(("192", "2001")):
        assert site.on_folder("account", "resolve", written, "--json").records[0]["account"] == account


def test_a_login_that_looks_like_an_address_stays_one_where_it_sent(site: Commands) -> None:
    state = SqlState(site.folder / "var" / "state.db")
    change = counted_meter(EXTERNAL, "192.0.2.7", 3, time.time())  # noqa: TID251
    state.write(Batch(Changes(meters=[(LIMITS, change)])))
    state.close()
    assert site.on_folder("limits", "show", "192.0.2.7").out.startswith("192.0.2.7   normal")
    assert site.on_folder("limits", "show", "[192.0.2.7]").out.startswith("[192.0.2.7]   normal")


# --- incoming mail


INCOMING_MAIL = """
[incoming]
limits = ["incoming-mailbox", "incoming-network"]
[[limits]]
name = "incoming-mailbox"
messages = "5/1h"
recipients = []
"""


@pytest.fixture
def gateway(site: Commands) -> Commands:
    write(site.folder, {"sendwarden.toml": f"{SETTINGS}{INCOMING_MAIL}"})
    state = SqlState(site.folder / "var" / "state.db")
    keys = {"incoming-mailbox": "bob@example.org", "incoming-network": "192.0.2.0/24"}
    now = time.time()  # noqa: TID251
    changes = [(INCOMING, counted_meter(kind, key, 1, now)) for kind, key in keys.items()]
    state.write(Batch(Changes(meters=changes)))
    state.close()
    return site


def incoming_of(site: Commands, key: str, kind: str) -> dict[str, Any]:
    (record,) = site.on_folder("limits", "show", "--incoming", key, "--json").records
    found: list[dict[str, Any]] = record["incoming"]  # type: ignore[assignment]
    return next(one for one in found if one["channel"] == kind)


def test_limits_of_incoming_mail_are_shown_by_mailbox_network_and_domain(gateway: Commands) -> None:
    def shown(key: str, verb: str = "show") -> str:
        return gateway.on_folder("limits", verb, "--incoming", key).out

    said = shown("Bob+list@example.org")
    assert "bob@example.org   incoming-mailbox\n    messages         1 of 5 in 1h\n" in said
    assert "  incoming-bounces   is not counted: [incoming] limits does not name incoming-bounces" in said
    assert "192.0.2.0/24   incoming-network" in shown("192.0.2.9")
    assert "is not counted" in shown("shop.example")
    assert "from row incoming-mailbox" in shown("bob@example.org", "why")


def test_limits_of_incoming_mail_are_set_lifted_and_reset_for_one_key(gateway: Commands) -> None:
    bob = ("--incoming", "bob@example.org")
    said = gateway.on_folder("limits", "set", *bob, "messages=50/1h", *REASON)
    assert (said.code, said.err) == (GOOD, "")
    assert said.out.startswith("bob@example.org: messages 50/1h on incoming-mailbox until ")
    assert incoming_of(gateway, "bob@example.org", "incoming-mailbox")["limits"][0]["most"] == 50
    assert incoming_of(gateway, "anna@example.org", "incoming-mailbox")["limits"][0]["most"] == 5
    (record,) = gateway.on_folder("limits", "show", "bob@example.org", "--json").records
    assert all(not one["overrides"] for one in record["channels"])  # type: ignore[attr-defined]
    nothing = gateway.on_folder("limits", "set", "bob@example.org", "--remove")
    assert (nothing.code, nothing.err) == (CANNOT, "nothing was set for bob@example.org\n")

    assert gateway.on_folder("limits", "set", *bob, "unlimited", *REASON).code == GOOD
    assert "    unlimited\n" in gateway.on_folder("limits", "show", *bob).out
    assert gateway.on_folder("limits", "set", *bob, "--remove").code == GOOD
    said = gateway.on_folder("limits", "reset", *bob, *REASON)
    assert said.out == "bob@example.org: begins at 0 on incoming-mailbox\n"
    assert incoming_of(gateway, "bob@example.org", "incoming-mailbox")["limits"][0]["used"] == 0
    assert incoming_of(gateway, "192.0.2.0/24", "incoming-network")["limits"][0]["used"] == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ("set", "--incoming", "shop.example", "unlimited", *REASON),
            "shop.example is not counted: [incoming] limits names no incoming-domain",
        ),
        (
            ("show", "--incoming", "192.0.0.0/16"),
            "192.0.0.0/16 is nothing that is counted: networks are counted as 192.0.0.0/24 here",
        ),
        (
            ("show", "--incoming", "bob@example.org", "--channel", "incoming-network"),
            "incoming-network does not count bob@example.org: incoming-mailbox and incoming-bounces would",
        ),
        (
            ("show", "--incoming", "bob@example.org", "--channel", "mailbox"),
            f"there is no row 'mailbox'; rows of incoming mail are {', '.join(KINDS)}",
        ),
        (
            ("set", "--incoming", "bob@example.org", "500/1h", *REASON),
            "of incoming mail messages are counted: messages=500/1h",
        ),
    ],
)
def test_wrong_names_of_incoming_mail_are_told(words: tuple[str, ...], says: str, gateway: Commands) -> None:
    said = gateway.on_folder("limits", *words)
    assert (said.code, said.out, said.err) == (CANNOT, "", f"{says}\n")


# --- lists


def test_what_was_set_by_hand_is_listed_with_who_why_and_until_when(gateway: Commands) -> None:
    assert gateway.on_folder("limits", "list").out == "no limits are set by hand\n"
    assert gateway.on_folder("account", "list").out == "no states are set by hand\n"
    set_eve(gateway, "9/1h", "per_message=3", *REASON)
    assert gateway.on_folder("limits", "set", "--incoming", "bob@example.org", "unlimited", *REASON).code == 0
    for account, state in (("eve", "held"), ("dan", "contained"), ("ann", "contained")):
        assert gateway.on_folder("account", "state", account, state, "--reason", "phished").code == GOOD
    assert gateway.on_folder("account", "state", "ann", "normal", "--reason", "is clean").code == GOOD

    lines = gateway.on_folder("limits", "list").out.splitlines()
    assert [line.partition(" until ")[0] for line in lines] == [
        "bob@example.org   unlimited on incoming-mailbox",
        "eve   recipients 9/1h",
        "eve   3 of one message",
    ]
    assert re.search(r" until .* UTC, set by \w+ .* UTC: class lists$", lines[1])
    assert len(gateway.on_folder("limits", "list", "EVE", "--json").records) == 2
    states = gateway.on_folder("account", "list").out.splitlines()
    assert [line.partition(" until ")[0] for line in states] == [
        "ann   after an incident: contained",
        "dan   contained",
        "eve   held",
    ]
    held = gateway.on_folder("account", "list", "--state", "held", "--json").records
    assert [(one["account"], one["reason"]) for one in held] == [("eve", "phished")]
    wrong = gateway.on_folder("account", "list", "--state", "hold")
    assert (wrong.code, wrong.err) == (CANNOT, 'did you mean "held"?\n')


def event_line(at: float, **more: object) -> str:
    stamp = datetime.fromtimestamp(at, UTC).isoformat()
    return json.dumps({"at": stamp, "event": "decision", **more}) + "\n"


def test_who_was_or_would_have_been_limited_is_counted_from_the_event_log(site: Commands) -> None:
    now = time.time()  # noqa: TID251
    limit = {"id": "limit-over", "account": "eve", "channel": EXTERNAL, "counted": "recipients", "most": 40}
    over = {"watched": True, "reasons": [{**limit, "window": 600}]}
    mailbox = {"id": "incoming-over", "key": "bob@example.org", "row": "incoming-mailbox"}
    incoming = {"reasons": [{**mailbox, "counted": "messages", "most": 5, "window": 3600}]}
    lines = [
        event_line(now - 9 * 86_400, recipients=["long@ago.example"], **over),
        event_line(now - 7200, recipients=["a@x.example", "b@x.example"], queue_id="Q1", **over),
        event_line(now - 60, recipients=["c@x.example"], queue_id="Q2", **over),
        event_line(now - 30, recipients=["c@x.example"], reasons=[{"id": "account-held", "account": "eve"}]),
        event_line(now - 20, recipients=["bob@example.org"], **incoming),
        event_line(now - 10, **over)[:40] + "\n",
        "[]\n",
    ]
    (site.folder / "var" / "events.json.1").write_text("".join(lines[:2]))
    (site.folder / "var" / "events.json").write_text("".join(lines[2:]))

    eve, bob = site.on_folder("limits", "over", "--json").records

    assert (eve["account"], eve["messages"], eve["recipients"], eve["watched"]) == ("eve", 2, 3, True)
    assert (eve["first"], eve["last"]) == (pytest.approx(now - 7200), pytest.approx(now - 60))
    assert (bob["account"], bob["channel"], bob["recipients"]) == ("bob@example.org", "incoming-mailbox", 1)
    said = site.on_folder("limits", "over", "--since", "1h").out.splitlines()
    assert f"eve   {EXTERNAL}   recipients 40/10m: 1 message, 1 recipient, " in "\n".join(said)
    assert said[1].endswith(" UTC   would have been limited: only watched") and len(said) == 2
    assert site.on_folder("limits", "over", "--since", "1s").out == "nobody was over a limit in the last 1s\n"


def test_explain_shows_limits_of_incoming_mail(gateway: Commands) -> None:
    mail = (str(gateway.folder / "message"), "--from", "a@shop.example", "--to", "bob@example.org")
    said = gateway.on_folder("explain", *mail, "--client", "192.0.2.9").out
    assert (
        "limit     incoming for bob@example.org, messages: 1 -> 2 of 5 in 1h   (row incoming-mailbox)" in said
    )
    assert "limit     incoming from the network 192.0.2.0/24, messages: 1 -> 2 of " in said
