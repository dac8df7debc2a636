"""What a milter asks of a mail server: steps, macros, changes it may make; and a decision as such changes."""

from collections.abc import Iterable, Mapping

from sendwarden.core.decision import Decision, Stage, Verdict
from sendwarden.core.identity import bare_address
from sendwarden.service.access import TAG_MACRO
from sendwarden.service.site import Site
from sendwarden.wire.milter.commands import (
    Body,
    Command,
    Connect,
    Data,
    EndOfHeaders,
    Header,
    Helo,
    Rcpt,
    Unknown,
)
from sendwarden.wire.milter.flags import Action, Step
from sendwarden.wire.milter.replies import (
    AddHeader,
    AddRecipient,
    Answer,
    ChangeHeader,
    ChangeSender,
    DeleteRecipient,
    Quarantine,
    Reply,
    ReplyCode,
    clean_lines,
)

# Actions that any configuration may come to need; asked for once, since a session outlives a reload.
ACTIONS = Action.ADD_HEADERS | Action.ADD_RECIPIENTS | Action.DELETE_RECIPIENTS | Action.QUARANTINE
# Those of access tables alone; a mail server too old for one of them is served without it.
ACCESS_ACTIONS = Action.CHANGE_HEADERS | Action.CHANGE_SENDER
# Macros for the connection where access tables are asked: what mail servers send there by themselves, and the
# ports of both ends. A list that we ask for takes the place of the mail server's own.
ACCESS_MACROS = (
    "j {daemon_name} {daemon_addr} {daemon_port} {if_name} {if_addr} {client_addr} {client_port} v _"
)

# Steps that never need an answer, or are never wanted.
ALWAYS = (
    Step.NR_HELO
    | Step.NR_DATA
    | Step.NR_UNKNOWN
    | Step.NR_HEADER
    | Step.NR_END_OF_HEADERS
    | Step.NR_BODY
    | Step.NO_UNKNOWN
    | Step.NO_DATA
    | Step.NO_END_OF_HEADERS
)
# Which command is answered with Continue, whatever it says, only if this step was not negotiated away.
ANSWERED: dict[type[Command], Step] = {
    Connect: Step.NR_CONNECT,
    Helo: Step.NR_HELO,
    Rcpt: Step.NR_RCPT,
    Data: Step.NR_DATA,
    Header: Step.NR_HEADER,
    EndOfHeaders: Step.NR_END_OF_HEADERS,
    Body: Step.NR_BODY,
    Unknown: Step.NR_UNKNOWN,
}
# Changes that an old mail server may not know.
ALLOWED_BY: dict[type[Reply], Action] = {
    AddHeader: Action.ADD_HEADERS,
    ChangeHeader: Action.CHANGE_HEADERS,
    ChangeSender: Action.CHANGE_SENDER,
}


def unwanted_steps(site: Site) -> Step:
    """What a configuration lets us negotiate away."""
    steps, asked = ALWAYS, site.access_stages("milter")
    for stage, step in ((Stage.CONNECT, Step.NR_CONNECT), (Stage.RCPT, Step.NR_RCPT)):
        if stage not in asked:
            steps |= step
    if not site.judges_senders and Stage.MAIL not in asked:
        steps |= Step.NR_MAIL
    if not any(script.facts.body for script in site.scripts) and not site.scans:
        steps |= Step.NO_BODY
    if not (site.reads_headers or site.scans or site.score_headers) and Stage.END_OF_MESSAGE not in asked:
        steps |= Step.NO_HEADERS
    return steps


def macros_at_connection(site: Site) -> str:
    """Macros to ask for at the connection, with those that channels have conditions on."""
    wanted = dict.fromkeys(ACCESS_MACROS.split())
    named = [name for channel in site.channels for name in channel.macros if name != TAG_MACRO]
    wanted |= dict.fromkeys(name for name in named if name.isprintable() and " " not in name)
    return " ".join(wanted)


def login_of(macros: Mapping[str, str], *, external: bool) -> str:
    """The name that was authenticated; "": none. ``external``: does a client certificate name an account?"""
    kind = macros.get("{auth_type}", "")
    if not kind or (kind.upper() == "EXTERNAL" and not external):
        return ""
    return macros.get("{auth_authen}", "")


def changes(decision: Decision, paths: list[str], text: str) -> list[Reply]:
    """Everything to send at the end of a message, the answer last."""
    if decision.watched or (decision.plain and not decision.changes):
        return [Answer.CONTINUE]
    match decision.verdict:
        case Verdict.REFUSE | Verdict.DEFER:
            return [ReplyCode(decision.smtp_code, decision.enhanced, clean_lines(text))]
        case Verdict.DISCARD:
            return [Answer.DISCARD]
    gone = {*decision.refused, *decision.discarded}
    replies: list[Reply] = [AddHeader(name, value) for name, value in decision.headers]
    replies += [AddRecipient(f"<{address}>") for address in decision.copies_to]
    replies += [DeleteRecipient(path) for path in dict.fromkeys(paths) if bare_address(path) in gone]
    replies += [ChangeHeader(1, name, value) for name, value in decision.fields]
    replies += [ChangeHeader(number, name, "") for name, number in decision.removed]
    if decision.new_sender is not None:
        replies.append(ChangeSender(f"<{decision.new_sender}>"))
    if decision.verdict is Verdict.HOLD:
        replies.append(Quarantine(" ".join(clean_lines(text))))
    # Continue, never a refusal, behind a quarantine: with one the mail server forgets it.
    return [*replies, Answer.CONTINUE]


def encoded(replies: Iterable[Reply]) -> bytes:
    """As they are sent."""
    return b"".join(reply.encode() for reply in replies)
