"""``sendwarden check``: every error of every file, with its place and what to write instead."""

import argparse

from sendwarden.cli.configuration import (
    SETTINGS_FILE,
    SYSTEM_SETTINGS,
    NoSettings,
    add_config,
    load_configuration,
)
from sendwarden.cli.exits import CANNOT, GOOD, NO, WARNINGS
from sendwarden.cli.live import live_warnings, standing_warnings
from sendwarden.cli.output import Output
from sendwarden.cli.probe import WallClock
from sendwarden.config.load import Loaded
from sendwarden.core.place import Severity, in_order


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument(
        "--brief", action="store_true", help="one line for each: file:line:column: code: text"
    )
    parser.add_argument(
        "--folder", default="", metavar="DIR", help="Postfix's configuration, if not /etc/postfix"
    )
    parser.add_argument("--strict", action="store_true", help="exit with 3 if there are warnings")


def run(arguments: argparse.Namespace, output: Output) -> int:
    try:
        loaded = load_configuration(arguments)
    except NoSettings as error:
        output.error(str(error))
        return CANNOT
    behind, last = standing_warnings(loaded, arguments.folder)
    problems = in_order([*loaded.problems, *live_warnings(loaded, WallClock().now()), *behind])
    for problem in problems:
        if arguments.brief and not output.as_json:
            output.line(f"{problem.place or '-'}: {problem.code}: {problem.sentence}")
        else:
            output.problem(problem)
    errors = sum(problem.severity is Severity.ERROR for problem in problems)
    warnings = len(problems) - errors
    output.line(f"{_count(errors, 'error')}, {_count(warnings, 'warning')} in {_files(loaded)}.")
    if last:
        output.line(last)
    if not loaded.folder.read_files and not problems:
        output.line(
            f"No settings file: looked for {SETTINGS_FILE} here and {SYSTEM_SETTINGS}. --config names one."
        )
    if errors:
        output.line("Nothing was changed; a daemon that runs keeps the settings it has.")
        return NO
    return WARNINGS if warnings and arguments.strict else GOOD


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _files(loaded: Loaded) -> str:
    """``6 files (2 TOML, 1 mapping file with 2 tables, 1 Sieve filter, 1 option file; 1 not read)``."""
    read = loaded.folder.read_files
    parts = []
    if read["TOML"]:
        parts.append(f"{read['TOML']} TOML")
    if read["mapping"]:
        tables = f" with {_count(loaded.tables, 'table')}"
        parts.append(f"{_count(read['mapping'], 'mapping file')}{tables}")
    if read["Sieve"]:
        parts.append(_count(read["Sieve"], "Sieve filter"))
    if read["option"]:
        parts.append(_count(read["option"], "option file"))
    not_read = f"; {loaded.not_read} not read" if loaded.not_read else ""
    inside = f" ({', '.join(parts)}{not_read})" if parts or not_read else ""
    return f"{_count(read.total() + loaded.not_read, 'file')}{inside}"
