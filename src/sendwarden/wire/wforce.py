"""Dovecot's auth policy and weakforced: bodies of ``allow`` and ``report``, and our replies. No I/O.

Source: Dovecot "Authentication policy" (2.3 and 2.4), weakforced's HTTP API. A body is one JSON object; HTTP
frames it, so that there is no need for more data here: it is whole, or it is wrong. A reply's status below 0
rejects, 0 goes on, and a number above is the seconds to wait with the answer.

Members that are not known are passed over: both programs let sites add their own. Dovecot sends ``tls`` with
every body, ``success`` and ``policy_reject`` with reports alone.
"""

import base64
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from .base import ProtocolError, json_object
from .policy import clean_text

# Largest body, in bytes. Dovecot sends about 300; a site may add attributes of its own.
MAX_BODY_BYTES = 64 * 1024

OK = b'{"status":"ok"}'
PING = "ping"
# The name that goes with the secret in HTTP's basic authentication.
USER = "wforce"

Attributes = Mapping[str, str | tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Allow:
    """May this login go on?"""

    login: str
    remote: str = ""
    protocol: str = ""
    device_id: str = ""
    session_id: str = field(default="", repr=False)
    pwhash: str = field(default="", repr=False)
    tls: bool | None = None
    attrs: Attributes = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Report:
    """How it ended."""

    of: Allow
    success: bool
    policy_reject: bool = False
    fail_type: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """Our reply to ``allow``."""

    status: int
    message: str = ""

    def encode(self) -> bytes:
        """On one line: Dovecot hands the message to the client as it is."""
        return _encoded({"status": self.status, "msg": clean_text(self.message)})


GO_ON = Answer(0)


def decode_allow(body: bytes) -> Allow:
    """Raises `ProtocolError`, in one sentence that quotes nothing: a body holds what logs must not."""
    return _allow(json_object(body, MAX_BODY_BYTES))


def decode_report(body: bytes) -> Report:
    """Raises `ProtocolError`, in one sentence."""
    found = json_object(body, MAX_BODY_BYTES)
    of, success = _allow(found), _truth(found, "success")
    if success is None:
        raise ProtocolError('"success" is missing')
    return Report(of, success, _truth(found, "policy_reject") or False, _text(found, "fail_type"))


def encode_failure(reason: str) -> bytes:
    """What weakforced says where it cannot answer."""
    return _encoded({"status": "failure", "reason": reason})


def credentials(secret: str) -> str:
    """The value of the header ``Authorization`` that shows one knows the secret."""
    return "Basic " + base64.b64encode(f"{USER}:{secret}".encode()).decode()


def authorised(header: str, secret: str) -> bool:
    """Does the header show the secret? Without a secret everybody may ask. Takes the same time for all."""
    if not secret:
        return True
    scheme, _, token = header.strip().partition(" ")
    given = f"{scheme.capitalize()} {token.strip()}"
    return hmac.compare_digest(given.encode("utf-8", "replace"), credentials(secret).encode())


def _encoded(answer: Mapping[str, object]) -> bytes:
    return json.dumps(answer).encode()


def _allow(found: Mapping[str, object]) -> Allow:
    if "login" not in found:
        raise ProtocolError('"login" is missing')
    return Allow(
        _text(found, "login"),
        remote=_text(found, "remote"),
        protocol=_text(found, "protocol"),
        device_id=_text(found, "device_id"),
        session_id=_text(found, "session_id"),
        pwhash=_text(found, "pwhash"),
        tls=_truth(found, "tls"),
        attrs=_attributes(found.get("attrs")),
    )


def _text(found: Mapping[str, object], name: str) -> str:
    value = found.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ProtocolError(f'"{name}" is not text')
    return _whole(value, name)


def _whole(text: str, name: str) -> str:
    """JSON can write halves of a letter, which are no text and cannot be written anywhere."""
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ProtocolError(f'"{name}" has half a letter')
    return text


def _truth(found: Mapping[str, object], name: str) -> bool | None:
    value = found.get(name)
    if value is None or isinstance(value, bool):
        return value
    raise ProtocolError(f'"{name}" is not true or false')


def _attributes(value: object) -> Attributes:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ProtocolError('"attrs" is not an object')
    return {_whole(name, "attrs"): _attribute(name, one) for name, one in value.items()}


def _attribute(name: str, value: object) -> str | tuple[str, ...]:
    if isinstance(value, str):
        return _whole(value, name)
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return tuple(_whole(one, name) for one in value)
    raise ProtocolError("an attribute is neither text nor a list of texts")
