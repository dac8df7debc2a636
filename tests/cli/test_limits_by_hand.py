"""limits and account, where no daemon runs: the state itself is read and written."""

import os
import re
import time
from threading import Timer

import pytest

from sendwarden.cli import desk
from sendwarden.cli.exits import CANNOT, GOOD
from sendwarden.daemon.process import lock
from sendwarden.service.limiter import SPAM_SCORED
from sendwarden.stores.batch import Batch
from sendwarden.stores.memory import LIMITS, Changes
from sendwarden.stores.sql import SqlState
from tests.cli.command import Commands
from tests.cli.state import counted_meter
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


def test_one_channel_is_shown_where_one_is_named(site: Commands) -> None:
    (record,) = site.on_folder("limits", "show", "eve", "--channel", "webmail", "--json").records
    assert [one["channel"] for one in record["channels"]] == ["webmail"]  # type: ignore[attr-defined]


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
    ("limits", "set", "eve", *REASON): "say how much: recipients=500/1h, messages=100/24h, a row's name, "
    "or unlimited\n",
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
    ): "there is no channel 'webmal'; did you mean \"webmail\"?\n",
    (
        "limits",
        "set",
        "eve",
        "5/1h",
        *REASON,
        "--until",
        "soon",
    ): '"soon" is not a duration: write a number with s, m, h or d, such as "15m" or "1h"\n',
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
    ): "acts by hand end, after ten years at the latest: --until 7d\n",
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
    ("limits", "show", "eve", "--channel", "webmal"): "there is no channel 'webmal'; did you mean "
    '"webmail"?\n',
    ("account", "top", "--number", "0"): "1 or more are shown: account top --number 20\n",
    ("limits", "show", " "): "an account has a name, such as bob@example.org\n",
    (
        "account",
        "state",
        "eve",
    ): "a state is missing: sendwarden account state eve contained --reason 'phished' --until 14d "
    "--config {folder}\n",
    ("account", "state", "eve", "contained"): "acts by hand have a reason: --reason 'why'\n",
    ("account", "state", "eve", "containd", *REASON): 'did you mean "contained"?\n',
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
