"""Every sentence that a Reason can become, in one catalogue.

`sentence` takes a translator (gettext's signature), so that a catalogue of another language can stand in;
numbers are put in after translation. A Reason without an entry here is a bug that a test finds.
"""

from collections.abc import Callable
from datetime import UTC, datetime

from sendwarden.core.decision import Decision, Reason
from sendwarden.core.units import duration, size

SENTENCES: dict[str, str] = {
    "channel": 'channel "{channel}": {why}',
    "meter-over": "{key} used {hits} of {quota} in table {table} within {window}; room again in {frees_in}",
    "filter-refused": "filter {file} line {line} refused it for {recipients}",
    "filter-discarded": "filter {file} line {line} discarded it for {recipients}",
    "filter-held": "filter {file} line {line} held it for {recipients}",
    "filter-copied": "filter {file} line {line} sent a copy to {address}",
    "filter-redirected": "filter {file} line {line} sent it on to {address}",
    "filter-moved": "filter {file} line {line} sent it elsewhere instead of to {recipients}",
    "filter-note": "filter {file} line {line} notes: {text}",
    "filter-failed": "filter {file} line {line} stopped: {error}; the message is kept",
    "no-backscatter": "the sender is not authenticated, a refusal could hit a stranger: {verdict} instead",
    "foreign-sender": 'the envelope sender "{sender}" does not belong to "{account}"',
    "sender-not-known": (
        'it was not known yet whether "{sender}" belongs to "{account}", since the directory had not answered'
    ),
    "access-refused": 'table {table} ({entry}) refuses "{probe}"',
    "access-held": 'table {table} ({entry}) holds the message for "{probe}"',
    "access-discarded": 'table {table} ({entry}) discards it for "{probe}"',
    "access-delayed": "table {table} ({entry}) delays the answer by {seconds} s",
    "access-header": 'table {table} ({entry}) adds the header "{header}"',
    "access-sender": 'table {table} ({entry}) makes "{sender}" the envelope sender',
    "access-field": 'table {table} ({entry}) sets {field} to "{value}"',
    "access-told": "table {table} ({entry}) notes: {text}",
    "access-void": "table {table} ({entry}): flag ${flag} has no effect here",
    "limit-over": (
        "{account} has used {used} of {most} {counted} in {window}, on channel {channel}; "
        "room again in {frees_in}, at {frees_at}"
    ),
    "limit-share": "{account} has used {used} of {most} {counted} in {window}, on channel {channel}",
    "limit-no-room": (
        "{account} has used {used} of {most} {counted} in {window}, on channel {channel}, "
        "and had no room for {no_room_for} more at once"
    ),
    "incoming-share": "{used} of {most} {counted} in {window} came {whose} {account}",
    "limit-too-much": (
        "{asked} {counted} in one message are more than the {most} that may go in {window}, on channel "
        "{channel}; send it to fewer at a time"
    ),
    "limit-too-large": (
        "a message of {asked} is more than the {most} that may go in {window}, on channel {channel}; "
        "send a smaller one"
    ),
    "limit-not-known": (
        "it is not known yet how much {account} has used, on channel {channel}; try again in a minute"
    ),
    "incoming-over": (
        "too much mail {whose} {key}: {used} of {most} messages in {window}; "
        "room again in {frees_in}, at {frees_at}"
    ),
    "limit-message": (
        "a message may have {most} recipients, on channel {channel}; send it to fewer at a time"
    ),
    "account-contained": "the account {account} is closed for sending: {why}",
    "account-held": "mail of the account {account} is held: {why}",
    "greylisted": "mail from the network {client} is to be sent again a little later ({why})",
    "greylist-blocked": "mail from the network {client} is refused for what lists say of it",
    "account-contained-told": "the account {account} is closed for sending; please ask your postmaster",
    "account-held-told": "mail of the account {account} waits for the postmaster",
    "too-many-headers": (
        "the message has more than {most} header fields, or more letters in them than mail ever has"
    ),
    "webmail-several": "the webmail names several accounts for one message: {accounts}",
    "foreign-header": '{header} names "{address}", which does not belong to "{account}"',
    "no-from": 'there is no {header}, and the envelope sender "{address}" does not belong to "{account}"',
    "display-name": 'the name in {header} reads "{address}", which does not belong to "{account}"',
    "several-from": "there are {count} {header} fields, and each mail program shows another",
    "unreadable-header": '{header} cannot be read for sure: "{text}"',
    "no-sender-field": "{header} names {count} authors, and no {sender} says which of them sends",
    "resent": 'the message was sent on; its {header} names "{address}", which is not judged',
    "scored": "{scanner} gives it {score} of {threshold}",
    "spam-scored": "the message looks like spam: {scanner} gives it {score} of {threshold}",
    "virus-found": "{scanner} found {virus} in the message",
    "phishing-found": "{scanner} calls it phishing ({rule})",
    "scanner-silent": "{scanner} did not look at it: {why}",
    "score-forged": "{count} {header} fields were written by none of its writers, and do not count",
    "login-stopped": "logging in to this account is stopped to protect it; please ask your postmaster",
    "no-such-recipients": (
        "{invalid} of {of} new recipients within a day do not exist; usual with this account are {usual} %"
    ),
    "policy-refusal": "{domain} refuses mail of this account and of no other",
    "spam-score": "a scanner gives a message {score}; {usual} % of the account's messages have such scores",
    "complaint": "complaint ({source}) about a message to {recipients} recipients",
    "hearsay": "complaint about a message that is not known here",
    "foreign-from": 'first mail as "{address}"',
    "new-reply-to": 'replies go to "{address}" for the first time',
    "shared-address": "{others} other accounts with evidence against them send from {address}",
    "incident-address": "{address} was used with another stolen account",
    "incident-list": "the same {recipients} recipients got mail from another stolen account",
    "new-country": "used from {country} ({asn}) for the first time",
    "new-network": "used from {asn} for the first time",
    "several-countries": "{countries} countries within a day",
    "impossible-journey": "from {from} to {to}, about {km} km, faster than anybody can travel",
    "two-places": "active from its usual place {minutes} minutes ago",
    "many-prefixes": "about {prefixes} strange networks within a day",
    "rate": "{messages} messages in ten minutes, busy is {usual}",
    "new-recipients": "{new} of {of} recipients were never written to before, {unheard} by nobody here",
    "answered-phisher": "mail to {address}, where phishers collect answers",
    "changed": "{attribute} was changed",
    "guessed": "login after {failures} failures",
    "sprayed": "login from {address}, which tried {accounts} other accounts",
    "whole-message": "held as a whole: a mail server cannot hold single recipients",
}

# What stands in a channel's place where a limit holds over all channels.
_OVER_ALL = {"[spam-scored]": "mail that looks like spam"}
_ON_CHANNEL = "on channel {channel}"

# What is counted, where the name of the counter alone does not say it.
_COUNTED = {
    "internal": "internal recipients",
    "external": "external recipients",
    "distinct": "distinct recipients",
    "new": "new recipients",
    "bytes": "of mail",
}
# Numbers that are sizes where bytes are counted.
_AMOUNTS = frozenset({"used", "most", "asked", "no_room_for"})

Translate = Callable[[str], str]


def sentence(reason: Reason, translate: Translate = str) -> str:
    """One sentence without a final stop, e.g. for the log or `sendwarden why`."""
    numbers = shown_numbers(reason)
    template = SENTENCES[reason.id]
    if instead := _OVER_ALL.get(str(numbers.get("channel"))):
        template = template.replace(_ON_CHANNEL, f"for {instead}")
    return translate(template).format(**numbers)


def channel_shown(channel: str) -> str:
    """A channel as people read it: its name, or what is limited over all channels."""
    return _OVER_ALL.get(channel, channel)


def shown_numbers(reason: Reason) -> dict[str, str | int | float]:
    """The numbers of a reason as people read them."""
    counted = reason.numbers.get("counted")
    numbers = {name: _shown(name, value, counted) for name, value in reason.numbers.items()}
    if reason.numbers.get("estimated"):
        numbers["used"] = f"~{numbers['used']}"
    return numbers


def _shown(name: str, value: str | float, counted: object) -> str | int | float:
    if isinstance(value, str):
        return _COUNTED.get(value, value) if name == "counted" else value
    if name in {"window", "frees_in"}:
        return duration(value)
    if name in _AMOUNTS and counted == "bytes":
        return size(value)
    return moment(value) if name == "frees_at" else value


def moment(at: float) -> str:
    """A time for people: ``24 Nov 15:05 UTC``."""
    return f"{datetime.fromtimestamp(at, UTC):%d %b %H:%M UTC}"


def refusal_text(decision: Decision, translate: Translate = str) -> str:
    """What the sender's mail program shows: the site's own words or ours, then the reference in brackets."""
    words = decision.text or "; ".join(sentence(reason, translate) for reason in decision.reasons[-1:])
    words = f"{words}; {decision.help}" if decision.help else words
    gap = "" if not words or words[-1].isspace() else " "
    return f"{words}{gap}[{decision.reference}]" if decision.reference else words
