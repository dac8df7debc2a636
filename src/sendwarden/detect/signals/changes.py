"""A: what is changed about an account: forwards, rules, signature, reply and recovery addresses.

One of ten stolen accounts gets a rule that hides replies, some within seconds. Also what precedes:
guessed passwords.
"""

from collections.abc import Iterable

from sendwarden.core.event import DirectoryEvent, LoginEvent
from sendwarden.detect.families import Family
from sendwarden.detect.finding import NOTHING, Finding
from sendwarden.detect.memory import DAY_S
from sendwarden.detect.profile import Profile
from sendwarden.detect.sighting import Network, Sighting
from sendwarden.detect.site import SiteContext

AFTER_STRANGE, CHANGED = 3.0, 1.0
GUESSED = 2.0
# Failed logins in a row that are a burst, and how long after them a success still belongs to them.
BURST, BURST_S = 5, 3600.0
# Words in the names of attributes that thieves change. Passwords are not among them: owners change these.
WORDS = ("forward", "redirect", "rule", "filter", "sieve", "vacation", "autoreply", "signature")
MORE_WORDS = ("reply", "recovery", "alternate", "delegat")


def changed(profile: Profile, seen: Sighting, site: SiteContext) -> Iterable[Finding]:
    event = seen.event
    assert isinstance(event, DirectoryEvent)
    name = event.attribute.lower()
    if not any(word in name for word in (*WORDS, *MORE_WORDS)):
        return NOTHING
    strange = seen.new_place or profile.strange_at > seen.at - DAY_S
    bits = AFTER_STRANGE if strange else CHANGED
    fact = site.digest(f"changed {name}")
    return (Finding(Family.CHANGES, bits, bits, "changed", (("attribute", event.attribute),), fact),)


def guessed(profile: Profile, seen: Sighting, site: SiteContext) -> Iterable[Finding]:
    """Many failures from strange addresses, then success from a new network.

    Failures alone are nobody's fault.
    """
    event = seen.event
    assert isinstance(event, LoginEvent)
    if not event.success or seen.network is not Network.NEW:
        return NOTHING
    if profile.failures < BURST or profile.failed_at < seen.at - BURST_S:
        return NOTHING
    numbers = (("failures", profile.failures),)
    return (Finding(Family.CHANGES, GUESSED, GUESSED, "guessed", numbers, site.digest("guessed")),)
