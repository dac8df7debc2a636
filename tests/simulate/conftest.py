"""Commands with their output at hand."""

from pathlib import Path

import pytest

from tests.cli.command import Commands


@pytest.fixture
def commands(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Commands:
    return Commands(capsys, tmp_path)
