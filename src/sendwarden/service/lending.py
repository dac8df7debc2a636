"""Whether senders are the account's, by the settings' file and by what a directory has said of it so far.

Nothing waits for the directory. What an account was lent lately, or of an account that is not known yet, is
asked behind the answer; meanwhile nothing is held against an account that is not known.
"""

from dataclasses import replace

from sendwarden.core.decision import Message, Reason, Request
from sendwarden.engine.channel import Channel
from sendwarden.engine.owners import Owners
from sendwarden.service.attributes import Attributes
from sendwarden.service.limiter import Limiter
from sendwarden.service.ports import EventLog
from sendwarden.service.senders import NOT_KNOWN, envelope_mismatch, message_mismatch, undecided
from sendwarden.service.site import Site


class Lending:
    """Compares senders with accounts. Without a ``limiter`` no directory is asked."""

    def __init__(self, site: Site, limiter: Limiter | None, log: EventLog) -> None:
        self._site = site
        self._limiter = limiter
        self._log = log

    def look(self, request: Request, channel: Channel, account: str) -> None:
        """Have a directory asked, so that it is known at the end of the message."""
        self._owners(request, channel, account)

    def envelope(self, request: Request, channel: Channel, account: str) -> tuple[Reason, ...]:
        owners, known = self._owners(request, channel, account)
        return self._held(envelope_mismatch(request, channel, account, owners), account, known=known)

    def message(self, message: Message, channel: Channel, account: str) -> tuple[Reason, ...]:
        owners, known = self._owners(message.request, channel, account)
        return self._held(message_mismatch(message, channel, account, owners), account, known=known)

    def _owners(self, request: Request, channel: Channel, account: str) -> tuple[Owners, bool]:
        """What the account may send as, and whether that is known."""
        owners = self._site.owners
        compared = "own" in (channel.senders, channel.header_from)
        if not (self._site.lends and request.login and compared):
            return owners, True
        granted = self._attributes.senders(account) if self._attributes else None
        return (replace(owners, granted=granted) if granted else owners), granted is not None

    @property
    def _attributes(self) -> Attributes | None:
        return self._limiter.attributes if self._limiter else None

    def _held(self, found: tuple[Reason, ...], account: str, *, known: bool) -> tuple[Reason, ...]:
        """What is held against the account of what was found."""
        if not (found and self._site.lends):
            return found
        if known:
            if self._attributes:
                self._attributes.doubt(account)  # it may have been lent since
            return found
        left = undecided(found)
        if left != found:
            self._log.warning(NOT_KNOWN, "mail passed with senders of which the directory has yet to say")
        return left
