"""Lines of the programs that deliver: smtp, lmtp, local, virtual, pipe, error, discard; and of verify(8).

The reply in brackets is the remote server's, the recipient the sender's. Both may have been written to be
read as something else, so that a line tells of the message whose queue id stands before them, and of no
other.
"""

from sendwarden.wire.postfix_log.parts import bracketed, is_queue_id
from sendwarden.wire.postfix_log.records import Delivery, Line, Origin, Record

_TO = "to=<"
_ORIGINAL = ", orig_to=<"
_STATUS = ", status="

# Between two servers of one domain, or before a try is over. What becomes of it is told by a line of its own.
NOTES = (
    "host ", "conversation with ", "lost connection with ", "connect to ", "enabling PIX workarounds",
    "breaking line ",
    "Cannot start TLS", "TLS is required", "Server certificate not ", "server certificate ",
    "SASL authentication ",
    "non-delivery", "replacing ", "pass ", "TLSRPT", "no response", "timed out ", "Message delivery request",
)  # fmt: skip
# Of a connection, without a message.
CONNECTION_NOTES = (
    "connect to ", "Trusted TLS connection established to ", "Untrusted TLS connection established to ",
    "Verified TLS connection established to ", "Anonymous TLS connection established to ",
    "SSL_connect error to ",
    "setting up TLS connection to ", "initializing the client-side TLS engine",
    "certificate verification failed for ",
    "server certificate verification failed for ", "lost connection with ", "conversation with ", "host ",
    "certificate peer name verification failed for ", "Host offered STARTTLS: ",
)  # fmt: skip


def read_delivery(at: float, origin: Origin, text: str) -> Record | Line:
    queue_id, colon, rest = text.partition(": ")
    if not colon or not is_queue_id(queue_id):
        return Line.NOTED if text.startswith(CONNECTION_NOTES) else Line.UNKNOWN
    if not rest.startswith(_TO):
        return Line.NOTED if rest.startswith(NOTES) else Line.UNKNOWN
    return _tried(at, origin, queue_id, rest)


def _tried(at: float, origin: Origin, queue_id: str, rest: str) -> Record | Line:
    """``to=<..>, [orig_to=<..>, ]relay=.., [conn_use=.., ]delay=.., delays=.., dsn=.., status=sent (..)``."""
    recipient, found, fields = rest[len(_TO) :].partition(">")
    if recipient[:1] == '"':
        recipient, fields = bracketed(rest[len(_TO) :])
    original = ""
    if fields.startswith(_ORIGINAL):
        original, fields = bracketed(fields[len(_ORIGINAL) :])
    if not fields.startswith(", relay="):
        return Line.UNKNOWN
    fields, found, said = fields.partition(_STATUS)
    status, _, reason = said.partition(" (")
    relay, _, fields = fields[len(", relay=") :].partition(", ")
    if not found or not reason.endswith(")"):
        return Line.UNKNOWN
    dsn = fields[fields.rfind("dsn=") + 4 :] if "dsn=" in fields else ""
    return Delivery(at, origin, queue_id, recipient, original, relay, dsn, status, reason[:-1])
