"""The optional scan in C: the same as in Python in every case, and used where it is installed."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.policypeer import Peer
from tests.servers.sendwarden import Sendwarden

TOP = Path(__file__).resolve().parents[2]
# Asked of both forms. Memory is that of a million scans.
COMPARED = """
import resource, sendwarden_scan
from sendwarden.wire.policy_scan import compiled, plain
from tests.wire.scan_cases import TAIL, cases, request
assert compiled is sendwarden_scan.scan
found = 0
for data, tail in cases(200_000):
    said = plain(data, tail)
    assert compiled(data, tail) == said, data
    found += said is not None
for wrong in ((), (b"",), ("", b""), (b"", None), (b"", b"", b"")):
    try:
        compiled(*wrong)
    except TypeError:
        continue
    raise AssertionError(wrong)
asked = request() + TAIL
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for _ in range(1_000_000):
    compiled(asked, TAIL)
grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
assert grown_kib < 1024, grown_kib
print(f"200000 requests: {found} found, all as in Python; {grown_kib} KiB more after a million")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("compiled")
    subprocess.run(
        [str(TOP / "scripts" / "toolchain"), str(TOP / "scripts" / "compile"), str(made)], check=True
    )
    return made


def test_it_says_the_same_as_the_one_in_python(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", COMPARED],
        cwd=TOP, env={"PYTHONPATH": f"{folder}:{TOP}"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    print(done.stdout)


def test_where_it_is_installed_it_answers_and_the_limit_is_exact(folder: Path) -> None:
    said = subprocess.run(
        [sys.executable, "-m", "sendwarden", "--version"],
        env={"PYTHONPATH": str(folder)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "scanned in C" in said.stdout
    settings = '[[limits]]\nname = "external"\nrecipients = "100/1h"\n'
    warden = Sendwarden(f'mode = "enforce"\n{settings}', prefix=("env", f"PYTHONPATH={folder}"))
    try:
        peer = Peer(warden.policy)
        answers = [peer.rcpt("eve", f"m.{number}") for number in range(150)]
        peer.close()
        assert answers == ["DUNNO"] * 100 + ["450"] * 50
    finally:
        warden.stop()
