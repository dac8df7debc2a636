"""Acts by hand that several processes share, in Redis: `SharedActs` over one script (`redis_acts.lua`).

All keys lie in one slot of a cluster. Nothing waits for more than one answer, and none is taken as read
unless it is whole.
"""

import asyncio
import json
import secrets
from collections.abc import Sequence
from importlib.resources import files
from math import isfinite
from typing import Any

from sendwarden.service.ports import Act, ActsAway, News
from sendwarden.stores.redis import Client, said

# How long a command waits for the others to know, in seconds.
WITHIN_S = 0.25
# Acts that come back together.
TOGETHER = 200
# Redis counts in doubles: from here on one more is the same number.
MOST_VERSION = 2**53
_KEYS = [f"sendwarden:{{acts}}:{what}" for what in ("by-name", "by-number", "by-end", "about")]


class RedisActs:
    """`SharedActs`. ``name`` says where they are, for the log."""

    def __init__(self, client: Client, name: str) -> None:
        self.name = name
        self._script = client.register_script(
            files("sendwarden.stores").joinpath("redis_acts.lua").read_text("ascii")
        )

    async def exchange(self, acts: Sequence[Act], place: str, since: int, *, hear: bool) -> News:
        words: list[str | bytes] = [secrets.token_hex(8), place, str(since), str(TOGETHER * hear)]
        for act in acts:
            body = "" if act.record is None else json.dumps(act.record)
            words += [_bytes(act.name), act.mark, str(act.version), repr(act.until), body]
        try:
            async with asyncio.timeout(WITHIN_S):
                answer: Any = await self._script(keys=_KEYS, args=words)
            found_place, upto, full, found = answer
            news = tuple(filter(None, map(_act, found)))
            return News(_text(found_place), int(upto), news, more=hear and bool(full))
        except Exception as error:  # noqa: BLE001 - a cluster's are no RedisError, and answers may be anything
            raise ActsAway(said(error)) from None


def _act(row: Sequence[bytes]) -> Act | None:
    """None for what is none: it is nobody's."""
    name, mark, version, until, body = map(_text, row)
    try:
        act = Act(name, json.loads(body) if body else None, float(until), mark, int(version))
        known = act.record is None or isinstance(act.record, dict)
        return act if known and isfinite(act.until) and 0 < act.version < MOST_VERSION else None
    except (ValueError, RecursionError):
        return None


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")
