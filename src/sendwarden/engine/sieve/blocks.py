"""Closures for commands in a row, and for an if with its branches."""

from .limits import STEPS
from .parse import Node
from .run import Run, SieveError, Step


def size_of(node: Node) -> int:
    """Commands and tests in a node, its block left out: that one counts itself."""
    return 1 + sum(size_of(test) for test in node.tests)


def always(_run: Run) -> bool:
    return True


def in_a_row(steps: tuple[Step, ...], size: int, line: int) -> Step:
    def block(run: Run) -> bool:
        run.steps += size
        if run.steps > STEPS:
            raise SieveError(line, f"more than {STEPS} commands and tests")
        for step in steps:  # noqa: SIM110 - any() with a generator costs more than the commands
            if step(run):
                return True
        return False

    return block


def first_true_of(branches: tuple[tuple[Step, Step], ...]) -> Step:
    if len(branches) == 1:
        ((test, block),) = branches

        def only(run: Run) -> bool:
            return test(run) and block(run)

        return only

    def first_true(run: Run) -> bool:
        for test, block in branches:
            if test(run):
                return block(run)
        return False

    return first_true
