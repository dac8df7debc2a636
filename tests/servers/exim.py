"""A private Exim: its own configuration, spool, log and port; never the machine's.

It asks by whatever statements it is given for the ACLs of acl_smtp_data and acl_smtp_rcpt, and knows the
logins of a file. ``strict`` are statements for that of acl_smtp_mail, with strict_acl_vars. Behind these
statements it refuses recipients called nobody and messages with X-Refuse.
"""

import re
from collections.abc import Sequence

from tests.servers.dovecot import password
from tests.servers.space import Server, Space, free_port, listens, stop, wait_for

USER = "Debian-exim"
USERS = {USER: 61131, "mail": 61132}

CONFIGURATION = r"""
exim_path = /usr/sbin/exim4
spool_directory = {folder}/spool
log_file_path = {folder}/log/%slog
pid_file_path = {folder}/pid
primary_hostname = mail.example.org
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port}
tls_advertise_hosts =
host_lookup =
rfc1413_query_timeout = 0s
smtp_accept_max = 100
smtp_accept_queue_per_connection = 0
smtp_accept_max_per_connection = 0
{main}
acl_smtp_mail = check_mail
acl_smtp_rcpt = check_rcpt
acl_smtp_data = check_data

begin acl
check_mail:
{asking_of_sender}
  accept
check_rcpt:
{asking_of_recipient}
  deny
    local_parts = ^nobody
    message = no such user
  accept
check_data:
{asking}
  deny
    condition = ${{if def:h_X-Refuse:}}
    message = not with this header
  accept

begin routers
sink:
  driver = manualroute
  route_list = * 127.0.0.1
  self = send
  transport = sink

begin transports
sink:
  driver = smtp
  port = {sink}
  allow_localhost
  hosts_try_fastopen =

begin retry
* * F,1h,1s

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{lookup{{$auth2}}lsearch{{{folder}/logins}}\
    {{${{if eqi{{$value}}{{$auth3}}}}}}{{false}}}}
  server_set_id = $auth2
"""


def _statements(lines: Sequence[str]) -> str:
    return "\n".join(f"  {line}" for line in lines)


class Exim:
    """Started when made; `stop` it. Names of logins are known in small letters and in capitals."""

    def __init__(
        self,
        sink_port: int,
        asking: Sequence[str],
        logins: Sequence[str],
        asking_of_recipient: Sequence[str] = (),
        strict: Sequence[str] | None = None,
    ) -> None:
        self.space = Space("exim", USERS)
        self.folder = self.space.folder
        self.port = free_port()
        for name in ("spool", "log"):
            (self.folder / name).mkdir()
        self.space.run("chown", f"{USER}:{USER}", f"{self.folder}/spool", f"{self.folder}/log")
        (self.folder / "logins").write_text("".join(f"{login}: {password(login)}\n" for login in logins))
        self.configuration = self.folder / "exim.conf"
        self.configuration.write_text(
            CONFIGURATION.format(
                folder=self.folder,
                port=self.port,
                sink=sink_port,
                asking=_statements(asking),
                main="" if strict is None else "strict_acl_vars",
                asking_of_sender=_statements(strict or ()),
                asking_of_recipient=_statements(asking_of_recipient),
            )
        )
        self.process = self._start()

    def _start(self) -> Server:
        process = self.space.start("exim4", "-C", str(self.configuration), "-bdf", "-q1s")
        wait_for("Exim listens", lambda: listens(self.port) or process.poll() is not None)
        assert process.poll() is None, (self.folder / "output").read_text() + self.log("panic")
        return process

    def run(self, *words: str) -> str:
        """Exim with these options; what it prints."""
        return self.space.run("exim4", "-C", str(self.configuration), *words)

    def told(self, login: str, recipient: str) -> str:
        """A message whose login somebody whom Exim trusts tells it, as a gateway does; Exim's answers."""
        lines = [
            "EHLO gateway",
            "MAIL FROM:<eve@example.org>",
            f"RCPT TO:<{recipient}>",
            "DATA",
            "",
            "Text.",
            ".",
            "QUIT",
        ]
        return self.space.run(
            "exim4", "-C", str(self.configuration), "-oMa", "198.51.100.7.1234", "-oMai", login, "-bs",
            stdin="".join(f"{line}\r\n" for line in lines).encode(),
        )  # fmt: skip

    def log(self, name: str = "main") -> str:
        path = self.folder / "log" / f"{name}log"
        return path.read_text(errors="replace") if path.exists() else ""

    def queue(self) -> list[str]:
        """One line of `exim -bpr` for each message: age, size, id, sender, and whether it is frozen."""
        return re.findall(r"^ *\d+[mhd] .*", self.run("-bpr"), re.MULTILINE)

    def frozen(self) -> list[str]:
        """The ids of messages that are frozen."""
        return [line.split()[2] for line in self.queue() if line.endswith("*** frozen ***")]

    def wait_until_delivered(self) -> None:
        """Until nothing but frozen mail is in the queue."""
        wait_for("the queue is empty", lambda: len(self.queue()) == len(self.frozen()))

    def stop(self) -> None:
        stop(self.process)
        self.space.remove()
