"""Closures for commands in a row, and for an if with its branches."""

from dataclasses import dataclass

from .limits import STEPS
from .parse import Node
from .run import Run, SieveError, Step


def size_of(node: Node) -> int:
    """Commands and tests in a node, its block left out: that one counts itself."""
    return 1 + sum(size_of(test) for test in node.tests)


def always(_run: Run) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Block:
    """Commands in a row; ``size`` counts them with their tests, the blocks within them left out."""

    steps: tuple[Step, ...] = ()
    size: int = 0
    line: int = 1


def in_a_row(block: Block) -> Step:
    return _guarded(None, block)


def first_true_of(branches: tuple[tuple[Step, Block], ...]) -> Step:
    if len(branches) == 1:
        return _guarded(*branches[0])
    compiled = tuple((test, in_a_row(block)) for test, block in branches)

    def first_true(run: Run) -> bool:
        for test, block in compiled:
            if test(run):
                return block(run)
        return False

    return first_true


def _guarded(test: Step | None, block: Block) -> Step:
    """The block, if the test is true: one closure for both, since they are half of what a script costs."""
    steps, size, line = block.steps, block.size, block.line

    def guarded(run: Run) -> bool:
        if test and not test(run):
            return False
        run.steps += size
        if run.steps > STEPS:
            raise SieveError(line, f"more than {STEPS} commands and tests")
        for step in steps:  # noqa: SIM110 - any() with a generator costs more than the commands
            if step(run):
                return True
        return False

    return guarded
