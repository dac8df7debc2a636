"""The Redis where several Sendwardens count together, if the settings name one."""

from typing import TYPE_CHECKING

from sendwarden.config.traffic import CountingSettings
from sendwarden.service.limiter import Limiter
from sendwarden.service.ports import EventLog

if TYPE_CHECKING:
    from sendwarden.stores.redis import RedisRoom


def shared_room(counting: CountingSettings, limiter: Limiter, log: EventLog) -> "RedisRoom | None":
    """None: this process counts by itself."""
    if not counting.redis:
        return None
    from sendwarden.stores.redis import RedisRoom, connect  # noqa: PLC0415 - half a second, if asked for

    password = counting.redis_secret.get_secret_value()
    client = connect(counting.redis, password, cluster=counting.redis_cluster)
    return RedisRoom(client, limiter.table, lambda: limiter.quantum, log, counting.redis)
