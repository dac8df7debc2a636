"""service.scanning: a scanner's trouble costs a message its score, little time, and nothing else."""

import asyncio

from sendwarden.core.decision import Message
from sendwarden.core.scan import Finding
from sendwarden.service.scanning import FAILURES, REST_S, Ours, Scanning
from sendwarden.service.site import Bounds
from tests.service.judging import message
from tests.service.scanner import FakeScanner
from tests.stores.around import HandClock, KeptLog

PATIENCE_S = 0.05


class Site:
    """A site with these scanners, none of which it waits for long."""

    def __init__(self, *scanners: FakeScanner) -> None:
        self.clock, self.log = HandClock(), KeptLog()
        bounds = {one.name: Bounds(PATIENCE_S, 1000) for one in scanners}
        ours = Ours("mail.example.org", (), ())
        self.scanning = Scanning(scanners, bounds, ours, self.clock, self.log)

    def ask(self, names: tuple[str, ...] = ("s",), about: Message | None = None) -> tuple[Finding, ...]:
        scan = self.scanning.scan(about or message(), names)
        assert scan and scan.patience_s == PATIENCE_S
        return asyncio.run(scan.run())


def test_all_that_a_channel_names_are_asked_and_no_others() -> None:
    one, two, three = FakeScanner("s"), FakeScanner("t", Finding("t", virus="")), FakeScanner("u")
    site = Site(one, two, three)

    assert site.ask(("s", "t", "a header")) == (one.found, two.found)
    assert (len(one.asked), len(two.asked), len(three.asked)) == (1, 1, 0)
    assert one.asked[0] is two.asked[0]
    assert site.scanning.scan(message(), ("a header",)) is None


def test_a_failure_is_told_and_after_some_the_scanner_is_left_alone_for_a_while() -> None:
    scanner = FakeScanner(error="refused")
    site = Site(scanner)
    assert [site.ask()[0].failed for _ in range(FAILURES)] == ["refused"] * FAILURES

    assert "left alone" in site.ask()[0].failed and len(scanner.asked) == FAILURES
    assert site.log.about("scanner-down")[0] == "s: refused; mail passes unscored"
    assert len(site.log.about("scanner-down")) == FAILURES + 1

    site.clock.at += REST_S
    assert site.ask()[0].failed == "refused", "one message tries it again"
    assert "left alone" in site.ask()[0].failed and len(scanner.asked) == FAILURES + 1

    scanner.error = ""
    site.clock.at += REST_S
    assert site.ask() == (scanner.found,)
    scanner.error = "refused"
    assert [site.ask()[0].failed for _ in range(FAILURES)] == ["refused"] * FAILURES, "counted from 0"


def test_while_one_message_tries_it_again_the_others_pass_it_by() -> None:
    scanner = FakeScanner(error="refused")
    site = Site(scanner)
    for _ in range(FAILURES):
        site.ask()
    site.clock.at += REST_S
    scanner.slow = True

    async def both() -> list[str]:
        scans = [site.scanning.scan(message(), ("s",)) for _ in range(2)]
        found = await asyncio.gather(*(scan.run() for scan in scans if scan))
        return [one.failed for (one,) in found]

    assert asyncio.run(both()) == [
        f"no answer within {PATIENCE_S:g} s",
        f"left alone for {REST_S:g} s after {FAILURES} failures",
    ]


def test_a_slow_scanner_is_given_up_and_the_other_still_counts() -> None:
    slow, quick = FakeScanner("s", slow=True), FakeScanner("t", Finding("t", virus="Eicar"))

    found = Site(slow, quick).ask(("s", "t"))

    assert found == (Finding("s", failed="no answer within 0.05 s"), quick.found)


def test_a_message_that_is_too_large_is_not_given_to_it_and_is_no_failure() -> None:
    scanner = FakeScanner()
    site = Site(scanner)
    large = Message(message().request, (), size_bytes=1001)
    cut = Message(message().request, (), size_bytes=10, body_cut=True)

    assert [site.ask(about=one)[0].failed for one in (large, cut)] == [
        "the message is larger than 1000 bytes"
    ] * 2
    assert not scanner.asked and not site.log.warnings
