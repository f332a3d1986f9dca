"""The computed shuffle: a permutation for every n, which looks like chance and is the same for good."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lilllm.data.shuffle import LARGEST, Permutation


def at_most(chi_square: float, freedom: int) -> bool:
    """Within five standard deviations of its mean, which chance exceeds less than once in a thousand keys.

    (Its standard deviation is sqrt(2 freedom); the keys are fixed, so that a test that passes once always passes.)
    """
    return chi_square < freedom + 5 * math.sqrt(2 * freedom)


def chi_square(counts: np.ndarray, expected: float) -> float:
    return float(((counts - expected) ** 2 / expected).sum())


def in_plain_python(n: int, key: tuple[int, ...], position: int) -> int:
    """The same with Python's own integers, which never wrap round unasked."""
    a = math.isqrt(n - 1) + 1
    b = -(-n // a)
    digest = hashlib.shake_256(("lilllm order " + " ".join(map(str, key))).encode()).digest(128)
    keys = [int.from_bytes(digest[i : i + 8], "little") for i in range(0, 128, 8)]

    def mixed(x: int, k: int) -> int:
        x = (x + k) % 2**64
        x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        x = (x ^ x >> 27) * 0x94D049BB133111EB % 2**64
        return x ^ x >> 31

    while True:
        left, right = divmod(position, b)
        for i in range(0, 16, 2):
            left = (left + mixed(right, keys[i])) % a
            right = (right + mixed(left, keys[i + 1])) % b
        position = left * b + right
        if position < n:
            return position


@pytest.mark.parametrize("key", [(0, 0), (0, 1), (-5, 2**70)])
def test_every_small_n_is_permuted(key: tuple[int, int]) -> None:
    for n in [*range(1, 400), 1023, 1024, 1025, 10_007]:
        assert sorted(Permutation(n, *key)(np.arange(n)).tolist()) == list(range(n)), n


@given(n=st.integers(1, LARGEST), seed=st.integers(), position=st.data())
@settings(max_examples=200, deadline=None)
def test_is_what_plain_python_computes(n: int, seed: int, position: st.DataObject) -> None:
    positions = position.draw(st.lists(st.integers(0, n - 1), min_size=1, max_size=5))
    found = Permutation(n, seed, 7)(np.array(positions)).tolist()
    assert found == [in_plain_python(n, (seed, 7), i) for i in positions]


@given(n=st.integers(2, LARGEST), seed=st.integers(0, 2**32), data=st.data())
@settings(max_examples=100, deadline=None)
def test_no_two_positions_of_a_large_n_meet(n: int, seed: int, data: st.DataObject) -> None:
    positions = data.draw(st.sets(st.integers(0, n - 1), min_size=2, max_size=50))
    found = Permutation(n, seed)(np.array(sorted(positions)))
    assert len(set(found.tolist())) == len(positions)
    assert found.min() >= 0
    assert found.max() < n


@pytest.mark.parametrize("n", [2, 3, 4, 5, 6])
def test_every_order_of_a_few_is_as_likely(n: int) -> None:
    orders = math.factorial(n)
    keys = max(1000, 12 * orders)
    seen: dict[tuple[int, ...], int] = {}
    for key in range(keys):
        order = tuple(Permutation(n, 1, key)(np.arange(n)).tolist())
        seen[order] = seen.get(order, 0) + 1
    assert len(seen) == orders
    assert at_most(chi_square(np.array(list(seen.values())), keys / orders), orders - 1)


@pytest.mark.parametrize("n", [100_000, 65_536, 99_991])
def test_numbers_spread_evenly_over_positions(n: int) -> None:
    # 16 parts of the positions by 16 parts of the numbers; each row and column of counts has a fixed sum.
    order = Permutation(n, 3, 0)(np.arange(n))
    counts, _, _ = np.histogram2d(np.arange(n), order, bins=16)
    assert at_most(chi_square(counts, n / 256), 15 * 15)


def test_a_position_holds_any_number_as_likely_over_epochs() -> None:
    n, keys = 1000, 4000
    found = np.array([Permutation(n, 0, epoch)(np.array([0, 1, 500, 999])) for epoch in range(keys)])
    for column in found.T:
        assert at_most(chi_square(np.bincount(column // 50, minlength=20), keys / 20), 19)


@pytest.mark.parametrize("n", [100_000, 1 << 16])
def test_neighbours_do_not_stay_neighbours(n: int) -> None:
    order = Permutation(n, 0, 0)(np.arange(n))
    steps = np.diff(order)
    # In a random order about one neighbour in all is followed by the next number, and ten or more happen once in 10^7.
    assert (steps == 1).sum() < 10
    assert (steps == -1).sum() < 10
    near = (np.abs(steps) <= n // 100).mean()
    assert abs(near - 0.02) < 5 * math.sqrt(0.02 / n)
    values, times = np.unique(steps, return_counts=True)
    assert times.max() < 12, f"the step {values[times.argmax()]} comes {times.max()} times"
    for lag in (1, 2, 8, 64, 256):  # a correlation of n pairs by chance is about 1 / sqrt(n)
        assert abs(np.corrcoef(order[:-lag], order[lag:])[0, 1]) < 5 / math.sqrt(n)


@pytest.mark.parametrize("other", [(0, 1), (1, 0), (0, -1), (10, 0)])
def test_orders_of_neighbouring_keys_have_nothing_in_common(other: tuple[int, int]) -> None:
    n = 50_000
    ours, theirs = Permutation(n, 0, 0)(np.arange(n)), Permutation(n, *other)(np.arange(n))
    assert (ours == theirs).sum() < 10  # one by chance, as above
    assert abs(np.corrcoef(ours, theirs)[0, 1]) < 5 / math.sqrt(n)
    assert len(np.unique((ours - theirs) % n)) > n / 2  # 1 - 1/e of them by chance; no shifted copy


def test_the_order_never_changes() -> None:
    """Runs are resumed by newer versions: these numbers are part of the format."""
    assert Permutation(10, 0, 0)(np.arange(10)).tolist() == [5, 4, 6, 7, 2, 8, 3, 0, 9, 1]
    assert Permutation(10**12, 1, 2)(np.array([0, 1, 10**12 - 1])).tolist() == [61155340395, 110484779051, 937752411026]


def test_the_shape_of_positions_is_kept() -> None:
    order = Permutation(100, 4)
    square = np.arange(6).reshape(2, 3)
    assert order(square).tolist() == order(square.ravel()).reshape(2, 3).tolist()
    assert order(np.int64(3)) == order(np.array([3]))[0]
    assert order(np.empty(0, np.int64)).shape == (0,)


@pytest.mark.parametrize("n", [0, -1, LARGEST + 1])
def test_bad_input_sizes(n: int) -> None:
    with pytest.raises(ValueError, match=r"give 1 to 2\*\*62"):
        Permutation(n, 0)


@pytest.mark.parametrize("positions", [[-1], [0, 10], [2**63 - 1]])
def test_bad_input_positions(positions: list[int]) -> None:
    with pytest.raises(ValueError, match="give 0 to 9"):
        Permutation(10, 0)(np.array(positions))
