"""CPU time of asking one list in the DNS, against aiodns alone on the same rbldnsd in the same run.

Three ways: aiodns by itself, a new question each time; ours with an address each time that nobody asked about
before; and ours with 1,000 addresses whose answers are remembered. 50 are asked about at a time. The peer's
figure is what a program on aiodns cannot do without.
"""

import asyncio
import resource
import statistics
from collections.abc import Awaitable, Callable

import aiodns
import uvloop

from sendwarden.engine.reputation.lists import DnsList
from sendwarden.lookups.dns import DnsLookups
from sendwarden.service.reputation import About, Reputation
from tests.servers.rbldnsd import TEST_ENTRY, Rbldnsd
from tests.stores.around import HandClock, KeptLog

ROUNDS = 7
QUESTIONS = 5000
AT_A_TIME = 50
REMEMBERED = 1000
CHECKS = frozenset({"dnsbl"})

Ask = Callable[[str], Awaitable[None]]


def cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class Addresses:
    """Addresses that were not asked about before."""

    def __init__(self) -> None:
        self._given = 0

    def some(self, number: int) -> list[str]:
        first, self._given = self._given, self._given + number
        return [f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(first, self._given)]


async def took_us(ask: Ask, addresses: list[str]) -> float:
    """CPU us for one address."""
    left = iter(addresses)

    async def some() -> None:
        for address in left:
            await ask(address)

    begin = cpu_s()
    await asyncio.gather(*(some() for _ in range(AT_A_TIME)))
    return (cpu_s() - begin) / len(addresses) * 1e6


async def measure(place: str) -> dict[str, list[float]]:
    lookups = DnsLookups()
    one = DnsList("bl", "dnsbl", "bl.test", servers=(place,))
    reputation = Reputation([one], lookups, (HandClock(), KeptLog()))
    await reputation.test()
    alone = aiodns.DNSResolver([place], timeout=2.0, tries=3)

    async def by_aiodns(address: str) -> None:
        name = ".".join(reversed(address.split(".")))
        try:
            await alone.query_dns(f"{name}.bl.test", "A")
        except aiodns.error.DNSError as absent:
            if absent.args[0] != aiodns.error.ARES_ENOTFOUND:
                raise

    async def by_us(address: str) -> None:
        inquiry = reputation.begin(About(address), CHECKS)
        (found,) = inquiry.found if inquiry.complete else await inquiry.finish(2.0)
        assert found.said.value == "not listed", found

    fresh = Addresses()
    known = fresh.some(REMEMBERED)
    await took_us(by_us, known)
    figures: dict[str, list[float]] = {"aiodns alone": [], "ours, new": [], "ours, remembered": []}
    for _ in range(ROUNDS):
        figures["aiodns alone"].append(await took_us(by_aiodns, fresh.some(QUESTIONS)))
        figures["ours, new"].append(await took_us(by_us, fresh.some(QUESTIONS)))
        figures["ours, remembered"].append(await took_us(by_us, 20 * known))
    await lookups.close()
    await alone.close()
    return figures


def main() -> None:
    server = Rbldnsd({"bl.test": [("ip4set", TEST_ENTRY)]})
    try:
        figures = uvloop.run(measure(server.place))
    finally:
        server.remove()
    print(f"one list; CPU us an address, median of {ROUNDS}, {AT_A_TIME} at a time")
    for way, found in figures.items():
        print(f"  {way:<20}{statistics.median(found):>8.1f}")
    ratio = statistics.median(
        ours / theirs for ours, theirs in zip(figures["ours, new"], figures["aiodns alone"], strict=True)
    )
    print(f"  a new address against aiodns alone: {ratio:.2f} x its CPU")


if __name__ == "__main__":
    main()
