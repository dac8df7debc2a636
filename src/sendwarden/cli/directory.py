"""The directory that the settings name, for a command."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sendwarden.cli.probe import WallClock, Warnings
from sendwarden.config.load import Loaded
from sendwarden.daemon.directory import opened
from sendwarden.service.attributes import Attributes
from sendwarden.service.limiter import Limiter


@contextmanager
def with_directory(loaded: Loaded, limiter: Limiter) -> Iterator[Limiter]:
    """A limiter of a command, which may ask the directory that the settings name."""
    settings = loaded.settings.directory
    if not settings.url:
        yield limiter
        return
    directory = opened(settings)
    limiter.use_attributes(Attributes(directory, WallClock(), Warnings(), settings.keep))
    try:
        yield limiter
    finally:
        directory.close()


def row_text(said: dict[str, Any]) -> str:
    """Which row holds, and why."""
    if said["row"]:
        what = f"{said['row']}, which the directory names"
    elif said["names"]:
        what = f'of the channel: "{said["names"]}", which the directory names, is no row'
    elif said["known"]:
        what = "of the channel: the directory names none"
    else:
        what = "of the channel"
    trouble = f"; the directory gave no answer: {said['trouble']}" if said["trouble"] else ""
    by = f" ({said['by']})" if said.get("by") else ""
    return f"{what}{trouble}{by}"
