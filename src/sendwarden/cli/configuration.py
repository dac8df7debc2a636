"""The settings file and the state, as every command finds them."""

import argparse
import stat
from pathlib import Path

from sendwarden.config.load import Loaded, load
from sendwarden.core.errors import SendwardenError
from sendwarden.stores.memory import MemoryMeters
from sendwarden.stores.sql import SqlState

SETTINGS_FILE = "sendwarden.toml"
SYSTEM_SETTINGS = Path("/etc/sendwarden") / SETTINGS_FILE
SYSTEM_STATE = Path("/var/lib/sendwarden")
STATE_FILE = "state.db"


class NoSettings(SendwardenError):
    """The settings file that was named does not exist."""


def add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config",
        metavar="FILE",
        type=Path,
        help=f"the settings file; left out: ./{SETTINGS_FILE}, then {SYSTEM_SETTINGS}, then embedded "
        f"defaults",
    )


def settings_file(named: Path | None) -> Path | None:
    """The settings file to read, or None for the embedded defaults. Raises `NoSettings`."""
    if named is not None:
        path = named
        try:
            path = named / SETTINGS_FILE if stat.S_ISDIR(named.stat().st_mode) else named
            path.stat()
        except FileNotFoundError:
            # Mapping tables and MeterMaid options are read beside an empty one, which is all that many need.
            hint = "" if path == named else ": create it; it may be empty"
            raise NoSettings(f"{path}: there is no such settings file{hint}") from None
        except OSError as error:
            raise NoSettings(f"{path}: {error.strerror}") from None
        return path
    return next((path for path in (Path(SETTINGS_FILE), SYSTEM_SETTINGS) if path.exists()), None)


def load_configuration(arguments: argparse.Namespace) -> Loaded:
    return load(settings_file(arguments.config))


def state_folder(loaded: Loaded) -> Path:
    """Where the state lives: as set, else ./var of a checkout, else the system's place."""
    if loaded.settings.state:
        return loaded.folder.path / loaded.settings.state
    checkout = Path(__file__).parents[3]
    return checkout / "var" if (checkout / "pyproject.toml").exists() else SYSTEM_STATE


def open_state(loaded: Loaded) -> SqlState | None:
    """The daemon's state, to read; None where there is none yet. Raises `StoreDown` for a damaged one."""
    path = state_folder(loaded) / STATE_FILE
    return SqlState(path, read_only=True) if path.exists() else None


def copied_meters(loaded: Loaded, now: float) -> MemoryMeters:
    """What the daemon has counted, as a copy that nothing is written back from. Raises `StoreDown`."""
    meters = MemoryMeters(loaded.site.meters)
    state = open_state(loaded)
    if state is None:
        return meters
    try:
        for group in state.meters():
            for table, key, parts, _damaged in group:
                meters.restore(table, key, parts, now)
        for name, number in state.sequences().items():
            meters.restore_sequence(name, number)
    finally:
        state.close()
    return meters
