"""What sites with a limited account have in common: settings, clients from outside, what was counted."""

import json
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

from tests.servers.address import OUTSIDE, outside_is_here
from tests.servers.client import Client
from tests.servers.sendwarden import Sendwarden
from tests.servers.sink import Sink

SETTINGS = """
mode = "enforce"
[site]
domains = ["example.org"]
help = "https://help.example.org/limits"
"""
CHANNEL = '[[channel]]\nname = "submission-auth-external"\nover_limit = "{}"\n'
LOGINS = ["eve", "bob"]
# Recipients in 10 minutes of a login from outside, as shipped.
LIMIT = 40


class LimitedSite(ABC):
    """A mail server, Sendwarden, and a sink. Use as a context."""

    def __init__(self, sink: Sink, settings: str = "", files: dict[str, str] | None = None) -> None:
        outside_is_here()
        self.sink = sink
        self.sendwarden = Sendwarden(SETTINGS + settings, files)
        self._clients: list[Client] = []
        sink.clear()

    @property
    @abstractmethod
    def port(self) -> int:
        """The mail server's, for clients."""

    @abstractmethod
    def log(self) -> str:
        """What the mail server has said."""

    @abstractmethod
    def stop(self) -> None:
        """End the mail server."""

    def client(self, login: str = "eve") -> Client:
        """A client from outside."""
        client = Client(self.port, login, OUTSIDE)
        self._clients.append(client)
        return client

    def used(self, account: str = "eve") -> int:
        """Recipients from outside in the longest window, as `limits show` has them."""
        code, said = self.sendwarden.command("limits", "show", account, "--json")
        assert code == 0, said
        channels = {one["channel"]: one for one in json.loads(said)["channels"]}
        limits = channels["submission-auth-external"]["limits"]
        return int(next(one["used"] for one in reversed(limits) if one["counted"] == "recipients"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        for client in self._clients:
            client.quit()
        if error:
            print(self.sendwarden.output(), self.log()[-3000:])
        self.stop()
        self.sendwarden.stop()
