"""End-to-end tests: real servers on loopback, in a network namespace that scripts/test made."""

import os
from collections.abc import Iterator

import pytest

from tests.servers.dovecot import Dovecot
from tests.servers.sink import Sink


@pytest.fixture(scope="session", autouse=True)
def _own_network() -> None:
    assert os.environ.get("SENDWARDEN_NAMESPACE") == "yes", (
        "run these with scripts/test, which makes a namespace"
    )


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    server = Sink()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def dovecot() -> Iterator[Dovecot]:
    server = Dovecot(["eve", "bob", "carol", "dave"])
    yield server
    server.stop()
