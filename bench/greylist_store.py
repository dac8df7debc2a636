"""What greylisting should remember its triplets in: gross's ring of Bloom filters, or all of them exactly.

A million triplets whose clients are skewed into few networks come in over three rotations; all of them have
waited. Then as many that were never tried are asked about: each that is said to have waited is a false pass.
Each kind runs in a process of its own, which says what memory it holds. Keys are made before the clock runs.
"""

import argparse
import json
import random
import resource
import subprocess
import sys
import time
from hashlib import sha256
from typing import TYPE_CHECKING

from sendwarden.engine.greylist.keys import KeyRules, Keys
from sendwarden.engine.greylist.question import Question
from sendwarden.engine.greylist.triplets import Triplets

if TYPE_CHECKING:
    from collections.abc import Callable

GENERATIONS = 8
ROTATIONS = 3
HASHES = 8
INTERVAL_S = 3600
BLOOM_BITS = (24, 25, 26)
TARGET_FALSE = 1e-4
TARGET_MIB = 200
# Networks that clients come from, and how unevenly.
NETWORKS = 60_000
SHAPE = 1.1


class Bloom:
    """As gross has it: a filter for each interval, and one of all of them that is asked."""

    def __init__(self, bits: int) -> None:
        self._mask = (1 << bits) - 1
        self._size = (1 << bits) // 8
        self._ring = [bytearray(self._size) for _ in range(GENERATIONS)]
        self._whole = bytearray(self._size)
        self._at = 0

    def _places(self, key: bytes) -> list[int]:
        return [int.from_bytes(key[4 * at : 4 * at + 4], "big") & self._mask for at in range(HASHES)]

    def add(self, key: bytes) -> None:
        ring = self._ring[self._at]
        for place in self._places(key):
            ring[place >> 3] |= 1 << (place & 7)
            self._whole[place >> 3] |= 1 << (place & 7)

    def has(self, key: bytes) -> bool:
        return all(self._whole[place >> 3] & 1 << (place & 7) for place in self._places(key))

    def rotate(self) -> None:
        self._at = (self._at + 1) % GENERATIONS
        self._ring[self._at] = bytearray(self._size)
        whole = 0
        for ring in self._ring:
            whole |= int.from_bytes(ring, "little")
        self._whole = bytearray(whole.to_bytes(self._size, "little"))


def questions(count: int, seed: int, mark: str) -> list[Question]:
    """Clients by a power law over networks, senders and recipients evenly."""
    chance = random.Random(seed)  # noqa: S311 - the same each time
    found = []
    for number in range(count):
        network = min(int(chance.paretovariate(SHAPE) * 50), NETWORKS)
        address = f"10.{network >> 8 & 255}.{network & 255}.{chance.randrange(1, 255)}"
        sender = f"{mark}{number}@{chance.randrange(9999)}.example.org"
        found.append(Question(sender, f"u{chance.randrange(99_999)}@example.net", address))
    return found


def resident_mib() -> float:
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20


def measured(kind: str, count: int) -> dict[str, float]:
    """One kind of store, filled and asked."""
    keys = Keys(KeyRules())
    add: Callable[[object, float], object]
    has: Callable[[object, float], bool]

    def made(mark: str, seed: int) -> list[object]:
        asked = questions(count, seed, mark)
        if kind == "exact":
            return [keys.key(keys.network(one.client_address), one) for one in asked]
        return [
            sha256(f"{keys.network(one.client_address)} {one.sender} {one.recipient}".encode()).digest()
            for one in asked
        ]

    known, strangers = made("a", 1), made("b", 2)
    before = resident_mib()
    if kind == "exact":
        # The keys that the store keeps are its own, and those of this list go: they are counted to it.
        triplets = Triplets(10, INTERVAL_S, GENERATIONS, 2 * count)
        add, has = triplets.tried, triplets.has_waited  # type: ignore[assignment]
        rotate = None
    else:
        bloom = Bloom(int(kind))
        add, has = (lambda key, _now: bloom.add(key)), (lambda key, _now: bloom.has(key))  # type: ignore[arg-type]
        rotate = bloom.rotate
    begun = time.perf_counter()
    now = 0.0
    for part in range(ROTATIONS + 1):
        now = part * INTERVAL_S + 100.0
        if rotate and part:
            rotate()
        for key in known[part :: ROTATIONS + 1]:
            add(int(str(key)) if kind == "exact" else key, now)
    filled = time.perf_counter()
    memory = resident_mib() - before
    now += 100
    lost = sum(not has(key, now) for key in known)
    asked = time.perf_counter()
    false = sum(has(key, now) for key in strangers)
    done = time.perf_counter()
    return {
        "mib": memory,
        "add_us": (filled - begun) / count * 1e6,
        "known_us": (asked - filled) / count * 1e6,
        "new_us": (done - asked) / count * 1e6,
        "lost": lost / count,
        "false": false / count,
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.greylist_store", description=__doc__)
    parser.add_argument("--triplets", type=int, default=1_000_000)
    parser.add_argument("--kind", help="one kind, in this process: exact, or a number of bits")
    options = parser.parse_args()
    if options.kind:
        print(json.dumps(measured(options.kind, options.triplets)))
        return
    print(
        f"greylist store, {options.triplets} triplets after {ROTATIONS} rotations "
        f"(false passes below {TARGET_FALSE:g}, at most {TARGET_MIB} MiB)"
    )
    for kind in (*map(str, BLOOM_BITS), "exact"):
        command = [sys.executable, "-m", "bench.greylist_store", "--kind", kind]
        done = subprocess.run(
            [*command, "--triplets", str(options.triplets)], stdout=subprocess.PIPE, check=True
        )
        found = json.loads(done.stdout)
        good = found["false"] < TARGET_FALSE and found["mib"] <= TARGET_MIB and not found["lost"]
        name = "exact" if kind == "exact" else f"Bloom, 2^{kind} bits"
        print(
            f"  {name:<18}{found['mib']:7.1f} MiB  false {found['false']:.1e}  lost {found['lost']:g}  us: "
            f"add {found['add_us']:.2f}, known {found['known_us']:.2f}, new {found['new_us']:.2f}"
            f"  {'meets the targets' if good else 'misses them'}"
        )


if __name__ == "__main__":
    main()
