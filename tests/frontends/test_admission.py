"""service.connection: who comes in at a listener, and how many; the rules are `service.gate`'s."""

from pathlib import Path

import pytest

from tests.frontends.around import Ground


@pytest.mark.parametrize(
    ("peer", "taken"),
    [
        pytest.param(("127.0.0.1", 5), True, id="loopback"),
        pytest.param(("::1", 5, 0, 0), True, id="loopback, IPv6"),
        pytest.param("", True, id="a unix socket"),
        pytest.param(b"\0name", True, id="a unix socket with a name"),
        pytest.param(("192.0.2.7", 5), False, id="a stranger"),
        pytest.param(None, False, id="one that is gone again, whoever it was"),
    ],
)
@pytest.mark.parametrize("kind", ["policy", "milter"])
def test_a_connection_of_a_stranger_is_closed_before_a_byte_of_it_is_read(
    tmp_path: Path, kind: str, peer: object, taken: bool
) -> None:
    ground = Ground(tmp_path)

    made = ground.policy(peer) if kind == "policy" else ground.milter(peer)
    made.say(b"\n" if kind == "policy" else b"\0\0\0\x01Q")

    assert made.transport.aborted is (not taken or kind == "policy")
    assert bool(ground.log.warnings) is (taken and kind == "policy"), "its garbage was read"
    made.gone()
    assert ground.gate.open == 0


def test_a_connection_too_many_is_closed_and_another_may_come_when_one_leaves(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    ground.gate.most = 1
    first, second = ground.policy(), ground.policy()
    assert second.transport.aborted and not first.closed
    second.gone()

    first.gone()

    assert not ground.policy().closed
    assert (ground.gate.open, ground.gate.turned_away) == (1, 1)


@pytest.mark.parametrize("now", [True, False])
def test_draining_ends_who_does_not_wait_for_us_and_with_now_everybody(tmp_path: Path, now: bool) -> None:
    ground = Ground(tmp_path)
    idle, busy = ground.policy(), ground.policy()
    busy.say(b"request=smtpd_acc")

    for peer in (idle, busy):
        peer.connection.drain(now=now)

    assert idle.closed and busy.closed is now
    assert not idle.transport.aborted, "what was written still goes out"
