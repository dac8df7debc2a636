"""The no-backscatter rule: what may be said to a sender, as one function.

A refusal given to somebody who merely relays becomes a bounce to whoever stands in the envelope, and that is
often a stranger whose address was forged. So a refusal is said only where the sender himself hears it: to an
authenticated sender, or to an internal host that is not named as a relay for others. Everybody else's message
is held (default) or discarded, as the channel says.
"""

from sendwarden.core.decision import Request, Verdict
from sendwarden.core.networks import Networks, in_networks
from sendwarden.engine.channel import Channel

_REFUSALS = (Verdict.REFUSE, Verdict.DEFER)


def may_be_refused(request: Request, internal: Networks, relays: Networks) -> bool:
    """Does a refusal reach the sender himself? Mail of a local program counts as internal."""
    if request.login:
        return True
    if not request.client_address:
        return True
    return in_networks(request.client_address, internal) and not in_networks(request.client_address, relays)


def sayable(
    verdict: Verdict, request: Request, channel: Channel, internal: Networks, relays: Networks
) -> Verdict:
    """The verdict, or what takes its place on this channel. Everything but a refusal may always be."""
    if verdict in _REFUSALS and not may_be_refused(request, internal, relays):
        return channel.unauthenticated
    return verdict
