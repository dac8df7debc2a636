"""What a mail program does: log in, send, and read what the server says."""

import smtplib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP

from tests.servers.dovecot import password

SPAM = ("X-Spam-Score-Internal", "****")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said: 250 for accepted; else the code and text of the refusal."""

    code: int
    text: str = ""


def message(subject: str = "a message", headers: Iterable[tuple[str, str]] = ()) -> bytes:
    made = EmailMessage()
    made["From"] = "Somebody <somebody@example.org>"
    made["Subject"] = subject
    for name, value in headers:
        made[name] = value
    made.set_content("Text.\n")
    return made.as_bytes(policy=SMTP)


class Client:
    """One SMTP session."""

    def __init__(self, port: int, login: str = "", source: str = "127.0.0.1") -> None:
        self._smtp = smtplib.SMTP("127.0.0.1", port, source_address=(source, 0), timeout=60)
        self._smtp.ehlo("client.example.org")
        try:
            if login:
                self._smtp.login(login, password(login))
        except smtplib.SMTPException:
            self._smtp.close()
            raise

    def send(self, sender: str, recipients: Sequence[str], content: bytes) -> Answer:
        """One message through MAIL, RCPT and DATA, each path as given; the first refusal ends it."""
        for line in (f"MAIL FROM:<{sender}>", *(f"RCPT TO:<{recipient}>" for recipient in recipients)):
            code, text = self._smtp.docmd(line)
            if code >= 300:
                self._smtp.rset()
                return Answer(code, text.decode(errors="replace"))
        code, text = self._smtp.data(content)
        if code != 250:  # after a refusal by a policy server Postfix still has the old message
            self._smtp.rset()
        return Answer(code, "" if code == 250 else text.decode(errors="replace"))

    def command(self, line: str) -> int:
        """The code of the answer to one line."""
        return self._smtp.docmd(line)[0]

    def line(self, line: bytes) -> int:
        """The code of the answer to a line with any bytes."""
        self._smtp.send(line + b"\r\n")
        return self._smtp.getreply()[0]

    def data(self, content: bytes) -> int:
        return self._smtp.data(content)[0]

    def begin_and_reset(self, sender: str, recipient: str) -> None:
        """Begin a message and think better of it."""
        for line in (f"MAIL FROM:<{sender}>", f"RCPT TO:<{recipient}>", "RSET"):
            self._smtp.docmd(line)

    def xclient(self, **attributes: str) -> None:
        """Postfix's XCLIENT: be a client from elsewhere."""
        self._smtp.docmd("XCLIENT " + " ".join(f"{name}={value}" for name, value in attributes.items()))
        self._smtp.ehlo("client.example.org")

    def quit(self) -> None:
        try:
            self._smtp.quit()
        except smtplib.SMTPException:
            self._smtp.close()
