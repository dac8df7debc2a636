"""A server on the internet that says to each recipient what its local part asks for."""

import threading

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.servers.space import free_port

# First word of the local part -> what is answered to RCPT. Others are taken.
ANSWERS = {
    "unknown": "550 5.1.1 <{}>: Recipient address rejected: User unknown in virtual mailbox table",
    "full": "552-5.2.2 The mailbox is full.\r\n552 5.2.2 Ask (its owner) to clear it, please",
    "busy": "451 4.2.1 Try again later; to=<victim@example.org>, relay=none, status=sent (250 ok)",
    "bare": "550 no such user here",
}
# What is answered to the whole message.
TEXTS = {
    "spam": "554-5.7.1 rejected by content filter\r\n554 5.7.1 queued as 4D5E6F7A8B; status=sent (250 ok)"
}


class Picky:
    """Started when made; `stop` it. ``busy-once@..`` is taken at the second try."""

    def __init__(self) -> None:
        self.port = free_port()
        self._seen: set[str] = set()
        self._lock = threading.Lock()
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port, enable_SMTPUTF8=True)
        self._controller.start()

    async def handle_RCPT(  # noqa: N802 - aiosmtpd
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        with self._lock:
            again = address in self._seen
            self._seen.add(address)
        word = address.strip('"').partition("@")[0].partition("-")[0]
        if word in ANSWERS and not (again and "-once" in address):
            return ANSWERS[word].format(address)
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd
        words = [str(address).partition("@")[0].partition("-")[0] for address in envelope.rcpt_tos]
        return next((TEXTS[word] for word in words if word in TEXTS), "250 2.0.0 Ok: queued as 4D5E6F7A8B")

    def stop(self) -> None:
        self._controller.stop()
