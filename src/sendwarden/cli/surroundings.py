"""What stands on this machine: looked at, never touched. A thing that is missing is a fact, not a failure."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

ASK_TIMEOUT_S = 3.0


@dataclass(frozen=True, slots=True)
class Found:
    """One thing, and what we know of it."""

    name: str
    here: bool
    detail: str = ""


def _ask(*command: str) -> str:
    """First line of what a command prints, "" if it does not exist, fails, or takes too long."""
    program = shutil.which(command[0], path="/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin")
    if program is None:
        return ""
    try:
        done = subprocess.run(  # noqa: S603 - the commands stand below
            [program, *command[1:]], capture_output=True, text=True, timeout=ASK_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.splitlines()[0].strip() if done.returncode == 0 and done.stdout.strip() else ""


def _postfix() -> Found:
    version = _ask("postconf", "-d", "-h", "mail_version")
    folder = _ask("postconf", "-h", "config_directory") or "/etc/postfix"
    return Found("Postfix", bool(version), f"{version} ({folder})" if version else "")


def dovecot() -> Found:
    version = _ask("dovecot", "--version").split(" ")[0]
    return Found("Dovecot", bool(version), version)


def exim() -> Found:
    words = _ask("exim4", "-bV").split()
    return Found("Exim", bool(words), words[2] if len(words) > 2 else "")  # noqa: PLR2004 - "Exim version 4.96"


def _log() -> Found:
    if Path("/var/log/mail.log").exists():
        return Found("log", here=True, detail="/var/log/mail.log")
    journal = Path("/run/systemd/journal/socket").exists()
    return Found(
        "log", journal, "journal (mail.log is not here, that is normal on Debian 12)" if journal else ""
    )


def look_around() -> list[Found]:
    """Mail servers and logs of this machine."""
    return [_postfix(), dovecot(), exim(), _log()]
