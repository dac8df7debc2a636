"""What a postmaster asks of greylisting, and does by hand about single triplets: verbs of the desk."""

from collections.abc import Mapping
from typing import Any

from sendwarden.engine.greylist.places import Places
from sendwarden.engine.greylist.question import Action, Question
from sendwarden.service.greylisting import Greylisting
from sendwarden.service.ports import Clock, EventLog
from sendwarden.service.question import NO_REASON, Refusal, acted, text_of

Asked = Mapping[str, Any]
Answer = dict[str, Any]


class GreyDesk:
    """Answers about what greylisting remembers."""

    def __init__(self, greylisting: Greylisting, places: Places, clock: Clock, log: EventLog) -> None:
        self._greylisting = greylisting
        self._greylister = greylisting.greylister
        self._places = places
        self._clock = clock
        self._log = log
        self.verbs = {
            "greylist-counts": self._counts,
            "greylist-show": self._show,
            "greylist-allow": self._allow,
            "greylist-forget": self._forget,
        }

    async def _counts(self, _question: Asked) -> Answer:
        """Since the start, but for what is remembered."""
        counted, known, now = self._greylisting, self._greylister, self._clock.now()
        checks = counted.checks
        return {
            "answers": {action.value: counted.said[action] for action in Action},
            "triplets": len(known.triplets),
            "waiting": known.triplets.waiting(now),
            "networks": len(known.clients),
            "checks": dict(counted.found)
            | {name: counted.found[name] for name in (checks.lists if checks else ())},
            "out_of_service": list(checks.out_of_service if checks else ()),
            "unanswered": counted.unanswered,
            "dropped": counted.dropped,
        }

    async def _show(self, question: Asked) -> Answer:
        asked, network, key = self._triplet(question)
        now = self._clock.now()
        free_at = self._greylister.triplets.free_at(key, now)
        state = "unknown" if free_at is None else "has waited" if now >= free_at else "waits"
        return {
            "network": network,
            "state": state,
            "free_at": free_at or None,
            "free_in_s": max(0.0, free_at - now) if free_at else 0.0,
            "passes": self._greylister.clients.count(network, now),
            "exempt": self._greylister.exempt(asked, network, now),
            "new_network": bool(asked.account) and self._places.is_new(asked.account, network, now),
        }

    async def _allow(self, question: Asked) -> Answer:
        return self._act("greylist-allowed", question)

    async def _forget(self, question: Asked) -> Answer:
        return self._act("greylist-forgotten", question)

    def _act(self, event: str, question: Asked) -> Answer:
        asked, network, key = self._triplet(question)
        if not text_of(question, "reason"):
            raise Refusal(NO_REASON)
        triplets = self._greylister.triplets
        if event == "greylist-allowed":
            triplets.passed(key, self._clock.now())
        elif not triplets.forget(key):
            raise Refusal("this triplet is not known: there is nothing to forget")
        about = {"network": network, "sender": asked.sender, "recipient": asked.recipient}
        self._log.event(event, {**about, **acted(question)})
        return about

    def _triplet(self, question: Asked) -> tuple[Question, str, int]:
        names = ("sender", "recipient", "client", "helo", "account")
        sender, recipient, client, helo, account = (text_of(question, name) for name in names)
        # What channels make wait, they make wait by account.
        asked = Question(sender, recipient, client, helo or None, account, bool(account))
        network = self._greylister.keys.network(client)
        if not network:
            raise Refusal(f"{client!r} is no IP address: write 192.0.2.7")
        return asked, network, self._greylister.keys.key(network, asked)
