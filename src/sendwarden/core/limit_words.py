"""What a notice about a limit says besides the sentence of its Reason: a subject, and what happens next."""

from collections.abc import Mapping

from sendwarden.core.decision import Reason
from sendwarden.core.texts import moment, sentence, shown_numbers

# What happens with what is over a limit, by the name of the action (`OverLimit.name`).
FOLLOWS: Mapping[str, str] = {
    "defer": (
        "{more} is deferred until there is room again{alone}: a mail program shows an error, a mail server "
        "tries again by itself."
    ),
    "refuse": "{more} is refused until there is room again.",
    "hold": (
        "{more} is accepted, and waits in the mail server's hold queue until a postmaster releases it. Once "
        "there is room again, mail passes as before."
    ),
    "discard": "{more} is accepted and thrown away until there is room again.",
    "slow": "{more} passes all the same, but each answer of the mail server takes longer.",
    "filter": '{more} passes all the same, by another way of the mail server ("{transport}").',
}
# What no waiting would let through is refused; of mail that comes in one message is never more than a limit.
_ALONE = ", and refused for good where one message alone is more than the limit"
_ALL_PERCENT = 100


def limit_subject(reason: Reason) -> str:
    """It names the account and the limit."""
    numbers = shown_numbers(reason)
    limit = "{most} {counted} in {window}".format(**numbers)
    whose = f"Mail {numbers['whose']} {numbers['account']}" if "whose" in numbers else numbers["account"]
    if "no_room_for" in numbers:
        return f"{whose}: no room for {numbers['no_room_for']} more at once, limit {limit}"
    if numbers["percent"] == _ALL_PERCENT:
        return f"{whose} reached the limit of {limit}"
    return f"{whose}: {numbers['percent']} % used of the limit of {limit}"


def limit_paragraphs(reason: Reason, at: float) -> tuple[str, str]:
    """What was reached, and what happens with more. ``at`` in seconds since the epoch."""
    numbers = reason.numbers
    named = Reason("limit-no-room", numbers) if "no_room_for" in numbers else reason
    soon = numbers["percent"] != _ALL_PERCENT
    more = "When the limit is reached, mail beyond it" if soon else "Mail beyond the limit"
    alone = "" if "whose" in numbers else _ALONE
    transport = numbers.get("transport", "")
    follows = FOLLOWS[str(numbers["action"])].format(more=more, alone=alone, transport=transport)
    return f"{moment(at)}: {sentence(named)}.", follows
