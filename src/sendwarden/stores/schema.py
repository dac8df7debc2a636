"""Tables of the state file, for SQLite and PostgreSQL alike.

`VERSION` counts up with every change of them.
"""

from sqlalchemy import Column, Float, Integer, LargeBinary, MetaData, String, Table

VERSION = 3

# Tables that came with a later version than the first.
LATER = ("exception", "recent")

metadata = MetaData()

# Facts about the file itself: its version, who wrote it, the key of references.
meta = Table(
    "meta",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", String, nullable=False),
    Column("checksum", Integer, nullable=False),
)

# One part of one key's state. Keys are bytes: an address need not be UTF-8.
meter = Table(
    "meter",
    metadata,
    Column("meter_table", String, primary_key=True),
    Column("meter_key", LargeBinary, primary_key=True),
    Column("part", Integer, primary_key=True),
    Column("data", LargeBinary, nullable=False),
    Column("checksum", Integer, nullable=False),
    sqlite_with_rowid=False,
)

# Changes of meters that wait to be put in their places; stores.recent says how `data` is read.
recent = Table(
    "recent",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("data", LargeBinary, nullable=False),
    Column("checksum", Integer, nullable=False),
)

# Sequences of mapping tables. Their names are bytes as well: a table may make one of what a client sent.
sequence = Table(
    "sequence",
    metadata,
    Column("name", LargeBinary, primary_key=True),
    Column("next_number", Integer, nullable=False),
    Column("checksum", Integer, nullable=False),
)

# What `sendwarden why` looks up. The body is JSON.
decision = Table(
    "decision",
    metadata,
    Column("reference", String, primary_key=True),
    Column("at", Float, nullable=False, index=True),
    Column("account", String, nullable=False, index=True),
    Column("body", LargeBinary, nullable=False),
    Column("checksum", Integer, nullable=False),
)

# Acts by hand: states of accounts, and other limits for some. The body is JSON.
exception = Table(
    "exception",
    metadata,
    Column("name", LargeBinary, primary_key=True),
    Column("body", LargeBinary, nullable=False),
    Column("checksum", Integer, nullable=False),
)

# Messages that must still be handed to the mail server.
notice = Table(
    "notice",
    metadata,
    Column("id", String, primary_key=True),
    Column("at", Float, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("checksum", Integer, nullable=False),
)
