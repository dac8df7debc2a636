"""A login as an IMAP, POP or SMTP server tells of it, whatever protocol it tells it in."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Login:
    """One try to log in. What is not known is empty, or None."""

    login: str  # as typed
    remote: str = ""  # the client's address, as the server sees it
    protocol: str = ""  # imap, pop3, smtp, ...
    device: str = ""  # what the client says it is
    session: str = field(default="", repr=False)  # whoever knows it may find the session in other logs
    tls: bool | None = None


@dataclass(frozen=True, slots=True)
class LoginResult:
    """How a try ended."""

    login: Login
    success: bool
    refused_by_us: bool = False
    why: str = ""  # Dovecot 2.4: credentials, account, expired, disabled, policy or internal
