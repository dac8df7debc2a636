"""A state file as a daemon leaves it."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from sendwarden.config.load import load
from sendwarden.engine.limits.meter import AccountMeter
from sendwarden.engine.limits.rules import Counts, Limit, Limits
from sendwarden.engine.limits.table import key_of
from sendwarden.engine.limits.windows import quantum_of
from sendwarden.engine.meters.keys import Change
from sendwarden.stores.batch import Batch
from sendwarden.stores.memory import MemoryMeters
from sendwarden.stores.sql import SqlState

STATE = "var/state.db"


def make_state(
    folder: Path,
    now: float,
    hits: Mapping[tuple[str, str], int] | None = None,
    decisions: Iterable[Mapping[str, object]] = (),
) -> Path:
    """Write one with so many hits counted for each table and key, and with these decisions kept."""
    meters = MemoryMeters(load(folder / "sendwarden.toml").site.meters)
    for (table, key), count in (hits or {}).items():
        for _ in range(count):
            meters.throttle(table, key, now)
    path = folder / STATE
    path.parent.mkdir(exist_ok=True)
    state = SqlState(path)
    state.write(Batch(changes=meters.changes(now), decisions=list(decisions)))
    state.close()
    return path


def damage_state(folder: Path) -> None:
    """One that is no database at all."""
    (folder / STATE).parent.mkdir(exist_ok=True)
    (folder / STATE).write_bytes(b"this is no database, however long it may be" * 100)


def counted_meter(channel: str, account: str, recipients: int, now: float) -> Change:
    """One message to so many recipients, as the store is told of it."""
    limits = Limits((Limit(1, 2, 10_000, "test"),))
    meter = AccountMeter(limits, key_of(channel, account))
    meter.take(quantum_of(now), Counts(1, recipients))
    return Change(meter.key, ((0, meter.stored()),))
