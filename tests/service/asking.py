"""Attributes that ask their directory while a test works."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress

from sendwarden.service.attributes import Attributes


def asking(attributes: Attributes, work: Callable[[], Coroutine[object, object, None]]) -> None:
    async def both() -> None:
        task = asyncio.create_task(attributes.run())
        try:
            await work()
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    asyncio.run(both())
