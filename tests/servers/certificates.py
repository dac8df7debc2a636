"""A certificate authority of a test's own."""

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Certificate:
    """Paths of PEM files."""

    certificate: Path
    key: Path


class Authority:
    """Signs what it is asked to."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.certificate, self._key = folder / "ca.pem", folder / "ca.key"
        _openssl(
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=authority",
            "-keyout", str(self._key), "-out", str(self.certificate),
        )  # fmt: skip

    def signed(self, address: str, folder: Path) -> Certificate:
        """For a server at this IP address."""
        made = Certificate(folder / "server.pem", folder / "server.key")
        request, names = folder / "server.csr", folder / "server.names"
        names.write_text(f"subjectAltName=IP:{address}\n")
        _openssl(
            "req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={address}", "-keyout", str(made.key),
            "-out", str(request),
        )  # fmt: skip
        _openssl(
            "x509", "-req", "-in", str(request), "-CA", str(self.certificate), "-CAkey", str(self._key),
            "-CAcreateserial", "-days", "30", "-extfile", str(names), "-out", str(made.certificate),
        )  # fmt: skip
        return made


def _openssl(*words: str) -> None:
    subprocess.run(["/usr/bin/openssl", *words], check=True, capture_output=True, timeout=60)
