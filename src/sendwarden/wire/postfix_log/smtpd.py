"""Lines of smtpd(8) and postscreen(8): who came, who logged in, what was accepted and what refused."""

from sendwarden.wire.postfix_log.parts import NO_QUEUE, bracketed, is_queue_id, named_client, status_of
from sendwarden.wire.postfix_log.records import (
    Accepted,
    Connected,
    Disconnected,
    Line,
    LoginFailed,
    Origin,
    Passed,
    Record,
    Refused,
)

_CLIENT = "client="
_LOGIN = ", sasl_username="
_METHOD = ", sasl_method="
_SENDER = ", sasl_sender="
_BEFORE = ", orig_queue_id="
_FAILED = " authentication failed: "
_ABORTED = " authentication aborted"

# What smtpd says of a session and no message, by its beginning.
SMTPD_NOTES = (
    "lost connection after ", "timeout after ", "too many errors after ",
    "improper command pipelining after ",
    "concurrency limit exceeded", "SSL_accept error from ", "setting up TLS connection from ",
    "Anonymous TLS connection established from ", "Untrusted TLS connection established from ",
    "Trusted TLS connection established from ", "Verified TLS connection established from ",
    "TLS SNI ", "discarding EHLO keywords: ", "initializing the server-side TLS engine",
    "certificate verification failed", "fingerprint", "bare <LF> received ",
    "disconnecting ", "ehlo=", "replacing command ", "generic_checks: ", "refreshing ",
)  # fmt: skip
POSTSCREEN_NOTES = (
    "PASS ", "HANGUP ", "PREGREET ", "DNSBL ", "COMMAND ", "NON-SMTP COMMAND ", "BARE NEWLINE ",
    "WHITELISTED ",
    "ALLOWLISTED ", "BLACKLISTED ", "DENYLISTED ", "WHITELIST VETO ", "ALLOWLIST VETO ", "cache ",
    "entering STRESS mode",
    "leaving STRESS mode", "close database ", "replacing command ", "discarding EHLO keywords: ",
    "connection limit ",
    "reject: connect from ", "refreshing ",
)  # fmt: skip


def read_smtpd(at: float, origin: Origin, text: str) -> Record | Line:
    queue_id, colon, rest = text.partition(": ")
    if colon and " " not in queue_id:
        if queue_id == "warning":
            return _warning(at, origin, rest)
        if queue_id == NO_QUEUE or is_queue_id(queue_id):
            return _of_message(at, origin, "" if queue_id == NO_QUEUE else queue_id, rest)
    for beginning, record in ((_CONNECT, Connected), (_DISCONNECT, Disconnected)):
        if text.startswith(beginning):
            found = named_client(text[len(beginning) :])
            return record(at, origin, found[1]) if found else Line.UNKNOWN
    return Line.NOTED if text.startswith(SMTPD_NOTES) else Line.UNKNOWN


_CONNECT = "connect from "
_DISCONNECT = "disconnect from "


def read_postscreen(at: float, origin: Origin, text: str) -> Record | Line:
    if text.startswith("NOQUEUE: "):
        return read_refusal(at, origin, "", text[len("NOQUEUE: ") :])
    for beginning, record in (("CONNECT from ", Connected), ("DISCONNECT ", Disconnected)):
        if text.startswith(beginning):
            found = named_client(text[len(beginning) :])
            return record(at, origin, found[1]) if found else Line.UNKNOWN
    return Line.NOTED if text.startswith(POSTSCREEN_NOTES) else Line.UNKNOWN


def _of_message(at: float, origin: Origin, queue_id: str, rest: str) -> Record | Line:
    if rest.startswith(_CLIENT):
        return _accepted(at, origin, queue_id, rest)
    if rest.startswith("proxy-accept: "):
        return _passed(at, origin, rest)
    if rest.startswith(SMTPD_NOTES):
        return Line.NOTED
    return read_refusal(at, origin, queue_id, rest)


def _accepted(at: float, origin: Origin, queue_id: str, rest: str) -> Record | Line:
    """``client=NAME[ADDRESS][:PORT][, sasl_method=..][, sasl_username=..][, sasl_sender=..][, orig_..=..]``.

    `sasl_sender` is what the client wrote behind AUTH=, so that nothing from there on is believed. A name
    that SASL has confirmed ends where it begins.
    """
    found = named_client(rest[len(_CLIENT) :])
    if found is None:
        return Line.UNKNOWN
    client, address, rest = found
    login = before = ""
    if rest.startswith(_METHOD):
        _, _, login = rest.partition(_LOGIN)
        login = login.partition(_SENDER)[0]
        if _BEFORE in login:  # told by XFORWARD as well, behind the name
            login = login[: login.rindex(_BEFORE)]
    elif rest.startswith(_LOGIN):  # told by XCLIENT
        login = rest[len(_LOGIN) :].partition(_SENDER)[0]
    elif rest.startswith(_BEFORE):
        before = rest[len(_BEFORE) :].partition(",")[0]
    elif rest and not rest.startswith((_SENDER, ", orig_client=")):
        return Line.UNKNOWN
    return Accepted(at, origin, queue_id, client, address, login, before)


def _passed(at: float, origin: Origin, rest: str) -> Record | Line:
    """``proxy-accept: END-OF-MESSAGE: 250 2.0.0 Ok: queued as ID; from=...``."""
    said = rest.partition("; from=<")[0]
    _, found, queue_id = said.partition(": queued as ")
    return Passed(at, origin, queue_id) if found and is_queue_id(queue_id) else Line.NOTED


def _warning(at: float, origin: Origin, rest: str) -> Record | Line:
    """Of all warnings, a login that failed: ``NAME[ADDRESS]: SASL PLAIN authentication failed: WHY``."""
    found = named_client(rest)
    if found is None or not found[2].startswith(": SASL "):
        return Line.NOTED
    mechanism, failed, reason = found[2][len(": SASL ") :].partition(_FAILED)
    if not failed or " " in mechanism:
        return Line.NOTED
    reason, _, login = reason.partition(_LOGIN)
    return LoginFailed(at, origin, found[1], mechanism, login, reason)


def read_refusal(at: float, origin: Origin, queue_id: str, rest: str) -> Record | Line:
    """``ACTION: STAGE from NAME[ADDRESS]: 550 5.1.1 TEXT; from=<..> to=<..> proto=.. helo=<..>``."""
    action, colon, rest = rest.partition(": ")
    stage, found, rest = rest.partition(" from ")
    if not colon or not found or " " in action or stage not in STAGES:
        return Line.UNKNOWN
    client = named_client(rest)
    if client is None:
        return Line.UNKNOWN
    said, _, envelope = client[2].removeprefix(":").removeprefix(" ").partition("; from=<")
    sender, _, envelope = envelope.partition("> to=<")
    recipient = bracketed(envelope)[0]
    if not recipient and " proto=" in sender:  # before RCPT there is none
        sender = bracketed(sender)[0]
    code, dsn, text = status_of(said)
    return Refused(at, origin, queue_id, action, stage, client[1], code, dsn, text, sender, recipient)


STAGES = frozenset(
    {
        "CONNECT", "HELO", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "BDAT", "END-OF-MESSAGE",
        "ETRN", "VRFY",
        "XCLIENT", "XFORWARD", "RSET", "NOOP", "QUIT", "UNKNOWN",
    }
)  # fmt: skip
