"""`sendwarden`, but for checks: lists stand in a file instead of in DNS. A program like it.

The file is ``lists.json`` beside the settings: name -> kind (dnsbl, dnswl, rhsbl), weight, what is listed.
"""

import asyncio
import json
import sys
from functools import partial
from pathlib import Path

from sendwarden.cli.main import main
from sendwarden.daemon import daemon
from sendwarden.daemon.greylist import GreylistDaemon
from sendwarden.engine.greylist.question import Findings, Found, Question, Word


class Listed:
    """`Reputation` over a file. ``delay_s``: how long every look takes."""

    def __init__(self, lists: dict[str, tuple[str, int, list[str]]], delay_s: float = 0.0) -> None:
        self._lists = lists
        self._delay_s = delay_s

    @property
    def lists(self) -> tuple[str, ...]:
        return tuple(self._lists)

    def known(self, asked: Question) -> Findings | None:
        del asked
        return None

    async def look(self, asked: Question, within_s: float) -> Findings:
        await asyncio.sleep(min(self._delay_s, within_s))
        if self._delay_s > within_s:
            return Findings(missing=tuple(self._lists))
        found = []
        for name, (kind, weight, listed) in self._lists.items():
            about = asked.sender.rpartition("@")[2] if kind == "rhsbl" else asked.client_address
            if about in listed and (kind != "rhsbl" or "@" in asked.sender):
                trusted = kind == "dnswl"
                found.append(Found(name, 0 if trusted else weight, Word.PASSED if trusted else Word.NOTHING))
        return Findings(tuple(found))


if __name__ == "__main__":
    folder = Path(sys.argv[sys.argv.index("--config") + 1])
    given = json.loads((folder / "lists.json").read_text())
    listed = Listed(given["lists"], given.get("delay_s", 0.0))
    daemon.GreylistDaemon = partial(GreylistDaemon, reputation=listed)  # type: ignore[assignment, attr-defined]
    sys.exit(main())
