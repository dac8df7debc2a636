"""``sendwarden why REF``: the whole decision behind a reference, from the state of the daemon."""

import argparse
from datetime import UTC, datetime

from sendwarden.cli.configuration import NoSettings, add_config, load_configuration, open_state
from sendwarden.cli.exits import CANNOT, GOOD, NO
from sendwarden.cli.output import Output
from sendwarden.core.errors import StoreDown
from sendwarden.core.reference import parse_reference

# Facts of the envelope in the order in which they are shown.
FACTS = (
    "account",
    "login",
    "channel",
    "client",
    "sender",
    "recipients",
    "queue_id",
    "refused",
    "discarded",
    "copies_to",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument("reference", help="as the refusal shows it: SW-7K3QXD")


def run(arguments: argparse.Namespace, output: Output) -> int:
    try:
        reference = parse_reference(arguments.reference)
        state = open_state(load_configuration(arguments))
        if state is None:
            output.error("there is no state yet: no daemon has run with these settings")
            return CANNOT
        record = state.decision(reference)
        state.close()
    except (ValueError, NoSettings, StoreDown) as error:
        output.error(str(error))
        return CANNOT
    if record is None:
        output.error(
            f"{reference} is not known here: given out by another machine, or longer ago than keep_decisions"
        )
        return NO
    output.record(record)
    _show(record, output)
    return GOOD


def _show(record: dict[str, object], output: Output) -> None:
    at = datetime.fromtimestamp(float(str(record["at"])), UTC).astimezone()
    would = "would have been: " if record.get("watched") else ""
    output.line(f"{record['reference']}  {at:%d %b %Y %H:%M:%S %Z}  {would}{record['verdict']}")
    for name in FACTS:
        value = record.get(name)
        if value:
            shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            output.line(f"  {name.replace('_', ' '):<12} {shown}")
    says = record.get("says")
    for number, sentence in enumerate(says if isinstance(says, list) else []):
        output.line(f"  {'because' if number == 0 else '':<12} {sentence}")
    said = "would say" if record.get("watched") else "said"
    for number, line in enumerate(str(record.get("text", "")).splitlines()):
        output.line(f"  {said if number == 0 else '':<12} {line}")
    if record.get("watched"):
        output.line("  watching only: the message passed unchanged")
