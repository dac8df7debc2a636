"""Sendwarden on a machine whose clock is wrong by SHIFT_S seconds: ``python -m tests.servers.shifted``."""

import os
import sys

from sendwarden.cli.main import main
from sendwarden.daemon.clock import AnchoredClock

_now = AnchoredClock.now
_SHIFT_S = float(os.environ["SHIFT_S"])


def _shifted(clock: AnchoredClock) -> float:
    return _now(clock) + _SHIFT_S


AnchoredClock.now = _shifted  # type: ignore[method-assign, assignment]

if __name__ == "__main__":
    sys.exit(main())
