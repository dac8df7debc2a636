"""docs/signals.md and docs/detection.md name every signal and family, and nothing else."""

import re
from pathlib import Path

from sendwarden.core.texts import SENTENCES
from sendwarden.detect.families import FAMILIES
from sendwarden.detect.signals.table import SIGNALS

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_every_signal_is_documented_in_the_order_of_the_table() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \|", (DOCS / "signals.md").read_text(), re.MULTILINE)

    assert rows == [signal.name for signal in SIGNALS]
    assert set(rows) <= set(SENTENCES)


def test_every_family_is_documented_with_its_cap() -> None:
    text = (DOCS / "detection.md").read_text()

    for row in FAMILIES:
        about = "outcome" if row.outcome else "context"
        assert f"| {row.letter} {row.word} | {row.cap} | {about} |" in text
    assert set(re.findall(r"`([a-z]+(?:-[a-z]+)+)`", text)) - {"bulk-approved"} <= {
        signal.name for signal in SIGNALS
    }
