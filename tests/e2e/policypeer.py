"""A mail server's side of the policy protocol, as far as limits need it."""

import socket

REQUEST = (
    "request=smtpd_access_policy\nprotocol_state={state}\nprotocol_name=ESMTP\nclient_address=192.0.2.7\n"
    "client_name=unknown\nclient_port=40000\nreverse_client_name=unknown\nserver_address=127.0.0.1\n"
    "server_port=587\nhelo_name=c\nsender={login}@example.org\nrecipient={recipient}\n"
    "recipient_count={count}\nqueue_id=\ninstance={instance}\nsize=1000\netrn_domain=\nstress=\n"
    "sasl_method=PLAIN\nsasl_username={login}\nsasl_sender=\n\n"
)


class Peer:
    """One connection."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._asked = 0

    def rcpt(self, login: str, instance: str) -> str:
        """One more recipient of a message; the first word of the action."""
        self._asked += 1
        return self._ask("RCPT", login, instance, f"v{self._asked}@x.example", 0)

    def end(self, login: str, instance: str, count: int) -> str:
        return self._ask("END-OF-MESSAGE", login, instance, "", count)

    def _ask(self, state: str, login: str, instance: str, recipient: str, count: int) -> str:
        asked = REQUEST.format(state=state, login=login, instance=instance, recipient=recipient, count=count)
        self._socket.sendall(asked.encode())
        said = b""
        while not said.endswith(b"\n\n"):
            more = self._socket.recv(65_536)
            assert more, "closed without an answer"
            said += more
        return said.decode().removeprefix("action=").split()[0]

    def close(self) -> None:
        self._socket.close()
