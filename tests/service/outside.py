"""The outside world as the service sees it, in memory: references, ledger, outbox."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from sendwarden.core.errors import StoreDown
from sendwarden.engine.mapping.run import Mappings
from sendwarden.engine.sieve.compile import Script, compile_script
from sendwarden.engine.sieve.ext import ADMINISTRATOR, CAPABILITIES
from sendwarden.engine.sieve.ext.mailserver import MappingCalls
from sendwarden.engine.sieve.registry import Language
from sendwarden.service.notices import Notice
from sendwarden.service.ports import Outside
from tests.stores.around import HandClock, KeptLog

LANGUAGE = Language((*CAPABILITIES, *ADMINISTRATOR), MappingCalls(Mappings({})), dialect=True)
REQUIRE = 'require ["reject", "envelope", "variables", "fileinto", "copy"];\n'


def script(text: str, name: str = "a.filter") -> Script:
    """A filter that may use what an administrator's may."""
    compiled, problems = compile_script(name, REQUIRE + text, LANGUAGE)
    assert compiled is not None, problems
    return compiled


@dataclass(slots=True)
class Counted:
    """`References`: SW-000001 and on."""

    given: int = 0

    def next(self) -> str:
        self.given += 1
        return f"SW-{self.given:06}"


@dataclass(slots=True)
class FakeLedger:
    """`Ledger` in memory. What was kept is in ``kept`` once it is durable: when `write` is called.

    ``down``: it has failed.
    """

    down: bool = False
    slow: bool = False  # nothing is durable before `write`
    kept: list[tuple[Mapping[str, object], Mapping[str, object] | None]] = field(default_factory=list)
    _waiting: list[asyncio.Event] = field(default_factory=list)

    async def keep(self, record: Mapping[str, object], notice: Mapping[str, object] | None = None) -> None:
        if self.down:
            raise StoreDown("the disk is full")
        if self.slow:
            written = asyncio.Event()
            self._waiting.append(written)
            await written.wait()
        self.kept.append((record, notice))

    def write(self) -> None:
        for written in self._waiting:
            written.set()
        self._waiting.clear()


@dataclass(slots=True)
class Posted:
    """`Outbox` that keeps what it is given."""

    notices: list[Notice] = field(default_factory=list)

    def post(self, notice: Notice) -> None:
        self.notices.append(notice)


@dataclass(slots=True)
class KeptExceptions:
    """`Exceptions` in memory. ``down``: it has failed."""

    down: bool = False
    kept: dict[str, Mapping[str, object] | None] = field(default_factory=dict)

    async def keep_exception(self, name: str, record: Mapping[str, object] | None) -> None:
        if self.down:
            raise StoreDown("the disk is full")
        self.kept[name] = record


def outside(clock: HandClock | None = None, log: KeptLog | None = None, chance: float = 0.0) -> Outside:
    return Outside(clock or HandClock(), Counted(), log or KeptLog(), lambda: chance)
