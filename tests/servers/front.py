"""A small site: Postfix with submission and relay ports, Dovecot's SASL, Sendwarden as milter, and a sink."""

from types import TracebackType
from typing import Self

from tests.servers.client import Client
from tests.servers.dovecot import Dovecot
from tests.servers.postfix import Postfix, Service
from tests.servers.sendwarden import Sendwarden
from tests.servers.sink import Sink

SUBMISSION = {
    "smtpd_sasl_auth_enable": "yes",
    "smtpd_relay_restrictions": "permit_sasl_authenticated, reject",
    "smtpd_recipient_restrictions": "permit",
}
RELAY = {
    "mynetworks": "0.0.0.0/0",
    "smtpd_relay_restrictions": "permit_mynetworks, reject",
    "smtpd_recipient_restrictions": "permit",
}


class Front:
    """Use as a context. ``{notify}`` in the settings becomes the sink's port."""

    def __init__(
        self,
        sink: Sink,
        dovecot: Dovecot,
        settings: str,
        files: dict[str, str],
        milter: str = "inet:127.0.0.1:{}",
    ) -> None:
        self.sink = sink
        self.sendwarden = Sendwarden(settings.replace("{notify}", str(sink.port)), files)
        ask = {"smtpd_milters": milter.format(self.sendwarden.milter)}
        services = [Service("submission", {**SUBMISSION, **ask}), Service("relay", {**RELAY, **ask})]
        self.postfix = Postfix(sink.port, services, dovecot.sasl)
        self._clients: list[Client] = []
        sink.clear()

    def submission(self, login: str) -> Client:
        """An authenticated client."""
        return self._client(Client(self.postfix.ports["submission"], login))

    def relay(self, address: str = "") -> Client:
        """A client without a login, at this IP address or on this machine."""
        client = self._client(Client(self.postfix.ports["relay"]))
        if address:
            client.xclient(ADDR=address, NAME="[UNAVAILABLE]")
        return client

    def _client(self, client: Client) -> Client:
        self._clients.append(client)
        return client

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        for client in self._clients:
            client.quit()
        self.postfix.stop()
        self.sendwarden.stop()
        if error:
            print(self.sendwarden.output())
