"""The Redis where several Sendwardens count together, if the settings name one."""

from typing import TYPE_CHECKING

from sendwarden.config.traffic import CountingSettings
from sendwarden.daemon.clock import PoolClock
from sendwarden.service.limiter import Limiter
from sendwarden.service.ports import Clock, EventLog
from sendwarden.stores.memory import MemoryMeters

if TYPE_CHECKING:
    from sendwarden.stores.redis import RedisRoom
    from sendwarden.stores.redis_tables import RedisTables

# A difference of clocks that is told, in seconds.
DIFFERS_S = 5.0


class PoolTime:
    """`SharedTime`: what a `Limiter` counts by, kept at the pool's."""

    def __init__(self, own: Clock, clock: PoolClock, limiter: Limiter, log: EventLog, name: str) -> None:
        """``name`` says where the pool is, for the log."""
        self._own = own
        self._clock = clock
        self._limiter = limiter
        self._log = log
        self._name = name

    @property
    def quantum(self) -> int:
        return self._limiter.quantum

    def own(self) -> float:
        return self._own.now()

    def hear(self, asked: float, heard: float, there: float) -> None:
        if self._clock.hear(asked, heard, there):
            self._limiter.set_back()
        else:
            self._limiter.tick()
        ahead_s = self._clock.ahead_s
        if abs(ahead_s) >= DIFFERS_S:
            side = "ahead of" if ahead_s > 0 else "behind"
            says = f"our clock is {abs(ahead_s):.0f} s {side} that of {self._name}; limits go by that one"
            self._log.warning("clock-differs", says)


class Shared:
    """What one Redis is used for, by one daemon."""

    def __init__(self, counting: CountingSettings, own: Clock, log: EventLog) -> None:
        """``own`` is our clock. ``clock`` is what the limiter has to count by."""
        from sendwarden.stores import redis, redis_acts  # noqa: PLC0415 - half a second, if asked for

        self.clock = PoolClock(own)
        self._own = own
        self._log = log
        self._name = counting.redis
        password = counting.redis_secret.get_secret_value()
        self._client = redis.connect(counting.redis, password, cluster=counting.redis_cluster)
        self.acts = redis_acts.RedisActs(self._client, self._name)

    def tables(self, meters: MemoryMeters) -> "RedisTables":
        """MeterMaid's tables. ``meters``: those of this process."""
        from sendwarden.stores.redis_tables import RedisTables  # noqa: PLC0415 - as above

        return RedisTables(self._client, meters, self._log, self._name)

    def room(self, limiter: Limiter) -> "RedisRoom":
        """Where accounts are counted together."""
        from sendwarden.stores.redis import RedisRoom  # noqa: PLC0415 - as above

        time = PoolTime(self._own, self.clock, limiter, self._log, self._name)
        return RedisRoom(self._client, limiter.table, time, self._log, self._name)
