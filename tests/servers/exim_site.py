"""A site with a real Exim that asks by what `sendwarden connect exim` prints, and clients from outside."""

import re
from collections.abc import Callable
from typing import NamedTuple

from sendwarden.wire.policy import PolicyDecoder, Request
from tests.servers.client import Answer, Client, message
from tests.servers.exim import Exim
from tests.servers.limited import LOGINS, LimitedSite
from tests.servers.sink import Sink
from tests.servers.tap import Tap

# What holds while we are down, as printed.
FAILS = "{action=DUNNO down}"
# How long a client may wait while we hang: the time-out of readsocket, and a busy machine.
TIMEOUT_S, SOON_S = 3.0, 20.0


def printed(said: str, block: str) -> list[str]:
    """The statements for one ACL, out of what the command says."""
    found = re.search(
        rf"^  # sendwarden: begin {block}\n.*?^  # sendwarden: end\n", said, re.MULTILINE | re.DOTALL
    )
    assert found, said
    return [line.removeprefix("  ") for line in found[0].splitlines()]


class Asking(NamedTuple):
    """How Exim asks: about each recipient before the end of a message, or at the end alone.

    ``changed`` is made of what the command prints before Exim reads it; ``tapped``: it asks through a tap;
    ``strict``: statements for MAIL, with strict_acl_vars.
    """

    each: bool = False
    changed: Callable[[str], str] = str
    tapped: bool = False
    strict: list[str] | None = None


WHOLE, EACH = Asking(), Asking(each=True)


class Site(LimitedSite):
    """Exim that asks as it was told to."""

    def __init__(
        self, sink: Sink, settings: str = "", asking: Asking = WHOLE, files: dict[str, str] | None = None
    ) -> None:
        super().__init__(sink, settings, files)
        self.tap = Tap(self.sendwarden.policy) if asking.tapped else None
        code, said = self.sendwarden.command("connect", "exim")
        assert code == 0, said
        if self.tap:
            said = said.replace(f":{self.sendwarden.policy}}}", f":{self.tap.port}}}")
        said = asking.changed(said)
        of_recipient = printed(said, "rcpt") if asking.each else []
        self.exim = Exim(sink.port, printed(said, "data"), LOGINS, of_recipient, asking.strict)

    @property
    def port(self) -> int:
        return self.exim.port

    def log(self) -> str:
        return self.exim.log() + self.exim.log("panic")

    def stop(self) -> None:
        self.exim.stop()
        if self.tap:
            self.tap.stop()

    def asked(self) -> list[Request]:
        """What went through the tap, one question for each connection."""
        assert self.tap
        decoders = [PolicyDecoder() for _ in self.tap.sessions]
        found = []
        for decoder, session in zip(decoders, self.tap.sessions, strict=True):
            decoder.feed(session.asked)
            request = decoder.next_request()
            assert isinstance(request, Request) and not decoder.unfinished, session.asked
            found.append(request)
        return found


def send(client: Client, recipients: int = 1) -> Answer:
    to = [f"v{n}@victim.example" for n in range(recipients)]
    return client.send("eve@example.org", to, message())


def codes(client: Client, number: int) -> list[int]:
    """The answers to messages with one recipient each."""
    return [send(client).code for _ in range(number)]


def in_one_line(answer: Answer) -> str:
    """Exim breaks a long text into lines, each with the code and the enhanced one before it."""
    first, *more = answer.text.splitlines()
    return " ".join([first, *(line.partition(" ")[2] for line in more)])


def recipients(client: Client, names: list[str], sender: str = "eve@example.org") -> list[int]:
    """A message begun: the answers to its recipients."""
    assert client.command(f"MAIL FROM:<{sender}>") == 250
    return [client.command(f"RCPT TO:<{name}@victim.example>") for name in names]


def numbered(many: int, start: int = 0) -> list[str]:
    return [f"v{number}" for number in range(start, start + many)]
