"""Rows of numbers that a run says, in as much memory as is given to them.

Memory: at most 2^19 rows are kept, every second once there are more (then every fourth, ...)
"""

from __future__ import annotations

import math

import numpy as np

TOO_LARGE = 1e15  # no loss, rate or size of a run; squares and sums of what is below it stay finite
_MOST_ROWS = 1 << 19


class Table:
    """Rows of numbers in increasing order of step, in an array that doubles when it is full."""

    def __init__(self, names: tuple[str, ...], most: int = _MOST_ROWS) -> None:
        self.names, self.most, self.stride = names, most, 1
        self._rows = np.empty((256, len(names)))
        self._n = self._seen = 0
        self._new: list[tuple[float | None, ...]] = []

    def __len__(self) -> int:
        return self._n

    def add(self, row: tuple[float | None, ...]) -> None:
        """A row; those of its step and of later ones go. It is seen after `flush`."""
        self.cut(row[0] or 0.0)
        self._seen += 1
        if self._seen % self.stride == 0:
            self._new.append(row)

    def cut(self, step: float) -> None:
        """Take away the rows from ``step`` on."""
        while self._new and (self._new[-1][0] or 0.0) >= step:
            self._new.pop()
        if not self._new and self._n and self._rows[self._n - 1, 0] >= step:
            self._n = int(np.searchsorted(self._rows[: self._n, 0], step))

    def flush(self) -> None:
        if not self._new:
            return
        new = np.array(self._new, dtype=float)  # None becomes NaN
        new[~(np.abs(new) < TOO_LARGE)] = math.nan
        self._new = []
        if self._n + len(new) > len(self._rows):  # into a new array: whoever reads the old one is not disturbed
            rows = np.empty((2 * (self._n + len(new)), len(self.names)))
            rows[: self._n] = self._rows[: self._n]
            self._rows = rows
        self._rows[self._n : self._n + len(new)] = new
        self._n += len(new)
        while self._n > self.most:
            self._rows = self._rows[1 : self._n : 2].copy()
            self._n = len(self._rows)
            self.stride *= 2

    def column(self, name: str) -> np.ndarray:
        return self._rows[: self._n, self.names.index(name)]

    @property
    def last(self) -> dict[str, float]:
        """The newest row by names; empty if there is none."""
        return dict(zip(self.names, self._rows[self._n - 1].tolist(), strict=True)) if self._n else {}
