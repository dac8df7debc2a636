"""What an access table is asked: the probe, field by field, and the input flags (6.2 and 6.3).

Ours, where no source says it: mail of a local program has five empty fields in place of ``TCP`` and the
addresses, and no app-info, so that every probe of a table has the same number of fields; app-info is
``SMTP/helo-name`` with and without TLS; the submit type is MAIL; auth-sender is the account of the login.
``A`` and ``S`` are both set for PORT_ACCESS: the original asks it twice, once with each, and we once in
place of both.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from sendwarden.core.decision import Request
from sendwarden.core.identity import in_domains, split_address
from sendwarden.core.mailbox import parse_mailboxes

from .tables import AccessRules

# Letters of one field. Up to five are a client's own words, and a probe of more than PROBE_LETTERS would
# match nothing: whoever wrote it would not be counted.
FIELD_LETTERS = 500

# Where a fact of the connection stands: a policy attribute or a milter macro, the first that says something.
# Sendmail's {daemon_addr} may be 0.0.0.0, so that {if_addr} comes before it.
FACTS: Mapping[str, tuple[str, ...]] = {
    "server address": ("server_address", "{if_addr}", "{daemon_addr}"),
    "server port": ("server_port", "{daemon_port}"),
    "client port": ("client_port", "{client_port}"),
    "tls": ("encryption_protocol", "{tls_version}"),
    "protocol": ("protocol_name", "r"),
}
SUBMIT_TYPE = "MAIL"

_XTEXT = re.compile(r"\+([0-9A-Fa-f]{2})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


@dataclass(frozen=True, slots=True)
class Question:
    """Everything that probes are made of."""

    request: Request
    channel: str  # of the source, by Messaging Server's name for it
    account: str = ""  # "" without a login
    domains: tuple[str, ...] = ()  # our own
    headers: tuple[tuple[str, str], ...] = ()

    def fact(self, name: str) -> str:
        macros = self.request.macros
        return next((value for place in FACTS[name] if (value := macros.get(place))), "")


def _address(value: str) -> str:
    """Sendmail writes IPv6 addresses as IPv6:2001:db8::1."""
    return value.removeprefix("IPv6:")


def _remote(question: Question, value: str) -> str:
    """A field that mail of a local program does not have."""
    return value if question.request.client_address else ""


def _recipient(question: Question) -> str:
    return question.request.recipients[-1] if question.request.recipients else ""


def _original_recipient(question: Question) -> str:
    """ORCPT with its type, or the recipient in that form (RFC 3461 section 4.2)."""
    given = parameter(question.request, "ORCPT")
    if not given:
        return f"rfc822;{_recipient(question)}"
    return _XTEXT.sub(lambda code: chr(int(code[1], 16)), given)


def _destination(question: Question, rules: AccessRules) -> str:
    domain = split_address(_recipient(question))[1]
    return rules.internal if not domain or in_domains(domain, question.domains) else rules.external


def _in_header(question: Question, name: str) -> str:
    """The first address of a header field; with any Resent-From or Resent-Sender, of its Resent- variant."""
    resent = any(found.lower() in ("resent-from", "resent-sender") for found, _ in question.headers)
    wanted = f"resent-{name}" if resent else name
    values = (value for found, value in question.headers if found.lower() == wanted)
    return next((box.address for value in values for box in parse_mailboxes(value)), "")


Field = Callable[[Question, AccessRules], str]
FIELDS: Mapping[str, Field] = {
    "transport": lambda q, _: _remote(q, "TCP"),
    "server address": lambda q, _: _remote(q, _address(q.fact("server address"))),
    "server port": lambda q, _: _remote(q, q.fact("server port")),
    "client address": lambda q, _: q.request.client_address,
    "client port": lambda q, _: _remote(q, q.fact("client port")),
    "app-info": lambda q, _: _remote(q, f"SMTP/{q.request.helo}"),
    "submit type": lambda _q, _: SUBMIT_TYPE,
    "source channel": lambda q, _: q.channel,
    "env-from": lambda q, _: q.request.sender,
    "auth-sender": lambda q, _: q.account,
    "destination channel": _destination,
    "to": lambda q, _: _recipient(q),
    "sender field": lambda q, _: _in_header(q, "sender"),
    "from field": lambda q, _: _in_header(q, "from"),
    "orcpt": lambda q, _: _original_recipient(q),
    "counts": lambda q, _: "{}/{}/".format(*q.request.counts),
}

_PORT = ("transport", "server address", "server port", "client address", "client port")
_SEND = ("source channel", "env-from", "destination channel", "to")
_SUBMISSION = (*_PORT, "app-info", "submit type")
PROBES: Mapping[str, tuple[str, ...]] = {
    "PORT_ACCESS": _PORT,
    "FROM_ACCESS": (*_SUBMISSION, "source channel", "env-from", "auth-sender"),
    "ORIG_SEND_ACCESS": _SEND,
    "SEND_ACCESS": _SEND,
    "ORIG_MAIL_ACCESS": (*_SUBMISSION, *_SEND),
    "MAIL_ACCESS": (*_SUBMISSION, *_SEND),
    "AUTH_REWRITE": ("env-from", "sender field", "from field", "auth-sender"),
}


def probe_for(table: str, question: Question, rules: AccessRules) -> str:
    """The text that a table is asked."""
    fields: Iterable[str] = PROBES[table]
    if rules.adds(rules.orcpt, table):
        fields = (*fields, "orcpt")
    if rules.adds(rules.counts, table):
        fields = (*fields, "counts")
    return "|".join([_field(FIELDS[name](question, rules), rules) for name in fields])


def _field(value: str, rules: AccessRules) -> str:
    """One value, which cannot add a field to the probe (`mapping_paranoia`) or a line to anything."""
    clean = _CONTROL.sub(" ", value[:FIELD_LETTERS])
    return clean.replace("|", "!") if rules.paranoia else clean


# --- input flags

# What "$:x" may ask in which table.
_SESSION = frozenset("AT")
_WITH_RECIPIENT = frozenset("ATELSFD")
INPUT_FLAGS: Mapping[str, frozenset[str]] = {
    "PORT_ACCESS": frozenset("AS"),
    "FROM_ACCESS": _SESSION,
    "ORIG_SEND_ACCESS": _WITH_RECIPIENT,
    "SEND_ACCESS": _WITH_RECIPIENT,
    "ORIG_MAIL_ACCESS": _WITH_RECIPIENT,
    "MAIL_ACCESS": _WITH_RECIPIENT,
    "AUTH_REWRITE": _SESSION,
}
_NOTIFY = {"SUCCESS": "S", "FAILURE": "F", "DELAY": "D"}


def input_flags(table: str, question: Question) -> frozenset[str]:
    """The flags that are set for a table."""
    if table == "PORT_ACCESS":
        return INPUT_FLAGS[table]
    request = question.request
    found = {"A"} if request.login else set()
    found |= {"T"} if question.fact("tls") else set()
    if INPUT_FLAGS[table] is _WITH_RECIPIENT:
        protocol = question.fact("protocol").upper()
        # A milter is not told how the client said hello; who uses extensions did so by EHLO.
        extended = protocol.startswith("ESMTP") or (not protocol and bool(found or request.parameters))
        found |= {"E"} if extended else set()
        found |= {"L"} if protocol.startswith("LMTP") else set()
        wishes = parameter(request, "NOTIFY").upper().split(",")
        found |= {_NOTIFY[wish] for wish in wishes if wish in _NOTIFY}
    return frozenset(found)


def parameter(request: Request, name: str) -> str:
    """The value of an ESMTP parameter of the command that is asked about; "" without."""
    for each in request.parameters:
        key, _, value = each.partition("=")
        if key.upper() == name:
            return value
    return ""
