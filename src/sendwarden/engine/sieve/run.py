"""One run of a compiled script over one message: its variables, actions, steps and trace."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from .limits import ACTIONS, REDIRECTS, VARIABLE_BYTES, VARIABLES
from .mail import Mail, octets_of
from .outcome import Action, Discard, FileInto, Jettison, Keep, Redirect, Reject, TraceLine

if TYPE_CHECKING:
    from sendwarden.engine.mapping.run import TriedEntry
    from sendwarden.engine.world import World

# A compiled command: True stops the script. A compiled test: its truth.
Step = Callable[["Run"], bool]


class SieveError(Exception):
    """The script cannot go on. Its actions are dropped and the message is kept (RFC 5228 section 2.10.6)."""

    def __init__(self, line: int, says: str) -> None:
        super().__init__(says)
        self.line, self.says = line, says


class Host(Protocol):
    """What the program around the engine provides for extensions that ask.

    All of it is optional for a script.
    """

    def mailbox_exists(self, mailbox: str) -> bool: ...

    def setting(self, name: str) -> str | None:
        """A setting of the site, by the name that an extension documents."""
        ...


# Octets of UTF-8 that no letter begins with.
_WITHIN_LETTERS = range(0x80, 0xC0)
# Delivery actions that a refusal contradicts (RFC 5429 section 2.2).
_DELIVERS = (Keep, FileInto, Redirect)


def cut(value: str) -> str:
    """A value with no more octets than a variable takes, whole letters only (RFC 5229 section 4.1)."""
    octets = octets_of(value)
    if len(octets) <= VARIABLE_BYTES:
        return value
    end = VARIABLE_BYTES
    while end > VARIABLE_BYTES - 3 and octets[end] in _WITHIN_LETTERS:
        end -= 1
    return octets[:end].decode("utf-8", "surrogateescape")


class Run:
    """The state that closures share. ``recipients`` are those this run is for: one, or all of the message."""

    __slots__ = (
        "actions",
        "host",
        "implicit_keep",
        "mail",
        "match_values",
        "recipients",
        "redirects",
        "seen",
        "steps",
        "trace",
        "tried",
        "variables",
        "world",
    )

    def __init__(
        self,
        mail: Mail,
        recipients: tuple[str, ...],
        world: "World | None" = None,
        host: Host | None = None,
        trace: list[TraceLine] | None = None,
    ) -> None:
        self.mail = mail
        self.recipients = recipients
        self.world = world
        self.host = host
        self.trace = trace
        self.variables: dict[str, str] = {}
        self.match_values: tuple[str, ...] = ()
        self.actions: list[Action] = []
        self.implicit_keep = True
        self.redirects = 0
        self.steps = 0
        # What the test or action that is being traced compared, and the mapping entries it tried.
        self.seen: tuple[str, ...] = ()
        self.tried: tuple[TriedEntry, ...] = ()

    def set_variable(self, name: str, value: str, line: int) -> None:
        """``name`` in lower case. A long value is cut at a letter's edge."""
        if len(value) * 4 > VARIABLE_BYTES:
            value = cut(value)
        if name not in self.variables and len(self.variables) >= VARIABLES:
            raise SieveError(line, f"more than {VARIABLES} variables")
        self.variables[name] = value

    def act(self, action: Action) -> None:
        """Note an action, once. Raises `SieveError` for one too many, and for a contradiction."""
        copy = None  # the same action, done as a copy so far
        for number, earlier in enumerate(self.actions):
            if type(earlier) is type(action) and _same(earlier, action):
                if not _is_copy(earlier) or _is_copy(action):
                    return
                copy = number
            elif _contradict(earlier, action):
                names = f"{type(earlier).__name__.lower()} (line {earlier.line})"
                raise SieveError(action.line, f"{type(action).__name__.lower()} contradicts {names}")
        if copy is None:
            self._add(action)
        else:
            self.actions[copy] = action
        if isinstance(action, _TAKES_OVER) and not _is_copy(action):
            self.implicit_keep = False

    def _add(self, action: Action) -> None:
        if len(self.actions) >= ACTIONS:
            raise SieveError(action.line, f"more than {ACTIONS} actions")
        if isinstance(action, Redirect):
            self.redirects += 1
            if self.redirects > REDIRECTS:
                raise SieveError(action.line, f"more than {REDIRECTS} redirects")
        self.actions.append(action)


_TAKES_OVER = (Keep, Discard, FileInto, Redirect, Reject, Jettison)


def _is_copy(action: Action) -> bool:
    return isinstance(action, FileInto | Redirect) and action.copy


def _same(one: Action, other: Action) -> bool:
    """To the same place: done once (RFC 5228 section 2.10.3). Of several refusals the first counts."""
    if isinstance(one, Reject):
        return True
    names = (name for name in one.__slots__ if name not in ("line", "copy"))
    return all(getattr(one, name) == getattr(other, name) for name in names)


def _contradict(one: Action, other: Action) -> bool:
    return any(
        isinstance(refusal, Reject) and isinstance(action, _DELIVERS) and not _is_copy(action)
        for refusal, action in ((one, other), (other, one))
    )
