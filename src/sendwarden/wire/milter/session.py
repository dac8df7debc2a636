"""The filter's side of a milter connection: which command may come when, and which macros are in force.

Order is one table (`MOVES`). It is wider than libmilter's in one place: steps can be negotiated away, so a
command may also come where the ones before it are missing. Macros come before the command they belong to and
outlive it: those of the connection until the client goes, those of a message until its end.
"""

from enum import IntEnum

from sendwarden.wire.base import Need, ProtocolError

from .commands import (
    Abort,
    Body,
    Command,
    CommandDecoder,
    Connect,
    Data,
    EndOfHeaders,
    EndOfMessage,
    Header,
    Helo,
    Macros,
    Mail,
    Negotiate,
    Quit,
    QuitNewConnection,
    Rcpt,
    Unknown,
)
from .flags import MIN_VERSION, VERSION, Action, Step


class Phase(IntEnum):
    """How far a connection has come."""

    OPEN = 0  # the socket is open, nothing was said
    IDLE = 1  # negotiated, no client
    CLIENT = 2  # a client, no message
    MAIL = 3
    RCPT = 4
    DATA = 5
    HEADERS = 6
    BODY = 7
    CLOSED = 8


_IN_MESSAGE = frozenset({Phase.MAIL, Phase.RCPT, Phase.DATA, Phase.HEADERS, Phase.BODY})
_NEGOTIATED = frozenset({Phase.IDLE, Phase.CLIENT}) | _IN_MESSAGE
_BEFORE_BODY = _IN_MESSAGE - {Phase.BODY}

# Command -> phases it may come in, phase it leads to (None: stays).
MOVES: dict[type[Command], tuple[frozenset[Phase], Phase | None]] = {
    Negotiate: (frozenset({Phase.OPEN}), Phase.IDLE),
    Macros: (_NEGOTIATED, None),
    Connect: (frozenset({Phase.IDLE}), Phase.CLIENT),
    Helo: (frozenset({Phase.IDLE, Phase.CLIENT}), Phase.CLIENT),
    # A client may send the next MAIL right after a message, without Abort in between.
    Mail: (_NEGOTIATED, Phase.MAIL),
    Rcpt: (frozenset({Phase.MAIL, Phase.RCPT}), Phase.RCPT),
    Data: (frozenset({Phase.MAIL, Phase.RCPT}), Phase.DATA),
    Header: (_BEFORE_BODY, Phase.HEADERS),
    EndOfHeaders: (_BEFORE_BODY, Phase.BODY),
    Body: (_IN_MESSAGE, Phase.BODY),
    EndOfMessage: (_IN_MESSAGE, Phase.CLIENT),
    Unknown: (_NEGOTIATED, None),
    Abort: (_NEGOTIATED, Phase.CLIENT),
    QuitNewConnection: (_NEGOTIATED, Phase.IDLE),
    Quit: (_NEGOTIATED | {Phase.OPEN}, Phase.CLOSED),
}

# Commands that do more than move on.
_SPECIAL = frozenset({QuitNewConnection, Mail, EndOfMessage, Abort})
# The same with the phases as bits, since it is looked up for every command.
_MOVES = {
    kind: (sum(1 << phase for phase in allowed), phase, kind in _SPECIAL)
    for kind, (allowed, phase) in MOVES.items()
}

# Letters of commands whose macros belong to the client rather than to one message.
_CLIENT_MACROS = "CH"
# In which order a macro's name is looked up: what was said last comes first.
_LOOKUP = "ENTRMHC"


def negotiate(offer: Negotiate, actions: Action, steps: Step) -> Negotiate:
    """Our answer to the mail server's offer: all ``actions``, and those of ``steps`` that it knows.

    Raises `ProtocolError` when the server is too old or does not allow an action that we need; without it we
    would promise what we cannot do.
    """
    if offer.version < MIN_VERSION:
        raise ProtocolError(f"milter version {offer.version}, at least {MIN_VERSION} is needed")
    if missing := actions & ~offer.actions:
        raise ProtocolError(f"the mail server does not allow {Action(missing)!r}")
    return Negotiate(min(offer.version, VERSION), actions, offer.steps & steps)


class FilterSession:
    """Commands in their order: `feed` bytes, then `next_command` until Need.DATA. Spent after an error.

    `Macros` commands are taken in here and never handed out.
    """

    def __init__(self) -> None:
        self._decoder = CommandDecoder()
        self._macros: dict[str, dict[str, str]] = {}
        self._over = False  # the last command ended the message: its macros go at the next one
        self.phase = Phase.OPEN

    def feed(self, data: bytes) -> None:
        self._decoder.feed(data)

    @property
    def unfinished(self) -> bool:
        """Is part of a packet waiting for its end?"""
        return self._decoder.unfinished

    def macro(self, name: str) -> str:
        """Value of a macro, named as it is sent: ``i``, ``{auth_authen}``. Unset: ""."""
        for letter in _LOOKUP:
            found = self._macros.get(letter)
            if found is not None and name in found:
                return found[name]
        return ""

    def macros(self) -> dict[str, str]:
        """All macros in force, what was said last winning."""
        merged: dict[str, str] = {}
        for letter in reversed(_LOOKUP):
            if found := self._macros.get(letter):
                merged.update(found)
        return merged

    def next_command(self) -> Command | Need:
        """Raises `ProtocolError` for a command out of its order, or one that cannot be read."""
        while True:
            command = self._decoder.next_command()
            if command is Need.DATA:
                return command
            allowed, phase, special = _MOVES[type(command)]
            if not allowed >> self.phase & 1:
                raise ProtocolError(f"{type(command).__name__} while {self.phase.name}")
            if self._over:
                self._over = False
                self._keep_macros(_CLIENT_MACROS)
            if type(command) is Macros:
                # Those of other commands are never looked up; to keep them would let a peer fill our memory.
                if command.command in _LOOKUP:
                    self._macros[command.command] = dict(command.pairs)
                continue
            if special:
                phase = self._enter(command, phase)
            if phase is not None:
                self.phase = phase
            return command

    def following_headers(self) -> list[tuple[str, str]]:
        """Names and values of headers that have arrived right behind one; the next command is none of them.

        What `next_command` would give one by one. Only for a caller who owes no answer to them.
        """
        return self._decoder.following_headers()

    def _enter(self, command: Command, phase: Phase | None) -> Phase | None:
        """Begin or end a message or a client; the phase that this leads to."""
        if isinstance(command, QuitNewConnection):
            self._macros.clear()
        elif isinstance(command, Mail):  # the message before it may have ended without a word
            self._keep_macros(_CLIENT_MACROS + "M")
        else:
            self._over = True
        return Phase.IDLE if isinstance(command, Abort) and self.phase is Phase.IDLE else phase

    def _keep_macros(self, letters: str) -> None:
        for letter in [letter for letter in self._macros if letter not in letters]:
            del self._macros[letter]
