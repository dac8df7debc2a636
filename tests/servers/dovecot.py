"""A private Dovecot that only answers Postfix's and Sendmail's question: is this the password?"""

from tests.servers.space import Space, stop, wait_for

USERS = {"dovecot": 61111, "dovenull": 61112, "postfix": 61101}

CONFIGURATION = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols =
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login
default_internal_user = dovecot
default_login_user = dovenull
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {folder}/users
}}
userdb {{
  driver = static
  args = uid=dovecot gid=dovecot home={folder}
}}
service auth {{
  unix_listener {folder}/auth {{
    mode = 0666
  }}
}}
"""


class Dovecot:
    """SASL for the logins given; the password of each is its name spelt backwards."""

    def __init__(self, logins: list[str]) -> None:
        self.space = Space("dovecot", USERS)
        self.folder = self.space.folder
        (self.folder / "run").mkdir()
        (self.folder / "users").write_text("".join(f"{login}:{password(login)}\n" for login in logins))
        (self.folder / "dovecot.conf").write_text(CONFIGURATION.format(folder=self.folder))
        self.sasl = f"{self.folder}/auth"
        self.process = self.space.start("dovecot", "-F", "-c", f"{self.folder}/dovecot.conf")
        wait_for("Dovecot's auth socket", (self.folder / "auth").exists)

    def stop(self) -> None:
        stop(self.process)
        self.space.remove()


def password(login: str) -> str:
    return login[::-1]
