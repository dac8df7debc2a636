"""The command ``sendwarden``: finds the module of a command and runs it.

Only the module of the command at hand is imported, so that each starts at once. A command is one module with
`add_arguments` and `run`, and one line in `COMMANDS`.
"""

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import Protocol, cast

from sendwarden import __version__
from sendwarden.cli.exits import CANNOT, GOOD
from sendwarden.cli.output import Output

# Name, module, what it does. In the order in which somebody new meets them.
COMMANDS: tuple[tuple[str, str, str], ...] = (
    ("serve", "serve", "run the daemon"),
    ("connect", "connect", "show or make the changes that let a mail server ask us"),
    ("check", "check", "check all settings, mapping tables, filters and options"),
    ("settings", "settings", "show every setting, its value and where it comes from"),
    ("explain", "explain", "show what would become of a message, step by step, without counting it"),
    ("mapping", "mapping", "run a mapping table on a probe, without counting it"),
    ("why", "why", "explain a decision by the reference in its refusal"),
    ("account", "account", "what is known of an account"),
    ("help", "help", "explain a setting or an error code"),
)


class CommandModule(Protocol):
    """What a command's module has."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, arguments: argparse.Namespace, output: Output) -> int: ...


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command. Returns the exit code: 0 good, 1 no or errors found, 2 could not run, 3 warnings."""
    words = list(sys.argv[1:] if argv is None else argv)
    modules = {name: module for name, module, _ in COMMANDS}
    if words[:1] and words[0] in modules:
        module = cast("CommandModule", importlib.import_module(f"sendwarden.cli.{modules[words[0]]}"))
        does = next(does for name, _, does in COMMANDS if name == words[0])
        parser = argparse.ArgumentParser(
            f"sendwarden {words[0]}", description=f"{does[0].upper()}{does[1:]}."
        )
        module.add_arguments(parser)
        parser.add_argument(
            "--json", action="store_true", help="one JSON object a line; ignore members you do not know"
        )
        arguments = parser.parse_args(words[1:])
        output = Output(as_json=arguments.json)
        try:
            return module.run(arguments, output)
        except BrokenPipeError:
            return GOOD
        except KeyboardInterrupt:
            return CANNOT
    top = argparse.ArgumentParser("sendwarden", epilog="sendwarden COMMAND --help tells more.")
    top.add_argument("--version", action="version", version=f"Sendwarden {__version__}")
    listed = top.add_subparsers(metavar="COMMAND", title="commands")
    for name, _, does in COMMANDS:
        listed.add_parser(name, help=does)
    if not words:
        top.print_help()
        return CANNOT
    top.parse_args(words)
    return CANNOT
