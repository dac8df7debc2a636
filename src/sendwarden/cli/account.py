"""``sendwarden account``: for now, which account a name belongs to and by which rules."""

import argparse

from sendwarden.cli.configuration import NoSettings, add_config, load_configuration
from sendwarden.cli.exits import CANNOT, GOOD
from sendwarden.cli.output import Output
from sendwarden.cli.words import one_of
from sendwarden.core.identity import resolve


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument(
        "verb",
        metavar="resolve",
        type=one_of("verb", "resolve"),
        help="which account does this name belong to?",
    )
    parser.add_argument("name", help="a login or an address, as somebody writes it")


def run(arguments: argparse.Namespace, output: Output) -> int:
    if not arguments.name.strip():
        output.error("an account has a name: sendwarden account resolve bob@example.org")
        return CANNOT
    try:
        loaded = load_configuration(arguments)
    except NoSettings as error:
        output.error(str(error))
        return CANNOT
    account, steps = resolve(arguments.name, loaded.site.identity)
    output.line(f"{arguments.name}  is account  {account}")
    for step in steps:
        made = f"{step.before} -> {step.after}" if step.before != step.after else "unchanged"
        output.line(f"  {step.rule:<15} {made:<40} {step.says}")
    output.record(
        {
            "name": arguments.name,
            "account": account,
            "rules": [
                {"rule": step.rule, "before": step.before, "after": step.after, "says": step.says}
                for step in steps
            ],
        }
    )
    return GOOD
