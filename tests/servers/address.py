"""An address from outside, on the loopback of the tests' own network namespace: clients can come from it."""

import fcntl
import socket
import struct

OUTSIDE = "198.51.100.7"
_SET_ADDRESS = 0x8916  # SIOCSIFADDR


def outside_is_here() -> None:
    """Give `OUTSIDE` to loopback, beside 127.0.0.1. It goes with the namespace."""
    address = struct.pack("=HH4s8x", socket.AF_INET, 0, socket.inet_aton(OUTSIDE))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        fcntl.ioctl(asking, _SET_ADDRESS, struct.pack("16s16s", b"lo:outside", address))
