"""Test suites out of Debian's source packages, kept below .cache.

Nothing on the machine changes: apt works with a list of sources, list files and an archive of our own. The
list is made of the binary sources that the machine is configured for, with `deb-src` for `deb`. To fetch all
before the tests, where the network is open: ``python -m tests.conformance.sources``.
"""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent.parent
# Source package -> its archive, and the folder below .cache.
PACKAGES = {
    "dovecot": ("dovecot_*.orig-pigeonhole.tar.gz", "pigeonhole"),
    "pyspf": ("pyspf_*.orig.tar.*", "pyspf"),
}
_FIELD = re.compile(r"^Types:.*$", re.MULTILINE)
# Sources of other vendors have no package of ours, and asking them may fail for reasons of their own.
_DEBIAN = re.compile(r"\bdebian", re.IGNORECASE)


class NotFetched(Exception):
    """The suite cannot be had; the message is apt's."""


def sources(package: str) -> Path:
    """Its unpacked sources. Fetches them once. Raises `NotFetched`."""
    archive, folder = PACKAGES[package]
    ready = TOP / ".cache" / folder / "sources"
    if not ready.is_dir():
        _fetch(package, archive, ready)
    (found,) = ready.iterdir()
    return found


def _fetch(package: str, archive: str, ready: Path) -> None:
    ready.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=ready.parent))
    for folder in ("parts", "lists/partial", "archives/partial", "download"):
        (work / folder).mkdir(parents=True)
    _write_sources(work / "parts")
    _apt(work, "apt-get", "update")
    _download(work, package)
    (found,) = (path for path in (work / "download").glob(archive) if path.suffix != ".asc")
    (work / "unpacked").mkdir()
    # Debian 12's Python does not know the safe ways of `tarfile` yet.
    subprocess.run([shutil.which("tar") or "tar", "-xf", found, "-C", work / "unpacked"], check=True)
    if not ready.is_dir():
        (work / "unpacked").rename(ready)
    shutil.rmtree(work)


def _write_sources(parts: Path) -> None:
    configured = Path("/etc/apt")
    lists = [configured / "sources.list", *sorted((configured / "sources.list.d").glob("*"))]
    for number, file in enumerate(file for file in lists if file.is_file()):
        text = file.read_text(encoding="utf-8")
        if file.suffix == ".sources":
            stanzas = [stanza for stanza in re.split(r"\n\s*\n", text) if _DEBIAN.search(stanza)]
            sources = "\n\n".join(_FIELD.sub("Types: deb-src", stanza) for stanza in stanzas)
        else:
            lines = [line for line in text.splitlines() if line.startswith("deb ") and _DEBIAN.search(line)]
            sources = "\n".join(f"deb-src{line.removeprefix('deb')}" for line in lines)
        suffix = ".sources" if file.suffix == ".sources" else ".list"
        (parts / f"{number}{suffix}").write_text(sources + "\n", encoding="utf-8")


def _download(work: Path, package: str) -> None:
    """Any version that can be had: of an archive's newest one a mirror may lack a file for a while."""
    shown = _apt(work, "apt-cache", "showsrc", "--only-source", package)
    versions = dict.fromkeys(re.findall(r"^Version: (\S+)", shown, re.MULTILINE))
    failures = [f"no version of the source package {package} is known"]
    for version in versions:
        try:
            _apt(
                work,
                "apt-get",
                "--download-only",
                "--tar-only",
                "--only-source",
                "source",
                f"{package}={version}",
            )
        except NotFetched as error:
            failures.append(str(error))
        else:
            return
    raise NotFetched("\n".join(failures))


def _apt(work: Path, program: str, *command: str) -> str:
    settings = {
        "Dir::Etc::sourcelist": "/dev/null",
        "Dir::Etc::sourceparts": str(work / "parts"),
        "Dir::State::lists": str(work / "lists"),
        "Dir::Cache": str(work / "archives"),
        "APT::Sandbox::User": "root" if os.geteuid() == 0 else "",
        "Acquire::Retries": "2",
    }
    options = [word for name, value in settings.items() if value for word in ("-o", f"{name}={value}")]
    done = subprocess.run(
        [program, "-q", *options, *command],
        cwd=work / "download",
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise NotFetched(f"{program} {' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    for package in PACKAGES:
        print(sources(package))
