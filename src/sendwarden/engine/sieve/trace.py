"""What a traced run leaves behind: a line for each test and action, what it compared and what came of it."""

from collections.abc import Callable

from .outcome import TraceLine
from .run import Run, Step


def traced_step(step: Step, line: TraceLine, *, is_test: bool) -> Step:
    """``step``, leaving a copy of ``line`` with its result each time it ran."""

    def traced(run: Run) -> bool:
        run.seen, run.tried = (), ()
        result = step(run)
        said = ("yes" if result else "no") if is_test else "done"
        _note(run, line, said)
        return result

    return traced


def traced_function(call: Callable[[Run], str], line: TraceLine) -> Callable[[Run], str]:
    """``call``, leaving a copy of ``line`` with its text each time it ran."""

    def traced(run: Run) -> str:
        text = call(run)
        _note(run, line, f'"{text}"')
        return text

    return traced


def _note(run: Run, line: TraceLine, result: str) -> None:
    if run.trace is not None:
        run.trace.append(TraceLine(line.line, line.column, line.source, result, run.seen, run.tried))
    run.seen, run.tried = (), ()
