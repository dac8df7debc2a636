"""The peer: pymilter doing nothing, in three forms. Run by Debian's own python3.

``answers``: a method for each step that our filter looks at, as pymilter's documentation shows them; each
step is answered. ``quiet``: the same with ``@Milter.noreply``, so that only the end of the message is.
``asleep``: no methods; pymilter negotiates every step away and is told nothing.
"""

import sys

import Milter

CONTINUE: int = Milter.CONTINUE


class Answers(Milter.Base):  # type: ignore[misc]
    """Is told of client, sender, recipients, headers and the end, and does nothing."""

    def connect(self, name: str, family: int, address: object) -> int:
        return CONTINUE

    def hello(self, name: str) -> int:
        return CONTINUE

    def envfrom(self, sender: str, *arguments: str) -> int:
        return CONTINUE

    def envrcpt(self, recipient: str, *arguments: str) -> int:
        return CONTINUE

    def header(self, name: str, value: str) -> int:
        return CONTINUE

    def eom(self) -> int:
        return CONTINUE


class Quiet(Answers):
    """The same, and answers the end only."""

    connect = Milter.noreply(Answers.connect)
    hello = Milter.noreply(Answers.hello)
    envfrom = Milter.noreply(Answers.envfrom)
    envrcpt = Milter.noreply(Answers.envrcpt)
    header = Milter.noreply(Answers.header)


class Asleep(Milter.Base):  # type: ignore[misc]
    """Everything is negotiated away."""


Milter.factory = {"answers": Answers, "quiet": Quiet, "asleep": Asleep}[sys.argv[2]]
Milter.runmilter("idle", f"inet:{sys.argv[1]}@127.0.0.1", 60)
