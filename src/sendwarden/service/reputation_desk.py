"""What a postmaster asks about lists in the DNS: the desk's verbs ``dnsbl-lists`` and ``dnsbl-check``."""

from collections.abc import Callable, Mapping

from sendwarden.engine.reputation.findings import Finding
from sendwarden.engine.reputation.names import address_name, domain_name
from sendwarden.service.question import Answer, Question, Refusal, Verb
from sendwarden.service.reputation import About, Reputation

# Longer than any list is waited for, and shorter than the desk gives an answer, in seconds.
CHECK_WITHIN_S = 20.0


def verbs(reputation: Callable[[], Reputation]) -> Mapping[str, Verb]:
    """Both verbs, of whatever reputation there is when they are asked."""

    async def lists(_question: Question) -> Answer:
        return {"lists": reputation().status()}

    async def check(question: Question) -> Answer:
        return await _checked(reputation(), str(question.get("subject", "")))

    return {"dnsbl-lists": lists, "dnsbl-check": check}


async def _checked(reputation: Reputation, subject: str) -> Answer:
    """All that is said of an address or a domain. Raises `Refusal` for what is neither."""
    if address_name(subject):
        inquiry = reputation.begin(About(subject), {"dnsbl", "dnswl"})
    elif domain := domain_name(subject):
        inquiry = reputation.begin(About("", domain), {"rhsbl"})
    else:
        raise Refusal(f"{subject!r} is neither an address nor a domain: 192.0.2.7, 2001:db8::7, example.org")
    found = inquiry.found if inquiry.complete else await inquiry.finish(CHECK_WITHIN_S)
    in_order = {one.list.name: number for number, one in enumerate(reputation.watched)}
    found.sort(key=lambda one: in_order.get(one.name, len(in_order)))
    return {
        "subject": subject,
        "nothing": "" if found else _nothing(subject, reputation),
        "weight": sum(one.weight for one in found),
        "checks": [_record(one) for one in found],
    }


def _nothing(subject: str, reputation: Reputation) -> str:
    """Why nothing was asked."""
    if not reputation.watched:
        return "no list is set: write a [[dns_list]] table"
    return f"no list of {'addresses' if address_name(subject) else 'domains'} is set"


def _record(one: Finding) -> Answer:
    return {
        "check": one.check,
        "name": one.name,
        "says": one.said.value,
        "weight": one.weight,
        "codes": list(one.codes),
        "why": one.why,
    }
