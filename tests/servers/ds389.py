"""A real 389 Directory Server from Debian's package, set up without dscreate, in folders of its own.

Its configuration is the package's template with our folders in it; entries are imported before it starts.
"""

import re
import shutil
import signal
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha512

from tests.servers.slapd import PEOPLE, SUFFIX, Person, ldif
from tests.servers.space import Space, free_port, listens, stop, wait_for

MANAGER = "cn=Directory Manager"
PASSWORD = "secret of the manager"  # noqa: S105 - of a server that lives as long as its test

_USER = "dirsrv"
_DATA = "usr/share/dirsrv/data"
_TOP = f"""
dn: {SUFFIX}
objectClass: top
objectClass: domain
dc: example

dn: {PEOPLE}
objectClass: top
objectClass: organizationalUnit
ou: people
"""


def _hashed(password: str) -> str:
    """Its form of a salted hash; a password in the clear is refused in its configuration."""
    salt = b"of a test"
    return "{SSHA512}" + b64encode(sha512(password.encode() + salt).digest() + salt).decode()


class Ds389:
    """Entries below `PEOPLE` are as in slapd's fixture. The manager may do everything."""

    def __init__(self, people: Mapping[str, Person]) -> None:
        self._space = Space("ds389", {_USER: 999})
        folder = self._space.folder
        self.port = free_port()
        names = (
            "lock", "tmp", "cert", "ldif", "bak", "run", "inst", "log", "config", "db", "db_home"
        )  # fmt: skip
        for name in names:
            (folder / name).mkdir()
        given = {f"{name}_dir": str(folder / name) for name in names} | {
            "fqdn": "localhost", "ds_port": str(self.port), "ds_user": _USER, "rootdn": MANAGER,
            "ds_passwd": _hashed(PASSWORD), "ldapi_enabled": "off", "ldapi": f"{folder}/ldapi",
            "ldapi_autobind": "off", "ds_suffix": SUFFIX, "ds_bename": "userRoot", "db_lib": "bdb",
        }  # fmt: skip
        given["cert_dir"] = given["config_dir"]
        given["schema_dir"] = f"{folder}/config/schema"
        configuration = "\n".join(
            (self._space.root / _DATA / name).read_text()
            for name in ("template-dse.ldif", "template-suffix-db.ldif")
        )
        for name, value in given.items():
            configuration = configuration.replace(f"%{name}%", value)
        lines = [line for line in configuration.split("\n") if not line.startswith("#")]
        (folder / "config/dse.ldif").write_text(re.sub(r"\n{3,}", "\n\n", "\n".join(lines)))
        (folder / "config/schema").mkdir()
        (folder / "entries.ldif").write_text(f"{_TOP}\n{ldif(people)}\n")
        shipped = self._space.root / "etc/dirsrv"
        for name in ("slapd-collations.conf", "certmap.conf"):
            shutil.copy(shipped / "config" / name, folder / "config")
        shutil.copy(shipped / "schema/99user.ldif", folder / "config/schema")
        self._space.run("chown", "-R", _USER, str(folder))
        self._space.run(
            "ns-slapd", "ldif2db", "-D", f"{folder}/config", "-n", "userRoot", "-i", f"{folder}/entries.ldif"
        )
        self.start()

    @property
    def url(self) -> str:
        return f"ldap://127.0.0.1:{self.port}"

    @property
    def reader(self) -> tuple[str, str]:
        """Who may read everything, and the password."""
        return MANAGER, PASSWORD

    def change(self, changes: str) -> None:
        """Changes as LDIF, by the manager."""
        self._space.run(
            "ldapmodify", "-x", "-H", self.url, "-D", MANAGER, "-w", PASSWORD, stdin=changes.encode()
        )

    def start(self) -> None:
        folder = self._space.folder
        self.process = self._space.start(
            "ns-slapd", "-D", f"{folder}/config", "-i", f"{folder}/run/pid", "-d", "0"
        )
        wait_for("389-ds listens", lambda: listens(self.port) or self.process.poll() is not None)
        assert self.process.poll() is None, self.log()

    def log(self) -> str:
        """What it says of itself."""
        errors = self._space.folder / "log/errors"
        return errors.read_text(errors="replace") if errors.exists() else ""

    def kill(self) -> None:
        stop(self.process, signal.SIGKILL)

    def remove(self) -> None:
        self.kill()
        self._space.remove()
