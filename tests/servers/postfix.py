"""A private Postfix: its own folder, ports, queue and log; never the machine's."""

import json
import os
import re
import signal
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers.space import Server, Space, free_port, listens, stop, wait_for

USERS = {"postfix": 61101, "postdrop": 61102}

MAIN_CF = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
shlib_directory = /usr/lib/postfix
meta_directory = /etc/postfix
mail_owner = postfix
setgid_group = postdrop
maillog_file = {folder}/mail.log
maillog_file_prefixes = {folder}
myhostname = mail.example.org
mydestination =
mynetworks = 127.0.0.1/32
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtpd_peername_lookup = no
disable_dns_lookups = yes
alias_maps =
alias_database =
local_recipient_maps =
default_transport = smtp:[127.0.0.1]:{sink}
smtp_tls_security_level = none
smtpd_sasl_type = dovecot
smtpd_sasl_path = {sasl}
smtpd_sasl_tls_security_options = noanonymous
smtpd_forbid_bare_newline = no
smtpd_client_connection_count_limit = 0
smtpd_error_sleep_time = 0
smtpd_hard_error_limit = 1000
smtpd_authorized_xclient_hosts = 127.0.0.1
maximal_backoff_time = 2s
minimal_backoff_time = 1s
queue_run_delay = 1s
hash_queue_depth = 1
{more}
"""

MASTER_CF = """
{smtpd}
pickup    unix  n       -       n       60      1       pickup
cleanup   unix  n       -       n       -       0       cleanup
qmgr      unix  n       -       n       1       1       qmgr
rewrite   unix  -       -       n       -       -       trivial-rewrite
bounce    unix  -       -       n       -       0       bounce
defer     unix  -       -       n       -       0       bounce
trace     unix  -       -       n       -       0       bounce
verify    unix  -       -       n       -       1       verify
flush     unix  n       -       n       1000?   0       flush
proxymap  unix  -       -       n       -       -       proxymap
smtp      unix  -       -       n       -       -       smtp
relay     unix  -       -       n       -       -       smtp
showq     unix  n       -       n       -       -       showq
error     unix  -       -       n       -       -       error
retry     unix  -       -       n       -       -       error
discard   unix  -       -       n       -       -       discard
anvil     unix  -       -       n       -       1       anvil
scache    unix  -       -       n       -       1       scache
postlog   unix-dgram n  -       n       -       1       postlogd
"""


@dataclass(slots=True)
class Service:
    """One smtpd line: a name for the test, and what is set for it alone."""

    name: str
    options: dict[str, str] = field(default_factory=dict)


class Postfix:
    """Started when made; `stop` it. ``ports`` has the port of each service."""

    def __init__(self, sink_port: int, services: list[Service], sasl: str = "", more: str = "") -> None:
        self.space = Space("postfix", USERS)
        self.folder = self.space.folder
        self.ports = {service.name: free_port() for service in services}
        configuration = self.folder / "etc"
        for name in ("etc", "queue", "data"):
            (self.folder / name).mkdir()
        text = MAIN_CF.format(folder=self.folder, sink=sink_port, sasl=sasl or "none", more=more)
        (configuration / "main.cf").write_text(text)
        lines = [self._smtpd(service) for service in services]
        (configuration / "master.cf").write_text(MASTER_CF.format(smtpd="\n".join(lines)))
        self.space.run("chown", "postfix", f"{self.folder}/data")
        self.process = self._start()

    def _smtpd(self, service: Service) -> str:
        options = "".join(f"\n  -o {{ {name} = {value} }}" for name, value in service.options.items())
        return (
            f"127.0.0.1:{self.ports[service.name]} inet n - n - - smtpd\n"
            f"  -o syslog_name=postfix/{service.name}{options}"
        )

    def _start(self) -> Server:
        process = self.space.start("postfix", "-c", f"{self.folder}/etc", "start-fg")
        wait_for(
            "Postfix listens", lambda: all(map(listens, self.ports.values())) or process.poll() is not None
        )
        assert process.poll() is None, (self.folder / "output").read_text() + self.log()
        return process

    def log(self) -> str:
        path = self.folder / "mail.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def queue(self) -> list[dict[str, object]]:
        """What `postqueue -j` lists."""
        listed = self.space.run("postqueue", "-c", f"{self.folder}/etc", "-j")
        return [json.loads(line) for line in listed.splitlines()]

    def held(self) -> list[dict[str, object]]:
        return [message for message in self.queue() if message["queue_name"] == "hold"]

    def delete_held(self) -> None:
        if self.held():
            self.space.run("postsuper", "-c", f"{self.folder}/etc", "-d", "ALL", "hold")

    def wait_until_delivered(self) -> None:
        """Until nothing but held mail is in the queue."""
        wait_for("the queue is empty", lambda: len(self.queue()) == len(self.held()))

    def times_logged(self, pattern: str) -> int:
        return len(re.findall(pattern, self.log()))

    def stop(self) -> None:
        # start-fg is a shell that waits for the master; ending the shell would leave the master alive.
        master = int((self.folder / "queue" / "pid" / "master.pid").read_text())
        os.kill(master, signal.SIGTERM)
        stop(self.process, signal.SIGTERM)
        wait_for("Postfix has ended", lambda: not Path(f"/proc/{master}").exists())
        self.space.remove()
