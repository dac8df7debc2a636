"""``sendwarden greylist``: what is remembered of a triplet, and the answers as they are given."""

import argparse
import shlex
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sendwarden.cli.configuration import NoSettings, add_config, load_configuration, state_folder
from sendwarden.cli.desk import ask_running
from sendwarden.cli.exits import CANNOT, GOOD
from sendwarden.cli.output import Output
from sendwarden.cli.pasted import command_for
from sendwarden.cli.words import one_of
from sendwarden.config.load import Loaded
from sendwarden.core.errors import SendwardenError
from sendwarden.core.units import duration

VERBS = ("show", "allow", "forget", "watch")
EXAMPLE = ("show", "192.0.2.7", "a@example.org", "b@example.net")
# How often `watch` looks for more.
LOOK_S = 0.2
_READ_BYTES = 64 * 1024


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument(
        "verb",
        metavar="show|allow|forget|watch",
        type=one_of("verb", *VERBS),
        help="show: whether a triplet waits, or without one what was answered; allow: it need not wait; "
        "forget: as if it had never been tried; watch: the answers as they are given",
    )
    parser.add_argument("client", nargs="?", default="", help="the client's address")
    parser.add_argument("sender", nargs="?", default="", help="the envelope sender; <> for none")
    parser.add_argument("recipient", nargs="?", default="", help="the recipient")
    parser.add_argument("--helo", default="", help='what the client says in HELO, for tuple = "server"')
    parser.add_argument("--account", default="", help="the login, for mail that waits by account")
    parser.add_argument("--reason", default="", help="with allow and forget: why, for whoever asks later")


def run(arguments: argparse.Namespace, output: Output) -> int:
    if arguments.verb in ("allow", "forget") and not arguments.client:
        meant = command_for(arguments.config)(f"greylist {shlex.join(EXAMPLE)}")
        output.error(f"a triplet has a client, a sender and a recipient: {meant}")
        return CANNOT
    try:
        loaded = load_configuration(arguments)
        if arguments.verb == "watch":
            _watch(loaded, output)
        elif not arguments.client:
            _show_counts(ask_running(loaded, {"verb": "greylist-counts"}), output)
        else:
            _ask(loaded, arguments, output)
    except (NoSettings, SendwardenError) as error:
        output.error(str(error))
        return CANNOT
    return GOOD


def _ask(loaded: Loaded, arguments: argparse.Namespace, output: Output) -> None:
    about = {
        name: getattr(arguments, name)
        for name in ("client", "sender", "recipient", "helo", "account", "reason")
    }
    answer = ask_running(loaded, {"verb": f"greylist-{arguments.verb}", **about})
    output.record(answer)
    named = f"{arguments.sender}  {arguments.recipient}" if arguments.sender else arguments.account
    triplet = f"{answer['network']}  {named}".rstrip()
    if arguments.verb != "show":
        output.line(f"{triplet}: {'need not wait' if arguments.verb == 'allow' else 'forgotten'}")
        return
    output.line(f"{triplet}: {answer['state']}")
    if answer["state"] == "waits":
        at = datetime.fromtimestamp(answer["free_at"], UTC).astimezone()
        output.line(f"  for {duration(round(answer['free_in_s'], 1))} more, until {at:%d %b %Y %H:%M:%S %Z}")
    if answer["exempt"]:
        output.line(f"  it need not wait all the same: exempt by {answer['exempt']}")
    if answer["new_network"]:
        output.line("  the account has sent before, and not from this network")
    if answer["passes"]:
        output.line(f"  {answer['passes']} triplets of this network have waited")


def _show_counts(answer: Mapping[str, Any], output: Output) -> None:
    output.record(answer)
    output.line("  ".join(f"{action} {count}" for action, count in answer["answers"].items()))
    output.line(f"remembered triplets: {answer['triplets']}, of which {answer['waiting']} wait")
    if answer["networks"]:
        output.line(f"networks with triplets that have waited: {answer['networks']}")
    for name, count in answer["checks"].items():
        output.line(f"found by {name}: {count}")
    if answer["out_of_service"]:
        output.line(
            f"out of service: {', '.join(answer['out_of_service'])} (sendwarden dnsbl lists says why)"
        )
    if answer["unanswered"]:
        output.line(f"checks without an answer: {answer['unanswered']}")
    if answer["dropped"]:
        output.line(f"datagrams dropped: {answer['dropped']}")


def _watch(loaded: Loaded, output: Output) -> None:
    """Until it is interrupted, or the reader goes. What was said before is not shown."""
    if not loaded.greylist.log:
        raise SendwardenError("answers are not logged: set greylist.log to a file")
    path = state_folder(loaded) / loaded.greylist.log
    at = path.stat().st_size if path.exists() else 0
    rest = b""
    output.line(f"watching {path}; stop: Ctrl-C")
    output.end()
    while True:
        data = _from(path, at)
        if data is None:  # moved away, or cut
            at, rest = 0, b""
        elif data:
            at += len(data)
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                text = line.decode("utf-8", "surrogateescape")
                output.line(text)
                output.record({"line": text})
            output.end()
        time.sleep(0 if data else LOOK_S)


def _from(path: Path, at: int) -> bytes | None:
    """What stands in the file from there on; None: it is shorter, or not there."""
    try:
        with path.open("rb") as file:
            if file.seek(0, 2) < at:
                return None
            file.seek(at)
            return file.read(_READ_BYTES)
    except FileNotFoundError:
        return None if at else b""
    except OSError as error:
        raise SendwardenError(f"{path}: {error.strerror}") from error
