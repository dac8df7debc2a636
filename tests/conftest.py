"""How all tests run: Hypothesis without a deadline (no test is timed), and in CI no test may be skipped.

``PROPERTIES=1000`` looks at so many examples of every property; `make fuzz` does.
"""

import os

import pytest
from hypothesis import settings

settings.register_profile("ours", deadline=None, max_examples=int(os.environ.get("PROPERTIES", "100")))
settings.load_profile("ours")


# Folders whose tests talk to real servers or break a real daemon.
REAL = frozenset({"e2e", "faults", "conformance"})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if REAL & set(item.path.parts):
            item.add_marker(pytest.mark.e2e)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if skipped := len(terminalreporter.stats.get("skipped", [])):
        terminalreporter.write_line(f"!! {skipped} tests were skipped", red=True)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") == "true" and reporter and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
