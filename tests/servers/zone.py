"""A DNS server with one zone: a list of addresses (RFC 5782). All other names do not exist."""

import socket
import threading

LISTED = bytes((127, 0, 0, 2))


class Zone:
    """Started when made; `stop` it. ``asked``: all names, in lower case."""

    def __init__(self, zone: str, *addresses: str) -> None:
        self._names = {f"{'.'.join(reversed(address.split('.')))}.{zone}" for address in addresses}
        self.asked: list[str] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            question, peer = self._socket.recvfrom(4096)
            if not question:
                return
            self._socket.sendto(self._answer(question), peer)

    def _answer(self, question: bytes) -> bytes:
        labels, at = [], 12
        while length := question[at]:
            labels.append(question[at + 1 : at + 1 + length])
            at += 1 + length
        name = b".".join(labels).decode("ascii", "replace").lower()
        self.asked.append(name)
        asked, is_a = question[12 : at + 5], question[at + 1 : at + 3] == b"\0\1"
        if name not in self._names or not is_a:
            code = b"\x81\x80" if name in self._names else b"\x81\x83"
            return question[:2] + code + b"\0\1" + bytes(6) + asked
        found = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + LISTED
        return question[:2] + b"\x81\x80\0\1\0\1" + bytes(4) + asked + found

    def stop(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join(10)
        self._socket.close()
