"""Where mail ends: a real SMTP server (aiosmtpd) that keeps what it gets."""

import threading
from dataclasses import dataclass

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.servers.space import free_port


@dataclass(frozen=True, slots=True)
class Received:
    """One message: its envelope and text."""

    sender: str
    recipients: tuple[str, ...]
    text: bytes


class Sink:
    """Started when made; `stop` it."""

    def __init__(self) -> None:
        self.port = free_port()
        self._received: list[Received] = []
        self._lock = threading.Lock()
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port, enable_SMTPUTF8=True)
        self._controller.start()

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd
        sender = (envelope.mail_from or "").removeprefix("<>")
        with self._lock:
            self._received.append(
                Received(
                    sender,
                    tuple(map(str, envelope.rcpt_tos)),
                    envelope.original_content or b"",
                )
            )
        return "250 kept"

    @property
    def received(self) -> list[Received]:
        with self._lock:
            return list(self._received)

    @property
    def recipients(self) -> list[str]:
        """All recipients so far, in the order of arrival."""
        return [recipient for message in self.received for recipient in message.recipients]

    def clear(self) -> None:
        with self._lock:
            self._received.clear()

    def stop(self) -> None:
        self._controller.stop()
