"""The Redis where several Sendwardens count together, if the settings name one."""

from typing import TYPE_CHECKING

from sendwarden.config.traffic import CountingSettings
from sendwarden.daemon.clock import PoolClock
from sendwarden.service.limiter import Limiter
from sendwarden.service.ports import Clock, EventLog

if TYPE_CHECKING:
    from sendwarden.stores.redis import RedisRoom

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


def shared_room(
    counting: CountingSettings, limiter: Limiter, own: Clock, clock: PoolClock, log: EventLog
) -> "RedisRoom | None":
    """None: this process counts by itself. ``own`` is our clock, ``clock`` what the limiter counts by."""
    if not counting.redis:
        return None
    from sendwarden.stores.redis import RedisRoom, connect  # noqa: PLC0415 - half a second, if asked for

    password = counting.redis_secret.get_secret_value()
    client = connect(counting.redis, password, cluster=counting.redis_cluster)
    time = PoolTime(own, clock, limiter, log, counting.redis)
    return RedisRoom(client, limiter.table, time, log, counting.redis)
