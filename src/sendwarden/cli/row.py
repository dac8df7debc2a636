"""What the directory says of an account: the running daemon is asked, or else the directory itself."""

import asyncio
from typing import Any

from sendwarden.cli.desk import ask_daemon
from sendwarden.config.load import Loaded
from sendwarden.service.limiter import Limiter
from sendwarden.service.ports import Entry


def find_out(loaded: Loaded, limiter: Limiter, account: str) -> dict[str, Any]:
    """Let the limiter know what the directory says, as `Attributes.look`; {}: nobody need be asked.

    Raises `Refusal` or `NotAsked` where the daemon gave no answer.
    """
    attributes = limiter.attributes
    if attributes is None or account.startswith("["):
        return {}
    said = ask_daemon(loaded, {"verb": "directory", "account": account})
    if said is None:
        return {**asyncio.run(attributes.look(account)), "by": "asked now"}
    if said["known"]:
        attributes.learn(account, Entry(said["names"], tuple(said["senders"])))
    return {**said, "by": "as the running daemon knows it"}
