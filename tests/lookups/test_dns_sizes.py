"""lookups.dns: what a stranger's server answers takes no more room than there is for it."""

import asyncio
from types import SimpleNamespace
from typing import cast

import pycares
import pytest

from sendwarden.core.dns import DnsAnswer, Question, Route
from sendwarden.lookups import dns
from sendwarden.lookups.dns import MOST_RECORDS, DnsLookups

ROUTE = Route("test")


def asked(name: str) -> Question:
    return Question(name, "TXT", ROUTE)


def answer(records: int) -> pycares.DNSResult:
    one = SimpleNamespace(type=dns._TAKEN["TXT"][0], ttl=60, data=SimpleNamespace(data=b"x"))  # noqa: SLF001
    return cast("pycares.DNSResult", SimpleNamespace(answer=[one] * records))


def test_an_answer_with_thousands_of_records_is_trouble() -> None:
    read = dns._read  # noqa: SLF001
    assert len(read(asked("a.test"), answer(MOST_RECORDS), None).records) == MOST_RECORDS
    too_many = read(asked("a.test"), answer(MOST_RECORDS + 1), None)
    assert too_many == DnsAnswer(trouble="the answer has more than 256 records")


def test_long_answers_push_out_the_oldest_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns, "MOST_LETTERS", 100_000)

    async def test() -> None:
        lookups = DnsLookups()
        for number in range(1000):
            long = DnsAnswer(("x" * 5000,), keep_s=3600)
            lookups._keep(asked(f"{number}.test"), long)  # noqa: SLF001
            lookups._keep(asked("again.test"), long)  # noqa: SLF001
        kept = [number for number in range(1000) if lookups.cached(asked(f"{number}.test"))]
        assert kept == [*range(1000 - len(kept), 1000)] and 15 <= len(kept) <= 20
        assert lookups.cached(asked("again.test"))
        await lookups.close()

    asyncio.run(test())
