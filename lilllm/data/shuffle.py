"""A shuffle that is computed, not stored: which number stands at position i of a random order of 0 .. n - 1.

A list of a trillion numbers in random order is 8 TB. A keyed permutation gives any entry of it from the key alone, as a
cipher gives any block: so a loader begins anywhere at once, and its state is one number.

A number x below A B is a pair (l, r) = (x div B, x mod B). A round of a Feistel network adds to one half a hash of the
other; whatever the hash, it can be taken back, so every round is a permutation of the pairs:

    l <- (l + hash(r, key_1)) mod A        r <- (r + hash(l, key_2)) mod B        and so on

With A the square root of n, rounded up, and B = n / A, rounded up, A B is n or little more. A number that lands on n or
above is sent through again until it is below (cycle walking): what started below n comes back below n, and no two
numbers meet.

Read in order:  Permutation, _hash
Leaves out:     secrecy. The hash is fast and mixes well; it is no cryptography.
Source:         Black & Rogaway 2002, Ciphers with Arbitrary Finite Domains (both ideas); the constants of the hash are
                those of splitmix64 (Steele, Lea & Flood 2014).
"""

from __future__ import annotations

import hashlib
import math

import numpy as np
import numpy.typing as npt

UInts = npt.NDArray[np.uint64]

# Four are the least that theory asks for (Luby & Rackoff 1988), of large halves. Small ones take more: with 8 rounds
# the 720 orders of six numbers are not equally frequent (chi-square 46 standard deviations too large); with 16 they are
ROUNDS = 16
LARGEST = 1 << 62


class Permutation:
    """The order of 0 .. n - 1 that belongs to ``key``: ``permutation(positions)`` gives the numbers that stand there.

    Args:
        n: how many numbers, 1 to 2**62.
        key: any integers; another key is another order. The same on every machine, and for good.
    Raises:
        ValueError: n is out of range, or a position is not one of 0 .. n - 1.
    Holds: a permutation for every n and key; time and memory of a call depend on the positions given, not on n.

    >>> order = Permutation(5, 1, 2)
    >>> sorted(order(np.arange(5)).tolist())
    [0, 1, 2, 3, 4]
    """

    def __init__(self, n: int, *key: int) -> None:
        if not 1 <= n <= LARGEST:
            raise ValueError(f"a permutation of {n} numbers; give 1 to 2**62")
        self.n = n
        # A >= B >= 1, and A * B < n + A: few numbers are walked.
        self._a = math.isqrt(n - 1) + 1
        self._b = -(-n // self._a)
        text = " ".join(str(int(part)) for part in key)
        digest = hashlib.shake_256(b"lilllm order " + text.encode()).digest(8 * ROUNDS)
        self._keys = np.frombuffer(digest, dtype="<u8").astype(np.uint64)

    def __call__(self, positions: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
        """The numbers at these positions, in the shape of ``positions``."""
        positions = np.asarray(positions)
        if positions.size and not (positions.min() >= 0 and positions.max() < self.n):
            raise ValueError(f"positions {positions.min()} to {positions.max()}; give 0 to {self.n - 1}")
        numbers = self._network(np.atleast_1d(positions).astype(np.uint64))
        while (outside := numbers >= self.n).any():
            numbers[outside] = self._network(numbers[outside])
        return numbers.astype(np.int64).reshape(positions.shape)

    def _network(self, numbers: UInts) -> UInts:
        a, b = np.uint64(self._a), np.uint64(self._b)
        left, right = np.divmod(numbers, b)
        for i in range(0, ROUNDS, 2):
            left = (left + _hash(right, self._keys[i]) % a) % a
            right = (right + _hash(left, self._keys[i + 1]) % b) % b
        return left * b + right


def _hash(numbers: UInts, key: np.uint64) -> UInts:
    """64 bits, each of which depends on every bit of the number and of the key."""
    mixed = numbers + key  # an array: it wraps round at 2**64, as meant
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
