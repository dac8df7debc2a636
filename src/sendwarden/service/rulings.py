"""From what filters want, recipient by recipient, to one answer that a mail server can carry out.

A mail server can refuse, discard or hold only a whole message at its end; single recipients it can drop. So a
hold for one is a hold for all, and a refusal for some means that the message goes on without them (and that
an authenticated sender is told, see `service.notices`).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from sendwarden.core.decision import Decision, Reason, Request, Verdict
from sendwarden.engine.backscatter import sayable
from sendwarden.engine.channel import Channel, Mode
from sendwarden.engine.sieve.outcome import (
    Action,
    Capture,
    Discard,
    FileInto,
    Hold,
    Jettison,
    Keep,
    Outcome,
    Redirect,
    Reject,
    TransactionLog,
)
from sendwarden.engine.world import GreylistCall, not_asked
from sendwarden.service.ports import MeterTables
from sendwarden.service.site import Site

# Recipients named in a Reason before "and n more".
NAMED = 5

# Which of several wishes counts for a recipient: the first of this list.
PRECEDENCE: tuple[tuple[tuple[type[Action], ...], Verdict, str], ...] = (
    ((Jettison,), Verdict.DISCARD, "filter-discarded"),
    ((Reject,), Verdict.REFUSE, "filter-refused"),
    ((Hold, FileInto), Verdict.HOLD, "filter-held"),  # there are no mailboxes here: filed means kept back
    ((Discard,), Verdict.DISCARD, "filter-discarded"),
)

# Which of several decisions about a whole message counts: the first of these.
SEVERITY = (Verdict.REFUSE, Verdict.DEFER, Verdict.DISCARD, Verdict.HOLD, Verdict.ACCEPT)


@dataclass(frozen=True, slots=True)
class Ruling:
    """What the filters want for one recipient."""

    verdict: Verdict = Verdict.ACCEPT
    text: str = ""  # of a refusal, as the script says it
    why: str = ""  # id of the Reason
    file: str = ""
    line: int = 0


ACCEPTED = Ruling()


@dataclass(slots=True)
class Hearing:
    """A message while it is judged. It is the engine's `World`, and collects what the filters say."""

    now: float
    meters: MeterTables
    chance: Callable[[], float]
    warn: Callable[[str, str], None]
    rulings: dict[str, Ruling]
    greylist: Callable[[GreylistCall], str | None] = not_asked
    notes: dict[tuple[object, ...], Reason] = field(default_factory=dict)
    copies: dict[str, Reason] = field(default_factory=dict)

    def note(self, reason: Reason) -> None:
        # The same meter again, for the next recipient of the message: the later reading stands.
        self.notes[reason.id, reason.numbers.get("table"), reason.numbers.get("key")] = reason

    @property
    def plain(self) -> bool:
        """Does everything just go on, with nothing to say about it?"""
        return not self.copies and all(ruling is ACCEPTED for ruling in self.rulings.values())

    def take(self, outcome: Outcome, file: str, those: tuple[str, ...]) -> None:
        """Enter what one run of a filter wants for ``those`` recipients."""
        if outcome.error:
            failed: dict[str, str | int | float] = {
                "file": file,
                "line": outcome.error.line,
                "error": outcome.error.says,
            }
            self.notes["filter-failed", file, outcome.error.line] = Reason("filter-failed", failed)
            self.warn("filter-failed", f"{file}:{outcome.error.line} {outcome.error.says}")
            return
        if not outcome.actions:
            return
        ruling = _ruling(outcome, file)
        for action in outcome.actions:
            match action:
                case Capture(line, address):
                    self._copy("filter-copied", file, line, address)
                case Redirect(line, address):
                    self._copy("filter-redirected", file, line, address)
                case TransactionLog(line, text):
                    self.notes["filter-note", file, line] = Reason(
                        "filter-note", {"file": file, "line": line, "text": text}
                    )
                case _:
                    pass
        for recipient in those:
            self.rulings[recipient] = ruling

    def _copy(self, reason: str, file: str, line: int, address: str) -> None:
        if address in self.rulings:  # he gets it anyway; and a copy that comes by again is not copied again
            return
        self.copies.setdefault(address, Reason(reason, {"file": file, "line": line, "address": address}))

    def reasons(self) -> list[Reason]:
        """Everything found, and for each place in a filter one Reason with its recipients."""
        places: dict[Ruling, list[str]] = {}
        for recipient, ruling in self.rulings.items():
            if ruling.why:
                places.setdefault(ruling, []).append(recipient)
        ruled = [
            Reason(ruling.why, {"file": ruling.file, "line": ruling.line, "recipients": named(recipients)})
            for ruling, recipients in places.items()
        ]
        return [*self.notes.values(), *self.copies.values(), *ruled]


def _ruling(outcome: Outcome, file: str) -> Ruling:
    """The one verdict of an outcome."""
    for types, verdict, why in PRECEDENCE:
        for action in outcome.actions:
            if isinstance(action, types) and not getattr(action, "copy", False):
                text = action.text if isinstance(action, Reject) else ""
                return Ruling(verdict, text, why, file, action.line)
    away = [action for action in outcome.actions if isinstance(action, Redirect) and not action.copy]
    if away and not outcome.implicit_keep and not any(isinstance(action, Keep) for action in outcome.actions):
        return Ruling(Verdict.DISCARD, "", "filter-moved", file, away[0].line)
    return ACCEPTED


def joined(verdicts: Iterable[Verdict]) -> Verdict:
    """One verdict for the whole message."""
    found = set(verdicts)
    for verdict in (Verdict.HOLD, Verdict.ACCEPT, Verdict.REFUSE, Verdict.DEFER, Verdict.DISCARD):
        if verdict in found:
            return verdict
    return Verdict.ACCEPT


def named(recipients: Iterable[str]) -> str:
    names = list(recipients)
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def decided(request: Request, channel: Channel, site: Site, hearing: Hearing) -> Decision:
    """What may be said of a message, without whose it is and the reference to it."""
    verdicts: dict[str, Verdict] = {}
    for recipient, ruling in hearing.rulings.items():
        wanted = channel.refusal if ruling.verdict is Verdict.REFUSE else ruling.verdict
        verdicts[recipient] = sayable(wanted, request, channel, site.internal, site.relays)
    whole = joined(verdicts.values())
    if whole is Verdict.DISCARD and hearing.copies:
        whole = Verdict.ACCEPT  # only the copies go on
    reasons = hearing.reasons()
    texts = [ruling.text for ruling in hearing.rulings.values() if ruling.text]
    refused = any(ruling.verdict is Verdict.REFUSE for ruling in hearing.rulings.values())
    if refused and not {Verdict.REFUSE, Verdict.DEFER} & set(verdicts.values()):
        reasons.append(Reason("no-backscatter", {"verdict": channel.unauthenticated.value}))
    if whole is Verdict.HOLD and set(verdicts.values()) != {Verdict.HOLD}:
        reasons.append(Reason("whole-message"))
    goes_on = whole in (Verdict.ACCEPT, Verdict.HOLD)
    return Decision(
        whole,
        channel.name,
        "",
        tuple(reasons),
        text=texts[0] if texts else "",
        enhanced="4.7.1" if channel.refusal is Verdict.DEFER else "5.7.1",
        refused=_those(verdicts, channel.refusal) if goes_on else (),
        discarded=_those(verdicts, Verdict.DISCARD) if goes_on else (),
        copies_to=tuple(hearing.copies) if goes_on else (),
        watched=channel.mode is Mode.WATCH,
    )


def _those(verdicts: dict[str, Verdict], wanted: Verdict) -> tuple[str, ...]:
    return tuple(recipient for recipient, verdict in verdicts.items() if verdict is wanted)
