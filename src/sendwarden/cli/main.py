"""The command ``sendwarden``: finds the module of a command and runs it.

Only the module of the command at hand is imported, so that each starts at once. A command is one module with
`add_arguments` and `run`, and one line in `COMMANDS`.
"""

import argparse
import errno
import importlib
import io
import signal
import sys
from collections.abc import Sequence
from typing import Protocol, TextIO, cast

from sendwarden import __version__
from sendwarden.cli.exits import CANNOT
from sendwarden.cli.output import Output, OutputLost, complain, forget
from sendwarden.cli.words import WordsParser, not_known
from sendwarden.wire import policy_scan

# Name, module, what it does. In the order in which somebody new meets them.
COMMANDS: tuple[tuple[str, str, str], ...] = (
    ("serve", "serve", "run the daemon"),
    ("connect", "connect", "show or make the changes that let a mail server ask us"),
    ("check", "check", "check all settings, mapping tables, filters and options"),
    ("settings", "settings", "show every setting, its value and where it comes from"),
    ("explain", "explain", "show what would become of a message, step by step, without counting it"),
    ("mapping", "mapping", "run a mapping table on a probe, without counting it"),
    ("why", "why", "explain a decision by the reference in its refusal"),
    ("limits", "limits", "what an account may send, and other limits for it"),
    ("account", "account", "what is known of an account, its state, and who sends most"),
    ("dnsbl", "dnsbl", "what lists in the DNS say of an address or a domain, and how the lists are"),
    ("greylist", "greylist", "what greylisting remembers, and its answers as they are given"),
    ("log", "log", "what a mail log says of accounts, as events, and how much of it is understood"),
    ("replay", "replay", "show what the detection would have made of old events"),
    ("simulate", "simulate", "make up the traffic of a site, with stolen accounts and the truth beside it"),
    ("help", "help", "explain a setting or an error code"),
)


class CommandModule(Protocol):
    """What a command's module has."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, arguments: argparse.Namespace, output: Output) -> int: ...


def _version() -> str:
    scan = "   policy requests are scanned in C" if policy_scan.compiled else ""
    return f"Sendwarden {__version__}{scan}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command. Returns the exit code: 0 good, 1 no or errors found, 2 could not run, 3 warnings."""
    words = list(sys.argv[1:] if argv is None else argv)
    _print_anything()
    if words[:1] == ["serve"]:
        # While Python imports, an interrupt may be raised where nobody can catch it, and is lost. The daemon
        # listens to the signal itself once it runs.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        code = _run(words)
        Output(as_json=False).end()
    except KeyboardInterrupt:
        return CANNOT
    except OutputLost as lost:
        if str(lost):
            complain(f"sendwarden: {lost}\n")
        forget(sys.stdout)
        return CANNOT
    return code


def _run(words: list[str]) -> int:
    try:
        return _command(words) if words and not words[0].startswith("-") else _top(words)
    except SystemExit as stop:  # of argparse, which has said why
        return stop.code if isinstance(stop.code, int) else CANNOT


def _command(words: list[str]) -> int:
    name, *rest = words
    found = {command: (module, does) for command, module, does in COMMANDS}
    if name not in found:
        Output(as_json=False).error(not_known("command", name, found))
        return CANNOT
    module_name, does = found[name]
    module = cast("CommandModule", importlib.import_module(f"sendwarden.cli.{module_name}"))
    parser = WordsParser(f"sendwarden {name}", f"{does[0].upper()}{does[1:]}.")
    module.add_arguments(parser)
    parser.add_argument(
        "--json", action="store_true", help="one JSON object a line; ignore members you do not know"
    )
    arguments = parser.read(rest)
    return module.run(arguments, Output(as_json=arguments.json))


def _top(words: list[str]) -> int:
    """No command: what there is."""
    commands = [name for name, _, _ in COMMANDS]
    if command := next((word for word in words if word in commands), ""):
        others = [word for word in words if word != command]
        Output(as_json=False).error(f"the command comes first: sendwarden {command} {' '.join(others)}")
        return CANNOT
    lines = [f"  {name:<10} {does}" for name, _, does in COMMANDS]
    top = WordsParser("sendwarden", epilog="sendwarden COMMAND --help tells more.")
    top.usage = "sendwarden COMMAND ..."
    top.description = "\n".join(["commands:", *lines])
    top.formatter_class = argparse.RawDescriptionHelpFormatter
    top.add_argument("--version", action="version", version=_version())
    top.read(words)
    top.print_help()
    return CANNOT


class _Closed(io.TextIOBase):
    """Standard output that was closed before we began (``>&-``)."""

    def write(self, _text: str) -> int:
        raise OSError(errno.EBADF, "standard output is closed")


def _print_anything() -> None:
    """What the terminal's character set cannot show becomes a code, and no closed stream raises."""
    sys.stdout = cast("TextIO | None", sys.stdout) or _Closed()
    sys.stderr = cast("TextIO | None", sys.stderr) or io.StringIO()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
