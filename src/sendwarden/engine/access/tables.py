"""Which access table is asked at which step, and what a site may set about them.

PORT_ACCESS at the connection, FROM_ACCESS at MAIL, the four tables of recipients at RCPT in this order, and
AUTH_REWRITE when the header is known, since its probe holds addresses of the header. The tables SEND_ACCESS
and MAIL_ACCESS see the recipient behind the aliases in the original; here both see what the client wrote,
since a mail server asks before it expands.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from sendwarden.core.decision import Stage
from sendwarden.engine.channel import Mode

Frontends = Literal["milter", "policy", "both"]

TABLES: Mapping[Stage, tuple[str, ...]] = {
    Stage.CONNECT: ("PORT_ACCESS",),
    Stage.MAIL: ("FROM_ACCESS",),
    Stage.RCPT: ("ORIG_SEND_ACCESS", "ORIG_MAIL_ACCESS", "SEND_ACCESS", "MAIL_ACCESS"),
    Stage.END_OF_MESSAGE: ("AUTH_REWRITE",),
}
# Bits of access_orcpt and access_counts: all tables of recipients, or one of them (reference wiki).
ALL_RECIPIENT_TABLES = 1
RECIPIENT_TABLE_BITS: Mapping[str, int] = {
    "ORIG_SEND_ACCESS": 2,
    "SEND_ACCESS": 4,
    "ORIG_MAIL_ACCESS": 8,
    "MAIL_ACCESS": 16,
}
ALL_BITS = ALL_RECIPIENT_TABLES | sum(RECIPIENT_TABLE_BITS.values())


@dataclass(frozen=True, slots=True)
class AccessRules:
    """What the settings say about access tables.

    ``mode`` holds where no channel has its say yet: at the connection, and for what fits no channel.
    """

    frontends: Frontends = "milter"
    external: str = "tcp_local"  # destination channel of recipients elsewhere
    internal: str = "ims-ms"  # and of our own
    orcpt: int = 0  # access_orcpt, a sum of bits
    counts: int = 0  # access_counts, likewise
    paranoia: bool = True
    mode: Mode = Mode.WATCH

    def adds(self, option: int, table: str) -> bool:
        """Does an option's field stand in this table's probes?"""
        bit = RECIPIENT_TABLE_BITS.get(table)
        return bit is not None and bool(option & (ALL_RECIPIENT_TABLES | bit))


def present(exists: Callable[[str], bool]) -> dict[Stage, tuple[str, ...]]:
    """Of the tables of each step those that a site has; steps without any are left out."""
    found = {stage: tuple(filter(exists, tables)) for stage, tables in TABLES.items()}
    return {stage: tables for stage, tables in found.items() if tables}
