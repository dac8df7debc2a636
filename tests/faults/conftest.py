"""Fault tests: the real daemon with real faults, in the namespaces that scripts/namespace makes."""

import os

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "/faults/" in str(item.path):
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session", autouse=True)
def _own_namespaces() -> None:
    assert os.environ.get("SENDWARDEN_NAMESPACE") == "yes", (
        "run these with scripts/test, which makes namespaces"
    )
