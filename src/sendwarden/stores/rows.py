"""Rows of the state file: how they are made, and read back without trusting them.

Each carries a checksum over everything in it. Columns are read as bytes and numbers whatever the file says
they are, since a flipped bit changes a type as easily as a value.
"""

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

from sqlalchemy import Executable, Integer, LargeBinary, cast, select

from sendwarden.engine.meters.keys import Change
from sendwarden.stores.schema import decision, exception, meta, meter, notice, sequence

# A row as a query below gives it; the versions of SQLAlchemy have different types for it.
Fields = Any
# One key of a table: its name, the key, its whole parts, and how many parts were damaged.
StoredKey = tuple[str, str, dict[int, bytes], int]


def checksum(*pieces: bytes) -> int:
    return zlib.crc32(b"\0".join((*pieces, b"")))


def text_of(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def bytes_of(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


# --- facts and sequences


def meta_row(name: str, value: str) -> dict[str, object]:
    return {"name": name, "value": value, "checksum": checksum(name.encode(), value.encode())}


def sequence_row(name: str, number: int) -> dict[str, object]:
    key = bytes_of(name)
    return {"name": key, "next_number": number, "checksum": checksum(key, str(number).encode())}


ALL_META = select(
    cast(meta.c.name, LargeBinary).label("name"),
    cast(meta.c.value, LargeBinary).label("value"),
    cast(meta.c.checksum, Integer).label("checksum"),
)
ALL_SEQUENCES = select(
    cast(sequence.c.name, LargeBinary).label("name"),
    cast(sequence.c.next_number, Integer).label("number"),
    cast(sequence.c.checksum, Integer).label("checksum"),
)


def meta_of(row: Fields) -> tuple[str, str] | None:
    """Name and value; None for a damaged row."""
    name, value = row.name or b"", row.value or b""
    return (text_of(name), text_of(value)) if checksum(name, value) == row.checksum else None


def sequence_of(row: Fields) -> tuple[str, int] | None:
    """Name and next number; None for a damaged row."""
    name = row.name or b""
    whole = checksum(name, str(row.number).encode()) == row.checksum
    return (text_of(name), row.number) if whole else None


# --- meters


# Columns of a meter's row, in their order.
MeterRow = tuple[str, bytes, int, bytes, int]


def meter_rows(table: str, change: Change) -> Iterator[MeterRow]:
    raw = bytes_of(change.key)
    of_key = table.encode() + b"\0" + raw
    for part, data in change.parts:
        yield table, raw, part, data, zlib.crc32(b"%b\0%d\0%b\0" % (of_key, part, data))


# Read in the order in which they stand, by one scan: where a key is damaged the order is, too, and a search
# would miss what stands behind it.
ALL_METERS = select(
    cast(meter.c.meter_table, LargeBinary).label("table"),
    cast(meter.c.meter_key, LargeBinary).label("key"),
    cast(meter.c.part, Integer).label("part"),
    cast(meter.c.data, LargeBinary).label("data"),
    cast(meter.c.checksum, Integer).label("checksum"),
)


def stored_keys(rows: Iterable[Fields]) -> Iterator[StoredKey]:
    """Keys from rows as they come; one whose rows do not stand together comes more than once."""
    for (table, key), of_key in groupby(rows, key=lambda row: (row.table or b"", row.key or b"")):
        parts: dict[int, bytes] = {}
        bad = 0
        for row in of_key:
            data = row.data or b""
            if checksum(table, key, str(row.part).encode(), data) == row.checksum:
                parts[row.part] = data
            else:
                bad += 1
        yield text_of(table), text_of(key), parts, bad


# --- decisions and notices


def _json(record: Mapping[str, object]) -> bytes:
    return json.dumps(record, ensure_ascii=True, separators=(",", ":")).encode()


def decision_row(record: Mapping[str, object]) -> dict[str, object]:
    body = _json(record)
    reference = str(record["reference"])
    account = str(record["account"]).encode("utf-8", "replace").decode()
    check = checksum(reference.encode(), body)
    return {
        "reference": reference,
        "at": record["at"],
        "account": account,
        "body": body,
        "checksum": check,
    }


def notice_row(message: Mapping[str, object]) -> dict[str, object]:
    body = _json(message)
    key = str(message["id"])
    return {"id": key, "at": message["at"], "body": body, "checksum": checksum(key.encode(), body)}


# In the checksum, so that a row of another table in the place of one is noticed.
_EXCEPTION = b"exception"


def exception_row(name: str, record: Mapping[str, object]) -> dict[str, object]:
    body, key = _json(record), bytes_of(name)
    return {"name": key, "body": body, "checksum": checksum(_EXCEPTION, key, body)}


ALL_EXCEPTIONS = select(
    cast(exception.c.name, LargeBinary).label("key"),
    cast(exception.c.body, LargeBinary).label("body"),
    cast(exception.c.checksum, Integer).label("checksum"),
)


def find_decision(reference: str) -> Executable:
    return select(
        cast(decision.c.reference, LargeBinary).label("key"),
        cast(decision.c.body, LargeBinary).label("body"),
        cast(decision.c.checksum, Integer).label("checksum"),
    ).where(decision.c.reference == reference)


def decisions_about(account: str) -> Executable:
    """Of all accounts where none is named."""
    found = select(
        cast(decision.c.reference, LargeBinary).label("key"),
        cast(decision.c.body, LargeBinary).label("body"),
        cast(decision.c.checksum, Integer).label("checksum"),
    ).order_by(decision.c.at.desc())
    name = account.encode("utf-8", "replace").decode()
    return found.where(decision.c.account == name) if account else found


ALL_NOTICES = select(
    cast(notice.c.id, LargeBinary).label("key"),
    cast(notice.c.body, LargeBinary).label("body"),
    cast(notice.c.checksum, Integer).label("checksum"),
).order_by(notice.c.at)


def exception_of(row: Fields) -> dict[str, object] | None:
    """An act by hand; None for a damaged row."""
    return _record(row, checksum(_EXCEPTION, row.key or b"", row.body or b""))


def record_of(row: Fields) -> dict[str, object] | None:
    """What was kept under a key; None for a damaged row."""
    return _record(row, checksum(row.key or b"", row.body or b""))


def _record(row: Fields, check: int) -> dict[str, object] | None:
    if check != row.checksum:
        return None
    found: dict[str, object] = json.loads(row.body or b"")
    return found
