"""Greylisting of a channel's own mail, by milter and policy: whose mail waits, and why.

Off unless a channel says so. Mail of an account, and of a webmail, waits once for all that the account sends
from there: a person at a keyboard cannot be told to try again for each recipient. Mail without a login waits
by gross's triplets. Whose account is shut is not asked: that is said instead.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from sendwarden.core.account import State
from sendwarden.core.decision import Decision, Reason, Request, Stage, Verdict
from sendwarden.core.networks import in_networks
from sendwarden.engine.backscatter import sayable
from sendwarden.engine.channel import Channel, Mode
from sendwarden.engine.greylist.places import Places
from sendwarden.engine.greylist.question import Action, Answer, Question
from sendwarden.engine.webmail import Headers, client_behind
from sendwarden.service.greylisting import Greylisting, Lookup, Want
from sendwarden.service.limiter import Limiter
from sendwarden.service.ports import Clock, References
from sendwarden.service.repeats import Repeats
from sendwarden.service.site import Site

# States in which an account's mail waits by "risk". Those that are worse stop it altogether.
AT_RISK = frozenset({State.WATCHED, State.THROTTLED})
_SHUT = frozenset({State.HELD, State.CONTAINED})

# Gives, within so many seconds, what is decided; None: it goes on.
Later = Callable[[float], Coroutine[None, None, Decision | None]]


class Kept(NamedTuple):
    """What is remembered over a reload."""

    greylisting: Greylisting
    places: Places
    limiter: Limiter


@dataclass(frozen=True, slots=True)
class _Asked:
    """One message, or one recipient of it."""

    request: Request
    channel: Channel
    account: str
    network: str
    want: Want


class ChannelGreylisting:
    """Asks by one Site."""

    def __init__(self, site: Site, kept: Kept, clock: Clock, references: References) -> None:
        self._site = site
        self._greylisting, self._places, self._limiter = kept
        self._clock = clock
        self._repeats = Repeats(references)

    def ask(
        self, request: Request, channel: Channel, account: str, headers: Headers | None = None
    ) -> Decision | Later | None:
        """At RCPT, or with ``headers`` at the end of a message. None: it goes on."""
        if not channel.greylist or (request.login and self._limiter.state(account) in _SHUT):
            return None
        by_webmail = in_networks(request.client_address, self._site.webmail.hosts)
        if by_webmail and headers is None:
            return None  # who sends, its header says
        client = client_behind(request, headers or (), self._site.webmail, self._site.identity)
        network = self._greylisting.greylister.keys.network(client or request.client_address)
        if not network:
            return None  # a program on the mail server
        known = bool(client)
        want = self._want(request, channel, account, network, known=known)
        asked = _Asked(request, channel, account, network, want)
        if not (want.required or want.checks):
            self._passed(asked)
            return None
        questions = self._questions(request, client or request.client_address, account, by_webmail=by_webmail)
        answers = [self._greylisting.ask(question, want) for question in questions]
        if any(isinstance(answer, Lookup) for answer in answers):
            return partial(self._later, asked, answers)
        return self._decided(asked, [answer for answer in answers if isinstance(answer, Answer)])

    def _want(self, request: Request, channel: Channel, account: str, network: str, *, known: bool) -> Want:
        """Which of the channel's conditions hold. ``known``: is it known from where the mail comes?"""
        names, login, now = channel.greylist, bool(request.login), self._clock.now()
        why = [name for name, holds in (
            ("all", "all" in names),
            ("risk", "risk" in names and login and self._limiter.state(account) in AT_RISK),
            ("new-network", "new-network" in names and login and known
             and self._places.is_new(account, network, now)),
        ) if holds]  # fmt: skip
        checks = known and self._greylisting.checks is not None and bool({"all", "listed"} & names)
        return Want(checks, bool(why), channel.mode is Mode.WATCH, channel.name, " ".join(why) or "listed")

    def _questions(self, request: Request, client: str, account: str, *, by_webmail: bool) -> list[Question]:
        login = account if request.login else ""
        by_account = bool(login) or by_webmail
        asked = [
            Question(request.sender, recipient, client, request.helo or None, login, by_account)
            for recipient in request.recipients
        ]
        if not by_account or not asked:
            return asked
        # One for all, of a recipient who is not exempt, if there is one.
        exempt, now = self._greylisting.greylister.exempt, self._clock.now()
        return [next((one for one in asked if not exempt(one, "", now)), asked[0])]

    async def _later(
        self, asked: _Asked, answers: Sequence[Answer | Lookup], within_s: float
    ) -> Decision | None:
        """All at the same time, so that many recipients take no longer than one."""
        looks = [self._greylisting.look(one, within_s) for one in answers if isinstance(one, Lookup)]
        known = [one for one in answers if isinstance(one, Answer)]
        return self._decided(asked, [*known, *await asyncio.gather(*looks)])

    def _decided(self, asked: _Asked, answers: Sequence[Answer]) -> Decision | None:
        """The severest: a message waits as a whole."""
        actions = {answer.action: answer for answer in answers}
        severest = actions.get(Action.BLOCK) or actions.get(Action.GREY)
        if asked.want.watching or severest is None:
            self._passed(asked)
            return None
        request, channel = asked.request, asked.channel
        verdict, reason, enhanced = Verdict.DEFER, "greylisted", "4.7.1"
        if severest.action is Action.BLOCK:
            verdict, reason, enhanced = Verdict.REFUSE, "greylist-blocked", "5.7.1"
            if request.stage is Stage.END_OF_MESSAGE:
                verdict = sayable(verdict, request, channel, self._site.internal, self._site.relays)
        reasons = (Reason(reason, {"client": asked.network, "why": asked.want.why}),)
        decision = Decision(
            verdict, channel.name, asked.account, reasons, text=severest.reason, enhanced=enhanced
        )
        same = (channel.name, asked.account, asked.network, verdict)
        return self._repeats.once(same, decision, self._limiter.quantum)

    def _passed(self, asked: _Asked) -> None:
        if asked.request.login and "new-network" in asked.channel.greylist:
            self._places.came(asked.account, asked.network, self._clock.now())
