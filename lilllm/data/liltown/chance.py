"""Choices that are the same everywhere, and counted in bits.

Of Python's generator only ``random.Random(seed).random()`` is promised to give the same sequence in every version and
on every platform, so every choice here is made from it. Each choice adds its surprise, -log2 of its probability, to
``bits``: summed over a document that is -log2 of the probability of the choices that made it, and its mean over
documents is the entropy of the process that writes them.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")
_LOG2 = [0.0, *(math.log2(n) for n in range(1, 1025))]
_STREAMS = 1 << 64


class Chance:
    """A stream of choices, one for each pair of seed and document number.

    >>> Chance(0, 7).below(1000) == Chance(0, 7).below(1000)
    True
    """

    __slots__ = ("_random", "bits")

    def __init__(self, seed: int, stream: int = 0) -> None:
        if seed < 0 or stream < 0 or stream >= _STREAMS:
            raise ValueError(f"seed and stream are whole numbers from 0 (stream below 2**64), got {seed} and {stream}")
        self._random = random.Random(seed * _STREAMS + stream).random
        self.bits = 0.0

    def below(self, n: int) -> int:
        """A whole number from 0 to n - 1, each equally likely."""
        self.bits += _LOG2[n] if n <= 1024 else math.log2(n)
        return int(self._random() * n)

    def between(self, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``, both included."""
        return low + self.below(high - low + 1)

    def pick(self, options: Sequence[T]) -> T:
        """One of ``options``, each equally likely."""
        n = len(options)
        self.bits += _LOG2[n]
        return options[int(self._random() * n)]

    def maybe(self, p: float) -> bool:
        """True with probability p, 0 < p < 1."""
        yes = self._random() < p
        self.bits -= math.log2(p if yes else 1.0 - p)
        return yes

    def sample(self, options: Sequence[T], k: int) -> list[T]:
        """k different ones of ``options``, in random order."""
        rest = list(options)
        return [rest.pop(self.below(len(rest))) for _ in range(k)]
