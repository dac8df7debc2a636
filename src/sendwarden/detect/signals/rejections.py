"""R: recipients that do not exist, and refusals for policy.

A stolen account works through a list, of which a part is gone (RFC 3463: 5.1.1, 5.1.2, 5.1.10, 5.2.1,
5.4.4). What is temporary, a full mailbox (5.2.2) or a fault of the other side (5.3.x) says nothing. One
message is one list: sixty recipients of it are not sixty tests. Whom the account wrote to before and
who is gone now is rot in an address book, and whom it keeps writing to in vain counts once a day.
"""

from collections.abc import Iterable
from math import log2

from sendwarden.core.event import DeliveryEvent, Outcome
from sendwarden.core.identity import split_address
from sendwarden.detect.families import Family
from sendwarden.detect.finding import NOTHING, Finding
from sendwarden.detect.profile import Profile
from sendwarden.detect.sighting import Sighting
from sendwarden.detect.site import OpenMessage, SiteContext, stranger_bit

NO_SUCH = frozenset(("5.1.1", "5.1.2", "5.1.10", "5.2.1", "5.4.4"))
POLICY = "5.7."
# Share of wrong recipients: thieves', honest people's at the least, and honest mail's to many.
THIEF, HONEST = 0.15, 0.02
BULK_THIEF, BULK_HONEST = 0.25, 0.06
# So many recipients of one message are independent of each other.
ONE_LIST = 12
ROT = 0.25
# From so many outcomes of a day on, a share like that of honest mail to many says little.
MANY, FEW = 15, 0.25
POLICY_BITS = 2.5


def no_such_recipient(profile: Profile, seen: Sighting, site: SiteContext) -> Iterable[Finding]:
    """What became of one recipient, against the account's own share of wrong recipients."""
    event, message = seen.event, seen.message
    assert isinstance(event, DeliveryEvent)
    if seen.forwarded:
        return NOTHING
    if event.outcome is Outcome.DELIVERED:
        return _arrived(profile, seen, site)
    if event.dsn not in NO_SUCH or event.outcome is Outcome.DEFERRED:
        return NOTHING
    if message is None and event.outcome is Outcome.BOUNCED:
        return NOTHING  # a bounce of a message that we do not know: anybody can write one
    digest = site.digest(event.recipient)
    honest, bulk_honest = _honest(profile)
    weight = _weight(message, digest)
    if profile.outcomes_all >= MANY and profile.outcomes_bad + 1 < BULK_HONEST * profile.outcomes_all:
        weight *= FEW  # of so many: honest mail to many has as much
    quiet = weight * log2(THIEF / honest)
    bulk = weight * log2(BULK_THIEF / bulk_honest) if seen.may_be_bulk else quiet
    numbers = (
        ("invalid", round(profile.outcomes_bad + 1)),
        ("of", round(profile.outcomes_all + 1)),
        ("usual", round(100 * profile.invalid.mean, 1)),
    )
    return (Finding(Family.REJECTIONS, quiet, bulk, "no-such-recipients", numbers, digest),)


def _arrived(profile: Profile, seen: Sighting, site: SiteContext) -> Iterable[Finding]:
    """Takes back a little, where there is anything to take back."""
    if not profile.quiet[Family.REJECTIONS]:
        return NOTHING
    event = seen.event
    assert isinstance(event, DeliveryEvent)
    honest, bulk_honest = _honest(profile)
    weight = _weight(seen.message, site.digest(event.recipient))
    quiet = weight * log2((1 - THIEF) / (1 - honest))
    bulk = weight * log2((1 - BULK_THIEF) / (1 - bulk_honest)) if seen.may_be_bulk else quiet
    return (Finding(Family.REJECTIONS, quiet, bulk),)


def _honest(profile: Profile) -> tuple[float, float]:
    """The account's own share of wrong recipients, never below what is common, nor at what thieves have."""
    own = profile.invalid.mean
    return min(max(HONEST, own), THIEF / 2), min(max(BULK_HONEST, own), BULK_THIEF / 2)


def _weight(message: OpenMessage | None, digest: int) -> float:
    if message is None:
        return 1.0
    known = not message.strangers & stranger_bit(digest)
    return (ROT if known else 1.0) / max(1.0, message.count / ONE_LIST)


def policy_refusal(profile: Profile, seen: Sighting, site: SiteContext) -> Iterable[Finding]:
    """5.7.x: somebody does not want it.

    Unless the same domain refuses several accounts: then it is the site.
    """
    event, message = seen.event, seen.message
    assert isinstance(event, DeliveryEvent)
    if seen.forwarded or event.dsn is None or not event.dsn.startswith(POLICY):
        return NOTHING
    if message is None or event.outcome is Outcome.DEFERRED:
        return NOTHING
    domain = split_address(event.recipient)[1].lower()
    if site.refused(domain, profile.account, event.at):
        return NOTHING
    bits = POLICY_BITS / max(1.0, message.count / ONE_LIST)
    bulk = bits / 2 if seen.may_be_bulk else bits
    fact = site.digest(f"policy {domain} {event.message}")
    return (Finding(Family.REJECTIONS, bits, bulk, "policy-refusal", (("domain", domain),), fact),)
