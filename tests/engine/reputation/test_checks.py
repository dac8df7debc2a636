"""engine.reputation.checks: reverse and helo weigh as in gross, and trouble weighs nothing."""

import pytest

from sendwarden.core.dns import DnsAnswer, Route
from sendwarden.engine.reputation.checks import MOST_NAMES, Asking, helo, reverse
from sendwarden.engine.reputation.findings import Finding, Said

ROUTE = Route("DNS")
MANY = {f"h{number}.example.org": "192.0.2.7" if number == MOST_NAMES else "192.0.2.8" for number in range(9)}
# Name -> its records, parted by blanks; "!" stands for trouble.
ZONE = {
    "7.2.0.192.in-addr.arpa": "mail.example.org",
    "8.2.0.192.in-addr.arpa": "mail.example.org Other.example.org",
    "9.2.0.192.in-addr.arpa": "!",
    "10.2.0.192.in-addr.arpa": "broken.example.org",
    "11.2.0.192.in-addr.arpa": " ".join(MANY),
    "1." + ".".join("0" * 23) + ".8.b.d.0.1.0.0.2.ip6.arpa": "six.example.org",
    "mail.example.org": "192.0.2.1 192.0.2.7",
    "other.example.org": "192.0.2.8",
    "broken.example.org": "!",
    "six.example.org": "2001:0db8::1",
    **MANY,
}


def answered(asking: Asking) -> Finding:
    try:
        question = next(asking)
        while True:
            found = ZONE.get(question.name, "")
            answer = DnsAnswer(trouble="late") if found == "!" else DnsAnswer(tuple(found.split()))
            question = asking.send(answer)
    except StopIteration as end:
        finding: Finding = end.value
        return finding


@pytest.mark.parametrize(
    ("client", "said", "weight"),
    [
        ("192.0.2.7", Said.CLEAR, 0),
        ("::ffff:192.0.2.7", Said.CLEAR, 0),
        ("192.0.2.8", Said.CLEAR, 0),
        ("2001:db8::1", Said.CLEAR, 0),
        ("192.0.2.9", Said.UNKNOWN, 0),
        ("192.0.2.10", Said.UNKNOWN, 0),
        ("192.0.2.11", Said.LISTED, 1),
        ("192.0.2.12", Said.LISTED, 1),
    ],
)
def test_a_client_has_a_name_that_leads_back_to_it(client: str, said: Said, weight: int) -> None:
    finding = answered(reverse(client, ROUTE))

    assert (finding.check, finding.said, finding.weight) == ("reverse", said, weight)
    assert bool(finding.why) is (said is not Said.CLEAR)


@pytest.mark.parametrize(
    ("client", "name", "weight"),
    [
        ("192.0.2.7", "mail.example.org", 0),
        ("192.0.2.7", "MAIL.example.org", 0),
        ("192.0.2.8", "other.example.org", 0),
        ("192.0.2.8", "mail.example.org", 1),
        ("192.0.2.7", "nothing.example.org", 2),
        ("192.0.2.7", "localhost", 2),
        ("192.0.2.7", "[192.0.2.7]", 2),
        ("192.0.2.7", "a_b.example.org", 2),
        ("192.0.2.7", "-a.example.org", 2),
        ("192.0.2.7", "a..example.org", 2),
        ("192.0.2.12", "mail.example.org", 2),
        ("192.0.2.7", "", 0),
    ],
)
def test_a_helo_is_the_clients_name(client: str, name: str, weight: int) -> None:
    finding = answered(helo(client, name, ROUTE))

    assert (finding.said is Said.LISTED, finding.weight) == (bool(weight), weight)


@pytest.mark.parametrize("client", ["192.0.2.9", "192.0.2.10"])
def test_trouble_with_a_helo_is_no_opinion(client: str) -> None:
    finding = answered(helo(client, "broken.example.org", ROUTE))

    assert (finding.said, finding.weight, finding.why) == (Said.UNKNOWN, 0, "late")
