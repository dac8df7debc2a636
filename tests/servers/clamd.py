"""A private clamd. Debian ships no signatures: ours has one, for the EICAR test file."""

import hashlib

from tests.servers.space import Space, free_port, listens, stop, wait_for

EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
SIGNATURE = "Eicar-Test"

CONFIGURATION = """
Foreground yes
User root
DatabaseDirectory {folder}/db
TCPSocket {port}
TCPAddr 127.0.0.1
StreamMaxLength 2M
LogFile {folder}/log
"""


class Clamd:
    """Started when made; `stop` it."""

    def __init__(self) -> None:
        self.space = Space("clamd", {"clamav": 61122})
        self.port = free_port()
        folder = self.space.folder
        (folder / "db").mkdir()
        signature = f"{hashlib.md5(EICAR, usedforsecurity=False).hexdigest()}:{len(EICAR)}:{SIGNATURE}\n"
        (folder / "db" / "eicar.hdb").write_text(signature)
        (folder / "clamd.conf").write_text(CONFIGURATION.format(folder=folder, port=self.port))
        self.process = self.space.start("clamd", "-c", str(folder / "clamd.conf"))
        wait_for("clamd listens", lambda: listens(self.port) or self.process.poll() is not None)
        assert self.process.poll() is None, (folder / "output").read_text(errors="replace")

    def stop(self) -> None:
        stop(self.process)
        self.space.remove()
