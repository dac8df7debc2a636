"""``sendwarden connect postfix``: the lines that let Postfix ask us, shown, explained, and made on request.

Everything is set for our services alone (``{ inet:... , timeout=... }``, Postfix 3.0 and later), so that no
other policy server or milter is touched: what happens while we are down is spelled out in the line itself.
Before a change main.cf is copied, and the command that takes the change back is printed.
"""

import argparse
import difflib
import shutil
import subprocess
import sys
import time
from pathlib import Path

from sendwarden.cli.configuration import NoSettings, add_config, load_configuration
from sendwarden.cli.exits import CANNOT, GOOD, NO
from sendwarden.cli.output import Output
from sendwarden.config.load import Loaded
from sendwarden.engine.channel import Mode

# Below what Postfix takes for a client that hangs, above our own deadline of 1 s.
TIMEOUTS = "connect_timeout=2s, command_timeout=2s, content_timeout=3s"
POLICY_TIMEOUTS = "timeout=2s, try_limit=1, default_action=DUNNO"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument("server", choices=["postfix"], help="which mail server")
    parser.add_argument("--print", dest="only_print", action="store_true", help="only show, change nothing")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument(
        "--folder", default="", metavar="DIR", help="Postfix's configuration, if not /etc/postfix"
    )


def run(arguments: argparse.Namespace, output: Output) -> int:
    try:
        loaded = load_configuration(arguments)
    except NoSettings as error:
        output.error(str(error))
        return CANNOT
    wanted = postfix_lines(loaded)
    output.record({"server": "postfix", "settings": wanted})
    postconf = _postconf(arguments.folder)
    if postconf is None:
        return _show_generic(wanted, output, asked_to_change=not arguments.only_print)
    before = {name: _value(postconf, name) for name in wanted}
    after = {name: _joined(before[name], line, name) for name, line in wanted.items()}
    changes = {name: value for name, value in after.items() if value != before[name]}
    if not changes:
        output.line("Postfix asks us already; nothing to change.")
        return GOOD
    _show(before, changes, output)
    if arguments.only_print or output.as_json:
        return GOOD
    if not arguments.yes and not _agreed():
        output.line("Nothing was changed.")
        return NO
    return _change(postconf, before, changes, output)


def postfix_lines(loaded: Loaded) -> dict[str, str]:
    """Our entry for each setting of main.cf.

    While only watching, mail passes if we are down; else it is held.
    """
    enforcing = any(channel.mode is Mode.ENFORCE for channel in loaded.site.channels)
    default = "quarantine" if enforcing else "accept"
    listen = loaded.settings.listen
    lines = {}
    if listen.milter:
        lines["smtpd_milters"] = f"{{ {_endpoint(listen.milter[0])}, {TIMEOUTS}, default_action={default} }}"
    if listen.policy and loaded.site.judges_senders:
        policy = f"check_policy_service {{ {_endpoint(listen.policy[0])}, {POLICY_TIMEOUTS} }}"
        lines["smtpd_recipient_restrictions"] = policy
    return lines


def _endpoint(listen: str) -> str:
    return listen if listen.startswith("unix:") else f"inet:{listen}"


def _postconf(folder: str) -> list[str] | None:
    program = shutil.which("postconf", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    if program is None:
        return None
    return [program, "-c", folder] if folder else [program]


def _value(postconf: list[str], name: str) -> str:
    done = subprocess.run(  # noqa: S603 - postconf with names from `postfix_lines`
        [*postconf, "-h", name], capture_output=True, text=True, timeout=10, check=False
    )
    return " ".join(done.stdout.split())


def _joined(before: str, line: str, name: str) -> str:
    """Our entry beside what stands there: last of the milters, first of the restrictions."""
    if line in before:
        return before
    if not before:
        return line
    return f"{before}, {line}" if name == "smtpd_milters" else f"{line}, {before}"


def _show(before: dict[str, str], changes: dict[str, str], output: Output) -> None:
    output.line("These lines of main.cf would change:")
    for name, value in changes.items():
        old = [f"{name} = {before[name]}".rstrip()]
        for line in list(difflib.unified_diff(old, [f"{name} = {value}"], lineterm="", n=0))[3:]:
            output.line(f"  {line}")
    output.line(
        "If Sendwarden is down or hangs, each line says what Postfix does: docs/when-sendwarden-is-down.md."
    )
    output.line("The same by hand:")
    for name, value in changes.items():
        output.line(f"  postconf -e '{name} = {value}'")
    output.line("  postfix reload")


def _show_generic(wanted: dict[str, str], output: Output, *, asked_to_change: bool) -> int:
    output.line("Postfix was not found here. On the mail server, add to main.cf:")
    for name, line in wanted.items():
        output.line(f"  {name} = {line}")
    output.line(
        "(behind the milters, before the restrictions, that stand there already), then: postfix reload"
    )
    return CANNOT if asked_to_change else GOOD


def _agreed() -> bool:
    sys.stdout.write("Make this change? [y/N] ")
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _change(postconf: list[str], before: dict[str, str], changes: dict[str, str], output: Output) -> int:
    folder = Path(postconf[2]) if len(postconf) > 1 else Path(_value(postconf, "config_directory"))
    main = folder / "main.cf"
    backup = main.with_name(f"main.cf.before-sendwarden-{time.strftime('%Y%m%d-%H%M%S')}")
    try:
        shutil.copy2(main, backup)
        subprocess.run(  # noqa: S603 - postconf with lines from `postfix_lines`
            [*postconf, "-e", *(f"{name} = {value}" for name, value in changes.items())],
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError) as error:
        output.error(f"main.cf was not changed: {error}")
        return CANNOT
    output.line(f"Done. A copy of the old file: {backup}")
    output.line("Now: postfix reload")
    output.line("To take it out again:")
    for name in changes:
        output.line(f"  postconf -e '{name} = {before[name]}'")
    return GOOD
