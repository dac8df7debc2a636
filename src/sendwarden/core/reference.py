"""Short references such as ``SW-7K3QXD``: what a refusal carries and `sendwarden why` looks up.

Six letters of Crockford's base 32 (no I, L, O, U) hold 30 bits. The n-th reference is the n-th place of a
keyed permutation of all 2**30, so that none repeats before all have been given out, and a stranger cannot
tell how many there were. The permutation is a four-round Feistel network over two halves of 15 bits, its
round function a keyed hash. It hides a count; it protects no secret.
"""

import hashlib
import re

COUNT = 1 << 30
PREFIX = "SW-"
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

_HALF_BITS = 15
_HALF_MASK = (1 << _HALF_BITS) - 1
_ROUNDS = 4
_SHAPE = re.compile(r"(?:SW-?)?([0-9A-HJKMNP-TV-Z]{6})")
# What people read aloud or mistype; Crockford's own substitutions.
_MISREAD = str.maketrans("OIL", "011")


def reference(number: int, key: bytes) -> str:
    """Name the ``number``-th reference (from 0, repeats after `COUNT`) under a secret ``key`` of a site."""
    left, right = divmod(number % COUNT, 1 << _HALF_BITS)
    for turn in range(_ROUNDS):
        digest = hashlib.blake2s(bytes([turn]) + right.to_bytes(2, "big"), key=key, digest_size=2).digest()
        left, right = right, left ^ (int.from_bytes(digest, "big") & _HALF_MASK)
    mixed = left << _HALF_BITS | right
    return PREFIX + "".join(ALPHABET[mixed >> shift & 31] for shift in range(25, -1, -5))


def parse_reference(text: str) -> str:
    """The canonical spelling of what somebody typed: ``sw-7k3qxd``, ``7K3QXD`` and ``[SW-7K3QXD]`` are one.

    Raises `ValueError` with what to write instead.
    """
    spelled = text.strip().strip("[]").upper()
    if found := _SHAPE.fullmatch(spelled.removeprefix(PREFIX).translate(_MISREAD)):
        return PREFIX + found[1]
    raise ValueError(f'"{text}" is not a reference: it has the form SW-7K3QXD, as the refusal shows it')
