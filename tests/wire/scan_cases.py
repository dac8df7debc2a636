"""Policy requests as Postfix asks, and as nobody should: for the scan in its two forms."""

import random
from collections.abc import Iterator

NAMES = (
    b"request protocol_state protocol_name client_address client_name client_port reverse_client_name "
    b"server_address server_port helo_name sender recipient recipient_count queue_id instance size "
    b"etrn_domain stress sasl_method sasl_username"
).split()
VALUES = {
    b"request": b"smtpd_access_policy", b"protocol_state": b"RCPT", b"protocol_name": b"ESMTP",
    b"client_address": b"192.0.2.7", b"client_name": b"dyn.example.net", b"client_port": b"40000",
    b"sender": b"eve@example.org", b"recipient": b"v@victim.example", b"recipient_count": b"0",
    b"instance": b"1a2b.65b2c3d4.0", b"size": b"4096", b"sasl_method": b"PLAIN", b"sasl_username": b"eve",
}  # fmt: skip
TAIL = b"sasl_sender=\nccert_subject=\nencryption_protocol=TLSv1.3\npolicy_context=\n\n"
# Values that stand where they may, and where they may not.
ODD = (
    b"", b"0", b"1234567", b"12345678", b"-1", b" 1", b"1 ", b"RCPT", b"END-OF-MESSAGE", b"END-OF-MESSAGEX",
    b"DATA", b"a=b", b"\0", b"\xff\xfe", b"x" * 5000, b"\r", b"\n",
)  # fmt: skip


def request(**values: bytes) -> bytes:
    """As Postfix 3.7 asks, with some other values."""
    given = VALUES | {name.encode(): value for name, value in values.items()}
    return b"".join(b"%b=%b\n" % (name, given.get(name, b"")) for name in NAMES)


def cases(count: int) -> Iterator[tuple[bytes, bytes]]:
    """A request with what follows it, and the tail that is expected; the same ones each time."""
    chance = random.Random(7)  # noqa: S311
    yield request() + TAIL, TAIL
    for _ in range(count):
        lines = request(**{chance.choice(NAMES).decode(): chance.choice(ODD)}).splitlines(keepends=True)
        for _ in range(chance.choice((0, 0, 0, 1, 2))):
            at = chance.randrange(len(lines))
            match chance.randrange(5):
                case 0:
                    del lines[at]
                case 1:
                    lines.insert(at, chance.choice(lines))
                case 2:
                    lines[at] = lines[at][: chance.randrange(len(lines[at]) + 1)]
                case 3:
                    lines[at] = bytes([chance.randrange(256)]) + lines[at][1:]
                case 4:
                    other = chance.randrange(len(lines))
                    lines[at], lines[other] = lines[other], lines[at]
        whole = b"".join(lines) + chance.choice((TAIL, TAIL, TAIL, b"", TAIL[:-1], TAIL + b"x"))
        yield whole[: chance.choice((len(whole), len(whole), chance.randrange(len(whole))))], TAIL
