"""A client of the sjsms protocol as gross.md section 5.1 describes it: of its own, not our codec."""

import socket
import struct


def body(sender: str, recipient: str, address: str, helo: str | None = None) -> bytes:
    """The text of a request of type 2."""
    lines = [f"sender={sender}", f"recipient={recipient}", f"client_address={address}"]
    lines += [] if helo is None else [f"helo_name={helo}"]
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape") + b"\n"


def framed(kind: int, text: bytes, length: int | None = None) -> bytes:
    """Type and length in network order, and what follows them."""
    return struct.pack("!HH", kind, len(text) if length is None else length) + text


def request(sender: str, recipient: str, address: str, helo: str | None = None) -> bytes:
    return framed(2, body(sender, recipient, address, helo))


def old_request(sender: bytes, recipient: bytes, address: bytes) -> bytes:
    """Type 0: offsets count from behind the four numbers."""
    strings = [sender + b"\0", recipient + b"\0", address + b"\0"]
    starts = [0, len(strings[0]), len(strings[0]) + len(strings[1])]
    text = b"".join(strings)
    return framed(0, struct.pack("!4H", len(text), *starts) + text)


class SjsmsClient:
    """One socket. ``ask`` gives the first answer, and "" where there is none."""

    def __init__(self, port: int, patience_s: float = 2.0, host: str = "127.0.0.1") -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect((host, port))
        self._socket.settimeout(patience_s)

    def send(self, datagram: bytes) -> None:
        self._socket.send(datagram)

    def receive(self) -> bytes:
        try:
            return self._socket.recv(65_536)
        except TimeoutError:
            return b""

    def ask(self, datagram: bytes) -> bytes:
        self.send(datagram)
        return self.receive()

    def close(self) -> None:
        self._socket.close()
