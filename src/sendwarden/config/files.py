"""Files of a configuration: found inside its folder, read whole, named as the user knows them."""

import os
import stat
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections import Counter
from pathlib import Path

from sendwarden.config.values import shown
from sendwarden.core.place import Place, Problem

# A larger file is no configuration. The largest mapping files known have a few ten thousand lines.
MOST_BYTES = 32 * 1024 * 1024


class Unreadable(ValueError):
    """Its text says what is wrong with the file."""


class Folder:
    """The folder of the settings file: what ``IMTA_TABLE:`` stands for. Counts what was read, by kind."""

    def __init__(self, path: Path) -> None:
        self.path = Path(os.path.normpath(path))
        self.read_files: Counter[str] = Counter()
        self._seen: set[Path] = set()

    def resolve(self, spec: str, *, anywhere: bool = False) -> Path:
        """``file:IMTA_TABLE:x``, ``IMTA_TABLE:x`` and ``x`` are ``x`` in this folder. Raises `Unreadable`.

        ``anywhere``: the file may belong to another program, and lie where that has it.
        """
        name = spec.removeprefix("file:")
        if name.upper().startswith("IMTA_TABLE:"):
            name = name[len("IMTA_TABLE:") :]
        if "\0" in name:
            raise Unreadable("no file has such a name")
        path = Path(os.path.normpath(self.path / name))
        if not anywhere and not path.is_relative_to(self.path):
            raise Unreadable(f"{name} lies outside {self.path}")
        return path

    def name(self, path: Path) -> str:
        """A file as its user knows it."""
        path = Path(os.path.normpath(path))
        return str(path.relative_to(self.path)) if path.is_relative_to(self.path) else str(path)

    def read(self, path: Path, kind: str) -> str:
        """The text of a file; bytes that are not UTF-8 survive as surrogates. Raises `Unreadable`."""
        try:
            found = path.stat()
            if not stat.S_ISREG(found.st_mode):
                raise Unreadable(
                    "it is a folder" if stat.S_ISDIR(found.st_mode) else "it is not a plain file"
                )
            if found.st_size > MOST_BYTES:
                raise Unreadable(f"it is larger than {MOST_BYTES} bytes")
            raw = path.read_bytes()
        except FileNotFoundError:
            raise Unreadable("there is no such file") from None
        except OSError as error:
            raise Unreadable(f"it cannot be read: {error.strerror}") from None
        if raw.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
            raise Unreadable("it is UTF-16 text: save it as UTF-8")
        text = raw.decode("utf-8", "surrogateescape")
        if path not in self._seen:
            self._seen.add(path)
            self.read_files[kind] += 1
        return text.removeprefix("\ufeff")


def unreadable_problem(spec: str, error: Unreadable, place: Place | None) -> Problem:
    remedy = "name a file in the folder of the settings" if place else "mend it, or take it away"
    return Problem("SW121", f"{shown(spec)}: {error}", place or Place(spec), remedy)
