"""A private Dovecot: tells Postfix and Sendmail if that is the password, and serves IMAP if told to."""

from pathlib import Path

from tests.servers.space import Space, free_port, listens, stop, wait_for

USERS = {"dovecot": 61111, "dovenull": 61112, "postfix": 61101}

CONFIGURATION = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols = {protocols}
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_failure_delay = 0
default_internal_user = dovecot
default_login_user = dovenull
mail_location = maildir:{folder}/mail/%u
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {folder}/users
}}
userdb {{
  driver = static
  args = uid=dovecot gid=dovecot home={folder}/mail/%u
}}
service auth {{
  unix_listener {folder}/auth {{
    mode = 0666
  }}
}}
"""
IMAP = """
auth_debug = yes
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
!include_try {folder}/conf.d/*.conf
"""


class Dovecot:
    """SASL for the logins given; the password of each is its name spelt backwards.

    With ``imap`` it is an IMAP server as well, at the port of that name, and reads the files of `more`.
    """

    def __init__(self, logins: list[str], *, imap: bool = False) -> None:
        self.space = Space("dovecot", USERS)
        self.folder = self.space.folder
        for name in ("run", "mail", "conf.d"):
            (self.folder / name).mkdir()
        self.space.run("chown", "dovecot", f"{self.folder}/mail")
        (self.folder / "users").write_text("".join(f"{login}:{password(login)}\n" for login in logins))
        self.imap = free_port() if imap else 0
        text = CONFIGURATION.format(folder=self.folder, protocols="imap" if imap else "")
        more = IMAP.format(folder=self.folder, port=self.imap) if imap else ""
        self.configuration = self.folder / "dovecot.conf"
        self.configuration.write_text(text + more)
        self.sasl = f"{self.folder}/auth"
        self.process = self.space.start("dovecot", "-F", "-c", str(self.configuration))
        wait_for("Dovecot's auth socket", (self.folder / "auth").exists)
        wait_for("Dovecot's IMAP", lambda: not imap or listens(self.imap))

    @property
    def more(self) -> Path:
        """Where files with more settings are put."""
        return self.folder / "conf.d"

    def log(self) -> str:
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def reload(self) -> None:
        """Read the configuration anew, and wait for the processes that have."""
        before = self.log().count("SIGHUP received")
        self.space.run("doveadm", "-c", str(self.configuration), "reload")
        wait_for("the reload", lambda: self.log().count("SIGHUP received") > before)
        wait_for("Dovecot's IMAP", lambda: not self.imap or listens(self.imap))

    def stop(self) -> None:
        stop(self.process)
        self.space.remove()


def password(login: str) -> str:
    return login[::-1]
