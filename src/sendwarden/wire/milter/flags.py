"""The milter protocol's numbers: action and step flags, macro stages, versions, sizes."""

from enum import IntEnum, IntFlag

# The version we speak, and the oldest we talk to. Version 2 is what Sendmail 8.13 and early Postfix offer.
VERSION = 6
MIN_VERSION = 2

# Largest packet we accept, in bytes. Sendmail sends body chunks of at most 1 MiB (MDS_1M) and Postfix headers
# of up to header_size_limit (100 KiB); a length beyond this is garbage or an attack.
MAX_PACKET_BYTES = 1024 * 1024 + 1

# A body chunk that every version understands (MILTER_CHUNK_SIZE).
BODY_CHUNK_BYTES = 65535


class Action(IntFlag):
    """SMFIF_*: changes that a filter asks to be allowed."""

    ADD_HEADERS = 0x001
    CHANGE_BODY = 0x002
    ADD_RECIPIENTS = 0x004
    DELETE_RECIPIENTS = 0x008
    CHANGE_HEADERS = 0x010
    QUARANTINE = 0x020
    CHANGE_SENDER = 0x040
    ADD_RECIPIENTS_WITH_ARGUMENTS = 0x080
    SET_MACROS = 0x100


class Step(IntFlag):
    """SMFIP_*: steps of the protocol that are left out (NO_*), or that get no answer (NR_*)."""

    NO_CONNECT = 0x01
    NO_HELO = 0x02
    NO_MAIL = 0x04
    NO_RCPT = 0x08
    NO_BODY = 0x10
    NO_HEADERS = 0x20
    NO_END_OF_HEADERS = 0x40
    NR_HEADER = 0x80
    NO_UNKNOWN = 0x100
    NO_DATA = 0x200
    SKIP = 0x400
    REJECTED_RCPT = 0x800  # also show recipients that the mail server itself refuses
    NR_CONNECT = 0x1000
    NR_HELO = 0x2000
    NR_MAIL = 0x4000
    NR_RCPT = 0x8000
    NR_DATA = 0x10000
    NR_UNKNOWN = 0x20000
    NR_END_OF_HEADERS = 0x40000
    NR_BODY = 0x80000
    HEADER_LEADING_SPACE = 0x100000
    MDS_256K = 0x10000000
    MDS_1M = 0x20000000


class MacroStage(IntEnum):
    """SMFIM_*: for which command a list of macros is asked (SET_MACROS)."""

    CONNECT = 0
    HELO = 1
    MAIL = 2
    RCPT = 3
    DATA = 4
    END_OF_MESSAGE = 5
    END_OF_HEADERS = 6
