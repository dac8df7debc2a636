"""``sendwarden serve``: the daemon in the foreground, with a first screen that says what it found."""

import argparse
import asyncio
from asyncio import constants
from collections.abc import Callable, Sequence

from sendwarden import __version__
from sendwarden.cli.configuration import (
    NoSettings,
    add_config,
    load_configuration,
    settings_file,
    state_folder,
)
from sendwarden.cli.exits import CANNOT, GOOD, NO
from sendwarden.cli.output import Output
from sendwarden.cli.pasted import Command, command_for
from sendwarden.cli.services import Service, services
from sendwarden.cli.surroundings import Found, look_around
from sendwarden.config.load import Loaded
from sendwarden.core.errors import SendwardenError
from sendwarden.daemon.daemon import Daemon
from sendwarden.daemon.process import STATE_REMEDY

# How long asyncio does not accept when there was no descriptor for a connection. Its own is 1 s, and it takes
# but a few of those that wait each time; there is no setting for it.
ACCEPT_AGAIN_S = 0.1
WATCHING = "watching only: no mail is refused, held or changed"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument("--quiet", action="store_true", help="no first screen")


def run(arguments: argparse.Namespace, output: Output) -> int:
    try:
        loaded = load_configuration(arguments)
    except NoSettings as error:
        output.error(str(error))
        return CANNOT
    command = command_for(arguments.config)
    if not loaded.usable:
        for problem in loaded.problems:
            output.problem(problem)
        says = (
            f"Not started: half a configuration is worse than none. {command('check')} shows this list again."
        )
        output.error(says)
        return NO
    state = state_folder(loaded)
    file = settings_file(arguments.config)
    # The log may be read elsewhere than where we were started.
    check = command_for(file and file.absolute())("check")
    others = [] if arguments.quiet else services(loaded)
    for one in others:
        one.look()
    found = [] if arguments.quiet else look_around()

    def ready() -> None:
        for line in [] if arguments.quiet else first_screen(loaded, found, str(state), command, others):
            output.line(line)

    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        try:
            runner.run(Daemon(file, loaded, state, check).run(ready))
        except SendwardenError as error:
            output.error(str(error))
            return CANNOT
        except OSError as error:  # its own folder: everything else that can fail says so itself
            output.error(f"cannot start: {error.filename or state}: {error.strerror}; {STATE_REMEDY}")
            return CANNOT
    return GOOD


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Uvloop where it is installed; it takes half the CPU time, and nothing else depends on it."""
    try:
        import uvloop  # noqa: PLC0415 - it may be missing
    except ImportError:
        constants.ACCEPT_RETRY_DELAY = ACCEPT_AGAIN_S  # type: ignore[misc, assignment]
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


def first_screen(
    loaded: Loaded, found: list[Found], state: str, command: Command, others: Sequence[Service] = ()
) -> list[str]:
    """What ``serve`` prints once its sockets are open."""
    settings, site = loaded.settings, loaded.site
    doing = f"enforcing: {', '.join(loaded.enforcing)}" if loaded.enforcing else WATCHING
    here = "   ".join(f"{one.name} {one.detail}".strip() for one in found if one.here)
    missing = ", ".join(one.name for one in found if not one.here)
    listening = [f"policy {place}" for place in settings.listen.policy]
    listening += [f"milter {place}" for place in settings.listen.milter]
    listening += [f"login {place}" for place in settings.listen.login]
    listening += [f"greylist {place}" for place in loaded.greylist.listen]
    counts = [
        _count(len(site.channels), "channel"),
        _count(len(site.scripts), "filter"),
        _count(len(site.mappings.tables), "mapping table"),
        _count(len(site.meters), "meter"),
    ]
    lines = [f"Sendwarden {__version__}   {doing}"]
    if here:
        lines.append(f"  found     {here}")
    if missing:
        lines.append(f"  not found {missing}        (fine: nothing here needs it)")
    lines.append(f"  listening {'   '.join(listening)}")
    lines += [one.line for one in others]
    lines.append(f"  using     {', '.join(counts)}    {command('settings')}")
    if loaded.problems:
        lines.append(f"  warnings  {len(loaded.problems)}    {command('check')}")
    lines.append(f"Next, in another window:  {command('connect postfix')}")
    lines.append("    shows the lines for main.cf and how to take them out again")
    lines.append(f"Stop: Ctrl-C.  State: {state} (delete it to start afresh).")
    return lines


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
