"""Any bytes are a question, a report, or one `ProtocolError`, and all its texts can be written anywhere."""

import json
from dataclasses import asdict

from sendwarden.wire.base import ProtocolError
from sendwarden.wire.wforce import Answer, authorised, decode_allow, decode_report


def check(data: bytes) -> None:
    try:
        question = decode_allow(data)
    except ProtocolError:
        question = None
    try:
        report = decode_report(data)
    except ProtocolError:
        report = None
    if report is not None:
        assert report.of == question
    if question is not None:
        json.dumps(asdict(question), ensure_ascii=False).encode()
    text = data.decode("utf-8", "replace")
    assert "\n" not in json.loads(Answer(-1, text).encode())["msg"]
    authorised(text, "a secret")
