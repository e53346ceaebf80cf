"""Orders that look random or even, the same on every machine and every Python.

`random` promises neither for its shuffles, and they have to be laid out. Here every place of
an order is computed from its number alone.
"""

from __future__ import annotations

from functools import cache, cached_property
from hashlib import sha256
from math import gcd, isqrt

# Below this many things the order is laid out: exact, and quicker than computing it.
_LAID_OUT = 4096

# Three full rounds of a Feistel network, each half in turn.
_ROUNDS = 6

_64_BITS = (1 << 64) - 1


class Dice:
    """Whole numbers that look random: the n-th throw depends on the key and n alone.

    Source:
        SHA-256 in counter mode, as in the Hash_DRBG of NIST SP 800-90A, section 10.1.1.
    """

    def __init__(self, key: str) -> None:
        self._hash = sha256(key.encode())

    def throw(self, n: int, *, below: int) -> int:
        """Return the n-th throw, `0 ≤ throw < below`.

        The remainder of 256 bits favours small numbers by less than one part in 2¹²⁸ as long
        as `below` is under 2¹²⁸.
        """
        hash_ = self._hash.copy()
        hash_.update(n.to_bytes(16))
        return int.from_bytes(hash_.digest()) % below


class Shuffle:
    """The numbers below `size` in an order that looks random; no place is laid out first.

    Up to 4,096 numbers it is a Fisher–Yates shuffle, beyond that a Feistel network over a
    rectangle that is hardly larger than `size`; a number that falls outside is encrypted
    again until it falls inside.

    Source:
        Black and Rogaway, Ciphers with Arbitrary Finite Domains (2002), sections 3 and 4.
    """

    def __init__(self, size: int, *, key: str) -> None:
        self.size = size
        self._key = key
        self._width = isqrt(size - 1) + 1 if size else 0
        self._height = -(-size // self._width) if size else 0

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, place: int) -> int:
        """Return the number at a place, `0 ≤ place < size`; each number has one place."""
        if not 0 <= place < self.size:
            raise IndexError(f"place {place} of {self.size}")
        if self.size <= _LAID_OUT:
            return self._order[place]
        number = self._encrypt(place)
        while number >= self.size:
            number = self._encrypt(number)
        return number

    @cached_property
    def _order(self) -> list[int]:
        dice = Dice(f"order:{self._key}")
        order = list(range(self.size))
        for place in range(self.size - 1, 0, -1):
            other = dice.throw(place, below=place + 1)
            order[place], order[other] = order[other], order[place]
        return order

    @cached_property
    def _keys(self) -> list[int]:
        dice = Dice(f"rounds:{self._key}")
        return [dice.throw(n, below=_64_BITS + 1) for n in range(_ROUNDS)]

    def _encrypt(self, number: int) -> int:
        width, height = self._width, self._height
        left, right = divmod(number, height)
        keys = iter(self._keys)
        for key in keys:
            left = (left + _mix(right ^ key)) % width
            right = (right + _mix(left ^ next(keys))) % height
        return left * height + right


def spread(size: int, *, place: int) -> int:
    """Return the number at a place in an order that is even at every length.

    However soon one stops, what was taken is spread over all the numbers below `size`, like
    leaves around a stem; each number has one place in `0 ≤ place < size`.

    Source:
        Steps of the golden ratio; the three-gap theorem bounds how uneven they can be.
    """
    return place % size * _golden_step(size) % size


def place_in_spread(size: int, *, number: int) -> int:
    """Return the place at which `spread` has a number; its reverse."""
    return number * pow(_golden_step(size), -1, size) % size


@cache
def _golden_step(size: int) -> int:
    """Return the step nearest to `size` / φ that visits every number."""
    near = round(size * 0.6180339887498949)
    for distance in range(size):
        for step in (near - distance, near + distance):
            if 0 < step <= size and gcd(step, size) == 1:
                return step
    return 1


def _mix(number: int) -> int:
    """Return 64 bits of which each depends on every bit of the number.

    Source:
        Steele, Lea and Flood, Fast Splittable Pseudorandom Number Generators (2014), with
        Stafford's constants, "mix 13".
    """
    number &= _64_BITS
    number = (number ^ number >> 30) * 0xBF58476D1CE4E5B9 & _64_BITS
    number = (number ^ number >> 27) * 0x94D049BB133111EB & _64_BITS
    return number ^ number >> 31
