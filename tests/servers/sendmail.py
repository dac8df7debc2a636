"""A private Sendmail as milter client: its own cf, queue, port and SASL users; never the machine's."""

from pathlib import Path

from tests.servers.dovecot import password
from tests.servers.space import Server, Space, free_port, listens, stop, wait_for

USERS = {"smmta": 61121, "smmsp": 61122, "mail": 61123}
HOST = "mail.example.com"

MC = """divert(-1)
include(`/usr/share/sendmail/cf/m4/cf.m4')
divert(0)dnl
OSTYPE(`debian')dnl
DOMAIN(`generic')dnl
undefine(`confHOST_STATUS_DIRECTORY')dnl
define(`confPID_FILE', `{folder}/pid')dnl
define(`QUEUE_DIR', `{folder}/queue')dnl
define(`confDOMAIN_NAME', `{host}')dnl
define(`confDONT_BLAME_SENDMAIL', `groupwritabledirpathsafe,classfileinunsafedirpath,mapinunsafedirpath,\
forwardfileinunsafedirpath,includefileinunsafedirpath')dnl
define(`confAUTH_MECHANISMS', `PLAIN LOGIN')dnl
define(`confAUTH_OPTIONS', `A')dnl
TRUST_AUTH_MECH(`PLAIN LOGIN')dnl
define(`confTO_IDENT', `0s')dnl
define(`confQUEUE_LA', `1000')dnl
define(`confREFUSE_LA', `1000')dnl
define(`confDELIVERY_MODE', `background')dnl
define(`SMART_HOST', `esmtp:[127.0.0.1]')dnl
define(`ESMTP_MAILER_ARGS', `TCP $h {sink}')dnl
define(`RELAY_MAILER_ARGS', `TCP $h {sink}')dnl
define(`confMILTER_LOG_LEVEL', `14')dnl
FEATURE(`no_default_msa')dnl
FEATURE(`nocanonify')dnl
FEATURE(`accept_unresolvable_domains')dnl
FEATURE(`accept_unqualified_senders')dnl
FEATURE(`promiscuous_relay')dnl
DAEMON_OPTIONS(`Family=inet, Name=MTA, Addr=127.0.0.1, Port={port}')dnl
INPUT_MAIL_FILTER(`sendwarden', `S=inet:{milter}@127.0.0.1, {flags}T=C:2s;S:2s;R:3s;E:5s')dnl
MAILER(`smtp')dnl
LOCAL_RULESETS
SLocal_check_rcpt
R$* nobody $*\t$#error $@ 5.1.1 $: "550 no such user"
"""


class Sendmail:
    """Started when made; `stop` it. ``flags`` is "", "F=T, " or "F=R, ": what a milter that is down means.

    It refuses recipients called nobody.
    """

    def __init__(self, sink_port: int, milter_port: int, logins: list[str], flags: str = "") -> None:
        self.space = Space("sendmail", USERS, hosts=f"127.0.0.1 localhost\n127.0.1.1 {HOST} mail\n")
        self.folder = self.space.folder
        self.port = free_port()
        (self.folder / "queue").mkdir(mode=0o700)
        mc = MC.format(
            folder=self.folder, host=HOST, sink=sink_port, port=self.port, milter=milter_port, flags=flags
        )
        (self.folder / "sendmail.mc").write_text(mc)
        cf = self._run("m4", "-D_CF_DIR_=/usr/share/sendmail/cf/", f"{self.folder}/sendmail.mc")
        (self.folder / "sendmail.cf").write_text(cf.replace("/etc/mail/", f"{self.folder}/"))
        for name in ("aliases", "local-host-names", "trusted-users"):
            (self.folder / name).write_text("")
        self._sasl(logins)
        self.process = self._start()

    def _run(self, *command: str) -> str:
        return self.space.run("sh", "-c", f'hostname {HOST}; exec "$@"', "sh", *command, unshare=["-u"])

    def _sasl(self, logins: list[str]) -> None:
        database = self.folder / "sasldb2"
        for login in logins:
            self.space.run(
                "sh", "-c", f"printf %s {password(login)} | saslpasswd2 -p -c -f {database} -u {HOST} {login}"
            )
        self._configuration = (
            "pwcheck_method: auxprop\nauxprop_plugin: sasldb\nmech_list: PLAIN LOGIN\n"
            f"sasldb_path: {database}\n"
        )

    def _start(self) -> Server:
        prepare = (
            f"hostname {HOST}; mkdir -p /etc/sasl2; printf '%s' \"$1\" > /etc/sasl2/Sendmail.conf; shift; "
            'chown root:smmta "$1"; shift; exec "$@"'
        )
        process = self.space.start(
            "sh", "-c", prepare, "sh", self._configuration, f"{self.folder}/queue",
            "/usr/libexec/sendmail/sendmail",
            "-bD", "-q1s", "-C", f"{self.folder}/sendmail.cf", "-X", f"{self.folder}/transcript",
            unshare=["-u"],
        )  # fmt: skip
        wait_for("Sendmail listens", lambda: listens(self.port) or process.poll() is not None)
        assert process.poll() is None, (self.folder / "output").read_text()
        return process

    def quarantined(self) -> str:
        """What `mailq -qQ` lists: messages in quarantine, with the reason."""
        return self._run("/usr/libexec/sendmail/mailq", "-qQ", "-C", f"{self.folder}/sendmail.cf")

    def queued(self) -> list[str]:
        """Names of queue files; those of quarantined messages begin with hf."""
        return sorted(path.name for path in Path(self.folder / "queue").iterdir())

    def stop(self) -> None:
        stop(self.process)
        self.space.remove()
