"""Is a list to be believed? Its test entries (RFC 5782 section 5), and what it does with our questions.

A list must have 127.0.0.2 and must not have 127.0.0.1, in IPv6 ::FFFF:7F00:2 and ::FFFF:7F00:1, and as a list
of domains TEST and INVALID. One that has what it must not have lists everything; its owner may have given up,
or its domain may be somebody else's. Many lists of IPv6 addresses, and some others, have no entry to test
with: that IPv6 has none is not held against a list. Known limit: rbldnsd answers for both IPv6 entries from
its IPv4 addresses, so that such a list of all IPv6 addresses is not found out.

A list that gives no answer is left alone for a while, longer each time, and comes back only after several
answers in a row: one that answers now and then would cost every second message its time limit.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from sendwarden.engine.reputation.findings import Said
from sendwarden.engine.reputation.lists import DnsList
from sendwarden.engine.reputation.names import nibbles

# A failure takes one away, an answer gives one back; at 0 the list rests.
CREDITS = 5
REST_S = 10.0
LONGEST_REST_S = 320.0
# Answers in a row after a rest until the list is as good as any.
PROVES = 3
# Questions in a row of which each is answered with a listing: then it is tested at once, whether it lists
# everything. Floods by listed clients look the same, and cost a test for each so many questions.
SUSPICIOUS = 50
# Time between two tests, and while something is wrong.
TEST_S = 3600.0
TEST_AGAIN_S = 60.0


class Entry(Enum):
    """A test entry: what must be listed, and what must not."""

    LISTED = "listed"
    NOT_LISTED = "not listed"
    LISTED_IPV6 = "listed, IPv6"
    NOT_LISTED_IPV6 = "not listed, IPv6"


_FIRST, _SECOND = 0xFFFF_7F00_0001, 0xFFFF_7F00_0002
_ADDRESSES: Mapping[Entry, tuple[str, str]] = {
    Entry.LISTED: ("2.0.0.127", "127.0.0.2"),
    Entry.NOT_LISTED: ("1.0.0.127", "127.0.0.1"),
    Entry.LISTED_IPV6: (nibbles(_SECOND), "::FFFF:7F00:2"),
    Entry.NOT_LISTED_IPV6: (nibbles(_FIRST), "::FFFF:7F00:1"),
}
_DOMAINS: Mapping[Entry, tuple[str, str]] = {
    Entry.LISTED: ("test", "TEST"),
    Entry.NOT_LISTED: ("invalid", "INVALID"),
}


def entries(dns_list: DnsList) -> Mapping[Entry, tuple[str, str]]:
    """What is asked for, as a name of the zone and as people write it."""
    return _DOMAINS if dns_list.kind == "rhsbl" else _ADDRESSES


@dataclass(frozen=True, slots=True)
class Report:
    """A test's outcome. ``fault`` is "" for a list that is as it must be."""

    fault: str = ""
    silent: bool = False  # the fault is that there was no answer at all


def report(dns_list: DnsList, answers: Mapping[Entry, tuple[str, ...] | str]) -> Report:
    """What the answers to all `entries` mean: records, or what the trouble was."""
    written = entries(dns_list)
    troubles = [answer for answer in answers.values() if isinstance(answer, str)]
    listed: dict[Entry, bool] = {}
    for entry, answer in answers.items():
        if isinstance(answer, str):
            continue
        # 127.0.0.1 as an answer is a refusal of some lists, so that the code is not looked at more closely.
        found = dns_list.read(answer)
        if found.said is Said.UNKNOWN:
            return Report(found.why)
        listed[entry] = bool(answer)
    for entry in (Entry.NOT_LISTED, Entry.NOT_LISTED_IPV6):
        if listed.get(entry):
            return Report(f"lists {written[entry][1]}, which no list may: it lists everything")
    if listed.get(Entry.LISTED) is False:
        return Report(f"does not list {written[Entry.LISTED][1]}, which each list must: it answers nothing")
    if Entry.LISTED not in listed or Entry.NOT_LISTED not in listed:
        return Report(f"gave no answer to its test: {troubles[0]}", silent=True)
    return Report()


class Standing(Enum):
    """How a list stands by its test entries."""

    UNTESTED = "not tested yet"
    GOOD = "good"
    DOUBTFUL = "doubtful"  # it failed, and the settings want it used all the same
    RETIRED = "out of service"


class Health:
    """One list's standing, and its rests. Time is an argument, in seconds."""

    def __init__(self, dns_list: DnsList) -> None:
        self._list = dns_list
        self.standing = Standing.GOOD if dns_list.health_check == "off" else Standing.UNTESTED
        self.fault = ""
        self.since = 0.0  # when it came to stand so
        self.tested = 0.0
        self.next_test = 0.0
        self._silent = 0  # tests without an answer, in a row
        self._credits = CREDITS
        self._rest_s = REST_S
        self._rests_until = 0.0
        self._proven = PROVES
        self._trying_until = 0.0  # one question tries whether the list is back
        self.trouble = ""  # why it rests, or did last
        self._listings = 0  # in a row

    # --- by its test entries

    def test_due(self, now: float) -> bool:
        return self._list.health_check != "off" and now >= self.next_test

    def take(self, result: Report, now: float) -> bool:
        """A test was made. Does the list stand otherwise than before?"""
        self.tested = now
        self._silent = self._silent + 1 if result.silent else 0
        if result.silent and self._silent == 1 and self.standing is Standing.GOOD:
            self.next_test = now + TEST_AGAIN_S  # a packet may be lost
            return False
        before = self.standing, self.fault
        self.fault = result.fault
        bad = Standing.DOUBTFUL if self._list.health_check == "warn" else Standing.RETIRED
        self.standing = bad if result.fault else Standing.GOOD
        self.next_test = now + (TEST_AGAIN_S if result.fault else TEST_S)
        if not result.fault:
            self._recover()
        if (self.standing, self.fault) == before:
            return False
        if self.standing is not before[0]:
            self.since = now
        return True

    # --- by what it does with questions

    def answered(self) -> bool:
        """Does it come back by this answer?"""
        if self._proven == PROVES:
            self._credits = min(CREDITS, self._credits + 1)
            return False
        self._proven += 1
        self._trying_until = 0.0
        if self._proven < PROVES:
            return False
        self._recover()
        return True

    def said(self, now: float, *, listed: bool) -> None:
        """What an answer was: one that lists all that is asked is to be tested."""
        self._listings = self._listings + 1 if listed else 0
        if self._listings >= SUSPICIOUS:
            self._listings = 0
            self.next_test = min(self.next_test, now)

    def failed(self, why: str, now: float) -> bool:
        """Does it begin to rest by this failure?"""
        self._credits -= 1
        if self._rests_until > now or self._credits > 0:  # asked before it began to rest, or no rest yet
            return False
        if self._rests_until:
            self._rest_s = min(LONGEST_REST_S, 2 * self._rest_s)
        self.trouble = why
        self._rests_until = now + self._rest_s
        self._proven, self._trying_until = 0, 0.0
        return True

    def _recover(self) -> None:
        self._credits, self._rest_s, self._proven = CREDITS, REST_S, PROVES
        self._rests_until = self._trying_until = 0.0

    def admit(self, now: float) -> str:
        """Why nothing is asked now; "": ask. After a rest one question goes ahead, and others pass it by."""
        if why := self.rests(now):
            return why
        if self._proven == 0:
            if self._trying_until > now:
                return f"rests while one question tries it: {self.trouble}"
            self._trying_until = now + REST_S
        return ""

    @property
    def unfit(self) -> str:
        """Why nothing that the list says counts, by its test entries; "": it does."""
        if self.standing in (Standing.GOOD, Standing.DOUBTFUL):
            return ""
        return f"{self.standing.value}: {self.fault}" if self.fault else self.standing.value

    def rests(self, now: float) -> str:
        """Why it is left alone; "": it is not."""
        return f"rests for {self._rests_until - now:.0f} s: {self.trouble}" if self._rests_until > now else ""
