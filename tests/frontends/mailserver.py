"""What a mail server says over a milter connection, and what it hears."""

from sendwarden.wire.milter.commands import (
    Body,
    Command,
    Connect,
    Data,
    EndOfHeaders,
    EndOfMessage,
    Header,
    Helo,
    Macros,
    Mail,
    Negotiate,
    Rcpt,
)
from sendwarden.wire.milter.flags import Action, Step
from sendwarden.wire.milter.replies import (
    AddHeader,
    AddRecipient,
    DeleteRecipient,
    Quarantine,
    Reply,
    ReplyCode,
)
from tests.frontends.around import Ground, MilterPeer

ALL_STEPS = Step(0x1FFFFF)
OFFER = Negotiate(6, Action(0x1FF), ALL_STEPS)
CLIENT: list[Command] = [Connect("mx.example.org", "4", 25, "192.0.2.7"), Helo("mx")]
NOTHING: list[Reply] = []


def login(name: str, kind: str = "PLAIN", letter: str = "M", queue_id: str = "4XyZ") -> Macros:
    pairs = [("i", queue_id), ("{auth_type}", kind), ("{auth_authen}", name)]
    return Macros(letter, tuple((macro, value) for macro, value in pairs if value))


def message(
    do: str = "", sender: str = "eve@example.org", recipients: tuple[str, ...] = ("v@victim.example",)
) -> list[Command]:
    """One message, its end included."""
    return [
        Mail(f"<{sender}>"),
        *(Rcpt(f"<{recipient}>") for recipient in recipients),
        Data(),
        Header("X-Do", do),
        EndOfHeaders(),
        Body(b"text\r\n"),
        EndOfMessage(),
    ]


async def opened(ground: Ground, offer: Negotiate = OFFER) -> MilterPeer:
    """A connection that has agreed on the steps, with a client."""
    peer = ground.milter()
    (agreed,) = await peer.ask(offer)
    assert isinstance(agreed, Negotiate)
    await peer.ask(*CLIENT)
    peer.replies()
    return peer


def kinds(replies: list[Reply]) -> list[object]:
    """Replies by their kind, and whom they are about."""
    found: list[object] = []
    for reply in replies:
        match reply:
            case ReplyCode(code):
                found.append(code)
            case AddRecipient(path) | DeleteRecipient(path):
                found.append((type(reply).__name__, path))
            case AddHeader(name):
                found.append(name)
            case Quarantine():
                found.append("Quarantine")
            case _:
                found.append(reply)
    return found
