"""A judge over one channel, and messages for it."""

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import ip_network

from sendwarden.core.decision import Decision, Message, Request, Stage
from sendwarden.core.identity import IdentityRules
from sendwarden.core.texts import sentence
from sendwarden.engine.channel import Channel, Mode
from sendwarden.service.judge import Judge
from sendwarden.service.site import Site
from sendwarden.stores.memory import MemoryMeters
from tests.service.outside import outside, script
from tests.stores.around import KeptLog

SITE = Site(
    identity=IdentityRules(realms=frozenset({"example.org"})),
    domains=("example.org",),
    internal=(ip_network("10.0.0.0/8"),),
    relays=(ip_network("10.9.0.0/16"),),
)
ENFORCING = Channel("c", mode=Mode.ENFORCE)

# Who sends: somebody with a login, an internal client, a relay for others, a stranger, a local program.
WHO: dict[str, Request] = {
    "authenticated": Request(Stage.END_OF_MESSAGE, client_address="192.0.2.7", login="eve"),
    "internal": Request(Stage.END_OF_MESSAGE, client_address="10.1.1.1"),
    "relay": Request(Stage.END_OF_MESSAGE, client_address="10.9.1.1"),
    "outside": Request(Stage.END_OF_MESSAGE, client_address="192.0.2.7"),
    "local program": Request(Stage.END_OF_MESSAGE),
}
HEARS = {"authenticated": True, "internal": True, "relay": False, "outside": False, "local program": True}


def judge_of(channel: Channel, log: KeptLog | None = None, site: Site = SITE) -> Judge:
    return Judge(replace(site, channels=(channel,)), MemoryMeters({}), outside(log=log))


def filtered(text: str, **settings: object) -> Channel:
    return replace(ENFORCING, sourcefilter=script(text), **settings)  # type: ignore[arg-type]


def message(
    recipients: Iterable[str] = ("v@x.example",),
    who: str = "authenticated",
    sender: str = "eve@example.org",
    headers: tuple[tuple[str, str], ...] = (),
) -> Message:
    return Message(replace(WHO[who], sender=sender, recipients=tuple(recipients)), headers)


def said(decision: Decision) -> list[str]:
    return [sentence(reason) for reason in decision.reasons]
