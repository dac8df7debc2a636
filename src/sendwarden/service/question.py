"""Questions to the desk: plain dictionaries, since they travel as JSON between a command and the daemon."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sendwarden.core.errors import SendwardenError
from sendwarden.core.identity import account_of, named_host
from sendwarden.core.place import did_you_mean
from sendwarden.engine.limits.incoming import KINDS, Key
from sendwarden.service.limiter import Limiter

Question = Mapping[str, Any]
Answer = dict[str, Any]
Verb = Callable[[Question], Awaitable[Answer]]

NO_REASON = "acts by hand have a reason: --reason 'why'"
# An act by hand ends.
LONGEST_S = 10 * 366 * 86_400.0


class Refusal(SendwardenError):
    """What was asked cannot be done; the text says what to write instead."""


def text_of(question: Question, name: str) -> str:
    """Raises `Refusal` for what no store could keep."""
    written = str(question.get(name, "")).strip()
    try:
        written.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise Refusal(f"half a letter stands in {name}: take it out") from None
    return written


def reason_of(question: Question) -> str:
    reason = text_of(question, "reason")
    if not reason:
        raise Refusal(NO_REASON)
    return reason


def end_of(question: Question, now: float) -> float:
    """When an act is over: ``until`` in seconds since the epoch, or ``for_s`` from now on."""
    until = float(question["until"]) if "until" in question else now + float(question.get("for_s", 0))
    if not now < until <= now + LONGEST_S:
        raise Refusal("acts by hand end, after now and within ten years: --until 7d, --until 2026-12-31")
    return until


def acted(question: Question) -> dict[str, object]:
    return {"by": str(question.get("by", "")), "reason": str(question.get("reason", ""))}


@dataclass(frozen=True, slots=True)
class Names:
    """What names of accounts and channels in questions stand for."""

    limiter: Limiter

    def account(self, question: Question) -> str:
        """A login folds to its account; an address of a host is the host, unless a login is called so."""
        written = text_of(question, "account")
        if not written:
            raise Refusal("an account has a name, such as bob@example.org")
        if written.startswith("["):
            return named_host(written) or written
        account = account_of(written, self.limiter.site.identity)
        known = any(self.limiter.table.has(one.name, account) for one in self.limiter.site.channels)
        return account if known else named_host(written) or account

    def channel(self, question: Question) -> str:
        """The channel that is meant alone; "": all."""
        wanted = str(question.get("channel", ""))
        known = [channel.name for channel in self.limiter.site.channels]
        if wanted and wanted not in known:
            close = did_you_mean(wanted, known)
            listed = f"channels are {', '.join(known) or 'none'}"
            raise Refusal(f"there is no channel {wanted!r}; {f'{close} ' if close else ''}{listed}")
        return wanted

    def targets(self, question: Question) -> list[tuple[str, str]]:
        """Accounts with the channel that is meant alone; or keys of incoming mail with their rows."""
        if not question.get("incoming"):
            return [(self.account(question), self.channel(question))]
        keys = self.keys(question)
        counted = [key for key in keys if key.kind in self.limiter.site.incoming.rows]
        if not counted:
            kinds = ", ".join(key.kind for key in keys)
            raise Refusal(f"{keys[0].name} is not counted: [incoming] limits names no {kinds}")
        return [(key.name, key.kind) for key in counted]

    def keys(self, question: Question) -> list[Key]:
        """What a name of incoming mail stands for, by the rows of `KINDS`."""
        written, row = text_of(question, "account"), str(question.get("channel", ""))
        if not written:
            raise Refusal("incoming mail is counted for a mailbox, a network or a domain: name one")
        if row and row not in KINDS:
            close = did_you_mean(row, KINDS)
            rows = f"rows of incoming mail are {', '.join(KINDS)}"
            raise Refusal(f"there is no row {row!r}; {f'{close} ' if close else ''}{rows}")
        try:
            keys = self.limiter.site.incoming.named(written, self.limiter.mailbox)
        except ValueError as error:
            raise Refusal(f"{written} is nothing that is counted: {error}") from None
        found = [key for key in keys if row in ("", key.kind)]
        if not found:
            raise Refusal(f"{row} does not count {written}: {' and '.join(key.kind for key in keys)} would")
        return found
