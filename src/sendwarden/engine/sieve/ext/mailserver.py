"""Messaging Server's dialect, for administrators: mapping tables as tests and functions, and its actions.

A name that no capability knows stands for the table ``FILTER_<name>``. As a test it is true if the table
answers with ``$Y`` or ``$T``, and then ``${0}`` is the table's text; as a string it is that text, or ""
without ``$Y``. Several arguments are joined by ``|``. What variables hold goes in with ``|`` written as ``!``
(`mapping_paranoia`), or a recipient "a|is-spam@b"@evil would pass for one that the table exempts.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from sendwarden.core.place import did_you_mean
from sendwarden.engine.mapping.run import Mappings, TriedEntry
from sendwarden.engine.sieve.outcome import Capture, Hold, Jettison, TransactionLog
from sendwarden.engine.sieve.registry import Capability, Function, Parameter, Spec, Use
from sendwarden.engine.sieve.run import Run, Step

PREFIX = "FILTER_"


def without_bars(text: str) -> str:
    """`mapping_paranoia`: a value cannot add a field to a probe."""
    return text.replace("|", "!")


def _as_is(text: str) -> str:
    return text


@dataclass(slots=True)
class MappingCalls:
    """Resolver of names that stand for tables.

    ``used`` collects them, for checks of the whole configuration.
    """

    mappings: Mappings
    paranoia: bool = True
    used: set[str] = field(default_factory=set)

    def test(self, name: str) -> Spec | None:
        if PREFIX + name not in self.mappings:
            return None
        return Spec(name, "test", self._build_test, (Parameter("probe", "string"),), variadic=True)

    def function(self, name: str) -> Function | None:
        if PREFIX + name not in self.mappings:
            return None
        return Function(name, self._build_function, (Parameter("probe", "string"),), variadic=True)

    def unknown(self, name: str, what: str) -> tuple[str, str]:
        known = {
            table.name[len(PREFIX) :].lower(): str(table.place).rpartition(":")[0]
            for key, table in self.mappings.tables.items()
            if key.startswith(PREFIX)
        }
        close = did_you_mean(name, known)
        says = f'the {what} "{name}" belongs to no extension, and there is no table {PREFIX}{name}'
        form = f"A {what} of this form asks the table {PREFIX}<name>."
        if not close:
            return says, form
        meant = close.split('"')[1]
        return says, f"did you mean {meant} ({known[meant]})?  {form}"

    def _build_test(self, use: Use) -> Step:
        ask = self._ask(use)

        def test(run: Run) -> bool:
            text = ask(run)
            if text is None:
                return False
            run.match_values = (text,)
            return True

        return test

    def _build_function(self, use: Use) -> Callable[[Run], str]:
        ask = self._ask(use)
        return lambda run: ask(run) or ""

    def _ask(self, use: Use) -> Callable[[Run], str | None]:
        table = PREFIX + use.name.upper()
        self.used.add(table)
        use.facts.tables.add(table)
        clean = without_bars if self.paranoia else _as_is
        getters = [text.cleaned(clean) for text in use.texts("probe")]
        mappings = self.mappings

        def ask(run: Run) -> str | None:
            assert run.world is not None
            text = "|".join([get(run) for get in getters])
            tried: list[TriedEntry] | None = [] if run.trace is not None else None
            result = mappings.scan(table, text, run.world, trace=tried)
            if tried is not None:
                run.seen, run.tried = (text,), tuple(tried)
            return result.text if result.yes else None

        return ask


def _hold(use: Use) -> Step:
    action = Hold(use.line)
    use.facts.actions.add("hold")

    def hold(run: Run) -> bool:
        run.act(action)
        return False

    return hold


def _jettison(use: Use) -> Step:
    action = Jettison(use.line)
    use.facts.actions.add("jettison")

    def jettison(run: Run) -> bool:
        run.act(action)
        return False

    return jettison


def _capture(use: Use) -> Step:
    line, address = use.line, use.text("address")
    use.facts.actions.add("capture")

    def capture(run: Run) -> bool:
        run.act(Capture(line, address.get(run)))
        return False

    return capture


def _transactionlog(use: Use) -> Step:
    line, text = use.line, use.text("text")
    use.facts.actions.add("transactionlog")

    def transactionlog(run: Run) -> bool:
        run.act(TransactionLog(line, text.get(run)))
        return False

    return transactionlog


CAPABILITIES = (
    Capability(
        "",
        (
            Spec("hold", "command", _hold),
            Spec("jettison", "command", _jettison),
            Spec("capture", "command", _capture, (Parameter("address", "string"),)),
            Spec("transactionlog", "command", _transactionlog, (Parameter("text", "string"),)),
        ),
    ),
)
