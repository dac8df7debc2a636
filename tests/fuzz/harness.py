"""What every target shares: how atheris is started.

A target is a module with ``check(data: bytes)``, which raises for a broken invariant, and a docstring whose
first sentence is that invariant. Run one by hand:
``.venv/bin/python -m tests.fuzz.harness policy tests/fuzz/corpus/policy``.
"""

import importlib
import sys

import atheris

TARGETS = (
    *("policy", "milter", "sjsms", "grosspolicy", "wforce", "scanners", "mapping", "sieve", "options"),
    "events",
)


def main() -> None:
    """Fuzz the target that the first argument names; the rest goes to libFuzzer."""
    name = sys.argv.pop(1)
    if name not in TARGETS:
        sys.exit(f"no target {name}; there are {', '.join(TARGETS)}")
    with atheris.instrument_imports(include=["sendwarden"]):
        target = importlib.import_module(f"tests.fuzz.target_{name}")
    atheris.Setup(sys.argv, target.check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
