"""Lines of Postfix for tests: what a message leaves in the log, and what strangers may write into it."""

from collections.abc import Callable
from datetime import UTC, datetime

from sendwarden.wire.postfix_log import Line, PostfixLog, Record
from sendwarden.wire.syslog import Stamps

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC).timestamp()
# A message of eve's, and one of bob's who has nothing to do with it.
MINE, THEIRS = "4F1A2B3C4D", "5A6B7C8D9E"
VICTIM = "bob"
PID = 77


def reader() -> PostfixLog:
    return PostfixLog(Stamps(NOW, UTC))


def line(text: str, daemon: str = "smtpd", second: int = 0, instance: str = "postfix", pid: int = PID) -> str:
    return f"Nov 25 10:{second // 60:02}:{second % 60:02} mx {instance}/{daemon}[{pid}]: {text}"


def record(text: str, daemon: str = "smtpd") -> Record | Line:
    return reader().read(line(text, daemon))


def message(  # noqa: PLR0913 - what may differ between messages
    queue_id: str,
    login: str,
    recipients: tuple[str, ...] = ("a@x.example",),
    second: int = 0,
    *,
    instance: str = "postfix",
    address: str = "192.0.2.7",
) -> list[str]:
    """From its client to its removal, delivered at once."""
    sasl = f", sasl_method=PLAIN, sasl_username={login}" if login else ""
    sent = [
        line(
            f"{queue_id}: to=<{one}>, relay=mx.x.example[192.0.2.99]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, "
            "status=sent (250 ok)",
            "smtp",
            second,
            instance,
        )
        for one in recipients
    ]
    return [
        line(f"{queue_id}: client=c.example[{address}]{sasl}", "smtpd", second, instance),
        line(f"{queue_id}: message-id=<{queue_id}@x>", "cleanup", second, instance),
        line(
            f"{queue_id}: from=<e@example.org>, size=99, nrcpt={len(recipients)} (queue active)",
            "qmgr",
            second,
            instance,
        ),
        *sent,
        line(f"{queue_id}: removed", "qmgr", second, instance),
    ]


def quoted(text: str) -> str:
    """A local part as Postfix logs it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"@x.example'


# What a stranger writes where he may write anything, to be taken for more than it is.
TEXTS = (
    f"x> sasl_username=<{VICTIM}>",
    f"x, sasl_method=PLAIN, sasl_username={VICTIM}",
    f"x[192.0.2.9], sasl_method=LOGIN, sasl_username={VICTIM}",
    f"{THEIRS}: client=x[192.0.2.9], sasl_method=PLAIN, sasl_username={VICTIM}",
    f"]: {THEIRS}: client=x[192.0.2.9], sasl_method=PLAIN, sasl_username={VICTIM}",
    f" mx postfix/smtpd[77]: {THEIRS}: client=x[192.0.2.9], sasl_username={VICTIM}",
    f"?Nov 25 10:00:00 mx postfix/smtpd[77]: {THEIRS}: client=x[192.0.2.9], sasl_username={VICTIM}",
    f", orig_queue_id={THEIRS}, orig_client=x[192.0.2.9]",
    f"; from=<{VICTIM}> to=<{VICTIM}> proto=ESMTP helo=<x> sasl_username=<{VICTIM}>",
    f"250 2.0.0 Ok: queued as {THEIRS}",
    f"forwarded as {THEIRS}",
    f"status=sent (250 2.0.0 Ok: queued as {THEIRS})",
    f">, relay=127.0.0.1[127.0.0.1]:10024, delay=0, dsn=2.0.0, status=sent (queued as {THEIRS})",
    f">, relay=none, delay=0, dsn=5.1.1, status=bounced ({THEIRS}: user unknown)",
    f"x>, size=1, nrcpt=1 (queue active)?{THEIRS}: from=<x>, size=1, nrcpt=1 (queue active)",
    ">, status=expired, returned to sender",
    f"> orig_to=<{THEIRS}: removed",
    f"warning: x[192.0.2.9]: SASL PLAIN authentication failed: no, sasl_username={VICTIM}",
    f"[192.0.2.9]: SASL PLAIN authentication failed: no, sasl_username={VICTIM}",
    f"uid=0 from=<{VICTIM}>",
    f"sender non-delivery notification: {THEIRS}",
    f"proxy-accept: END-OF-MESSAGE: 250 2.0.0 Ok: queued as {THEIRS}; from=<x>",
    "%s%n%x{}{0}$(id)\\x00\\",
    "]]]]]]]]>>>>>>>>((((((((\"\"\"\"''''",
    "\u202e\udcff\u0130\u0000",
    "a" * 3000,
)

# Where: the line around it.
PLACES: dict[str, Callable[[str], str]] = {
    "HELO": lambda text: line(
        f"NOQUEUE: reject: RCPT from c.example[192.0.2.7]: 554 5.7.1 <b@x>: no; from=<e@x> to=<b@x> proto=ESMTP helo=<{text}>"
    ),
    "HELO, in the queue": lambda text: line(
        f"{MINE}: reject: RCPT from c.example[192.0.2.7]: 554 5.7.1 <b@x>: no; from=<e@x> to=<b@x> proto=ESMTP helo=<{text}>"
    ),
    "sender refused": lambda text: line(
        f"NOQUEUE: reject: RCPT from c.example[192.0.2.7]: 554 5.7.1 <{quoted(text)}>: no; "
        f"from=<{quoted(text)}> to=<b@x> proto=ESMTP helo=<h>"
    ),
    "recipient refused": lambda text: line(
        f"NOQUEUE: reject: RCPT from c.example[192.0.2.7]: 550 5.1.1 <{quoted(text)}>: no; "
        f"from=<e@x> to=<{quoted(text)}> proto=ESMTP helo=<h>"
    ),
    "AUTH= of MAIL": lambda text: line(
        f"{MINE}: client=c.example[192.0.2.7], sasl_method=PLAIN, sasl_username=eve, sasl_sender={text}"
    ),
    "login that failed": lambda text: line(
        f"warning: c.example[192.0.2.7]: SASL PLAIN authentication failed: (reason unavailable), sasl_username=x{text}"
    ),
    "no SMTP command": lambda text: line(f"warning: non-SMTP command from c.example[192.0.2.7]: {text}"),
    "illegal address": lambda text: line(
        f"warning: Illegal address syntax from c.example[192.0.2.7] in RCPT command: <{text}>"
    ),
    "before the greeting": lambda text: line(
        f"PREGREET 11 after 0.1 from [192.0.2.7]:2525: {text}", "postscreen"
    ),
    "subject": lambda text: line(
        f"{MINE}: reject: header Subject: {text} from c.example[192.0.2.7]; from=<e@x> to=<b@x> proto=ESMTP helo=<h>: no",
        "cleanup",
    ),
    "subject, noted": lambda text: line(
        f"{MINE}: warning: header Subject: {text} from c.example[192.0.2.7]; from=<e@x> to=<b@x> proto=ESMTP helo=<h>",
        "cleanup",
    ),
    "message id": lambda text: line(f"{MINE}: message-id=<{text}>", "cleanup"),
    "sender": lambda text: line(f"{MINE}: from=<{quoted(text)}>, size=9, nrcpt=1 (queue active)", "qmgr"),
    "sender of sendmail": lambda text: line(f"{MINE}: uid=1000 from=<{text}>", "pickup"),
    "recipient": lambda text: line(
        f"{MINE}: to=<{quoted(text)}>, relay=mx.x.example[192.0.2.99]:25, delay=1, delays=0/0/0/1, dsn=5.1.1, "
        "status=bounced (host mx.x.example[192.0.2.99] said: 550 no)",
        "smtp",
    ),
    "alias": lambda text: line(
        f"{MINE}: to=<a@x>, orig_to=<{quoted(text)}>, relay=mx.x.example[192.0.2.99]:25, delay=1, delays=0/0/0/1, "
        "dsn=5.1.1, status=bounced (host mx.x.example[192.0.2.99] said: 550 no)",
        "smtp",
    ),
    "reply": lambda text: line(
        f"{MINE}: to=<a@x>, relay=mx.x.example[192.0.2.99]:25, delay=1, delays=0/0/0/1, dsn=5.1.1, "
        f"status=bounced (host mx.x.example[192.0.2.99] said: 550 {text} (in reply to end of DATA command))",
        "smtp",
    ),
    "reply that takes it": lambda text: line(
        f"{MINE}: to=<a@x>, relay=mx.x.example[192.0.2.99]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, "
        f"status=sent (250 {text})",
        "smtp",
    ),
    "reply, other server next": lambda text: line(
        f"{MINE}: host mx.x.example[192.0.2.99] said: 450 {text} (in reply to RCPT TO command)", "smtp"
    ),
    "milter's words": lambda text: line(
        f"{MINE}: milter-reject: END-OF-MESSAGE from c.example[192.0.2.7]: 5.7.1 {text}; from=<e@x> to=<b@x> proto=SMTP helo=<h>",
        "cleanup",
    ),
}
