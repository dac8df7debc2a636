"""A real slapd from Debian's package with the entries of a test, that can be killed and started again."""

import signal
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.servers.certificates import Authority
from tests.servers.space import Space, free_port, listens, pause, stop, wait_for

SUFFIX = "dc=example,dc=org"
PEOPLE = f"ou=people,{SUFFIX}"
READER = f"cn=sendwarden,{SUFFIX}"
PASSWORD = "secret of the reader"  # noqa: S105 - of a server that lives as long as its test
ROOT = f"cn=root,{SUFFIX}"

_CONFIGURATION = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {folder}/pid
TLSCACertificateFile {ca}
TLSCertificateFile {certificate}
TLSCertificateKeyFile {key}
sizelimit {sizelimit}
database mdb
suffix "{suffix}"
directory {folder}/data
maxsize 1073741824
rootdn "{root}"
rootpw "{password}"
index objectClass,uid,mail eq
access to attrs=userPassword by anonymous auth by * none
access to *
  by dn.exact="{reader}" read
  by dn.regex="^gidNumber=0.*,cn=peercred,cn=external,cn=auth$" read
  by * none
"""

_TOP = f"""
dn: {SUFFIX}
objectClass: dcObject
objectClass: organization
o: Example
dc: example

dn: {PEOPLE}
objectClass: organizationalUnit
ou: people

dn: {READER}
objectClass: person
cn: sendwarden
sn: warden
userPassword: {PASSWORD}

dn: ou=elsewhere,{SUFFIX}
objectClass: referral
objectClass: extensibleObject
ou: elsewhere
ref: ldap://ldap.elsewhere.example/ou=people,dc=elsewhere
"""

# Attributes of one person; the name is the uid.
Person = Mapping[str, str | Iterable[str]]


def ldif(people: Mapping[str, Person]) -> str:
    """Entries below `PEOPLE`."""
    lines = []
    for number, (uid, attributes) in enumerate(people.items()):
        lines += [f"dn: employeeNumber={number},{PEOPLE}", "objectClass: inetOrgPerson"]
        lines += [f"employeeNumber: {number}", f"uid: {uid}", f"cn: {uid}", f"sn: {uid}"]
        for name, values in attributes.items():
            lines += [f"{name}: {value}" for value in ([values] if isinstance(values, str) else values)]
        lines.append("")
    return "\n".join(lines)


class Slapd:
    """Listens by ldap, ldaps and ldapi. ``sizelimit``: entries that one search may give."""

    def __init__(self, people: Mapping[str, Person], authority: Authority, sizelimit: int = 500) -> None:
        self._space = Space("slapd", {})
        folder = self._space.folder
        self.port, self.tls_port = free_port(), free_port()
        certificate = authority.signed("127.0.0.1", folder)
        (folder / "data").mkdir()
        (folder / "slapd.conf").write_text(
            _CONFIGURATION.format(
                folder=folder, ca=authority.certificate, certificate=certificate.certificate,
                key=certificate.key, suffix=SUFFIX, root=ROOT, reader=READER, password=PASSWORD,
                sizelimit=sizelimit,
            )
        )  # fmt: skip
        entries = f"{_TOP}\n{ldif(people)}\n".encode()
        self._space.run("slapadd", "-q", "-f", f"{folder}/slapd.conf", stdin=entries)
        self.start()

    @property
    def url(self) -> str:
        return f"ldap://127.0.0.1:{self.port}"

    @property
    def tls_url(self) -> str:
        return f"ldaps://127.0.0.1:{self.tls_port}"

    @property
    def socket_url(self) -> str:
        return f"ldapi://{str(self._space.folder).replace('/', '%2F')}%2Fldapi"

    @property
    def reader(self) -> tuple[str, str]:
        """Who may read everything, and the password."""
        return READER, PASSWORD

    def start(self) -> None:
        self.process = self._space.start(
            "slapd", "-d", "0", "-f", f"{self._space.folder}/slapd.conf",
            "-h", f"ldap://127.0.0.1:{self.port} ldaps://127.0.0.1:{self.tls_port} {self.socket_url}",
        )  # fmt: skip
        wait_for("slapd listens", lambda: listens(self.tls_port) or self.process.poll() is not None)
        assert self.process.poll() is None, Path(self._space.folder / "output").read_text()

    def change(self, changes: str) -> None:
        """Changes as LDIF, which this machine's administrator may make."""
        self._space.run(
            "ldapmodify", "-x", "-H", self.url, "-D", ROOT, "-w", PASSWORD, stdin=changes.encode()
        )

    def kill(self) -> None:
        stop(self.process, signal.SIGKILL)

    def pause(self) -> None:
        """Hang: connections stay and are taken, nothing is answered."""
        pause(self.process)

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def remove(self) -> None:
        self.kill()
        self._space.remove()
