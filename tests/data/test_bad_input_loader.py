"""What a loader refuses, and in which words."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from lilllm.data import Loader, TokenArray, sequential


def corpus(n: int = 100, eos: int | None = 0) -> TokenArray:
    return TokenArray(np.arange(n) % 50, vocab_size=50, eos=eos)


def loader(tokens: Any = None, **changes: Any) -> Loader:
    return Loader(tokens or corpus(), **({"batch_size": 4, "context_len": 5} | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 0}, "batch_size is 0; give 1 or more"),
        ({"batch_size": 4.0}, "batch_size is 4.0; give a whole number"),
        ({"context_len": -1}, "context_len is -1; give 1 or more"),
        ({"context_len": "5"}, "context_len is '5'; give a whole number"),
        ({"batch_size": True}, "batch_size is True; give a whole number"),
        ({"shuffle": "no"}, "shuffle is 'no'; give True or False"),
        ({"documents": "no"}, "documents is 'no'; give True or False"),
        ({"pin_memory": 0}, "pin_memory is 0; give True or False"),
        ({"seed": 0.5}, "seed is 0.5; give a whole number"),
        ({"seed": None}, "seed is None"),
        ({"rank": -1}, "rank is -1; give 0 or more"),
        ({"rank": 2, "world_size": 2}, "rank 2 of 2; give 0 to 1"),
        ({"world_size": 0}, "world_size is 0"),
        ({"prefetch": -1}, "prefetch is -1"),
        ({"prefetch": math.inf}, "prefetch is inf"),
        ({"start": -1}, "start is -1"),
        ({"context_len": 100}, "the corpus has 100 tokens, and a window of context_len 100 takes 101; give more text"),
        ({"batch_size": 20}, "100 tokens are 19 windows of 5, and a batch is 1 x 20 rows; give more text"),
        ({"batch_size": 5, "world_size": 4}, "19 windows of 5, and a batch is 4 x 5 rows"),
        ({"tokens": corpus(eos=None), "documents": True}, "this corpus has none; leave documents out"),
    ],
)
def test_arguments(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        loader(**changes)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_pinned_memory_without_a_gpu() -> None:
    with pytest.raises(ValueError, match="torch sees none; leave it out"):
        loader(pin_memory=True)


def test_what_just_fits_is_taken() -> None:
    assert loader(corpus(6), batch_size=1).epoch_batches == 1
    assert loader(corpus(21)).epoch_batches == 1
    with pytest.raises(ValueError, match="3 windows"):
        loader(corpus(20))


def test_numbers_of_numpy_are_whole_numbers() -> None:
    state = loader(batch_size=np.int64(4), seed=np.uint8(3), start=np.int32(2)).state_dict()
    assert state == loader(batch_size=4, seed=3, start=2).state_dict()
    assert all(type(value) in (int, str, bool) for value in state.values())


@pytest.mark.parametrize(
    ("theirs", "message"),
    [
        ({"tokens": corpus(99)}, "corpus was '[0-9a-f]{64}' and is '[0-9a-f]{64}'"),
        ({"seed": 1}, "seed was 1 and is 0"),
        ({"context_len": 4}, "context_len was 4 and is 5"),
        ({"batch_size": 3}, "global_batch_size was 3 and is 4"),
        ({"world_size": 2}, "global_batch_size was 8 and is 4"),
        ({"shuffle": False}, "shuffle was False and is True"),
        ({"shuffle": False, "seed": 2}, "seed was 2 and is 0; shuffle was False and is True"),
    ],
)
def test_states_of_another_loader(theirs: dict[str, Any], message: str) -> None:
    ours = loader()
    next(ours)
    with pytest.raises(ValueError, match=message):
        ours.load_state_dict(loader(**theirs).state_dict())
    assert ours.number == 1  # refused as a whole


@pytest.mark.parametrize("change", [{"batch": -1}, {"batch": 1.5}, {"batch": None}, {"more": 1}])
def test_states_of_no_loader(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="batch"):
        loader().load_state_dict(loader().state_dict() | change)


@pytest.mark.parametrize("state", [{}, {"batch": 3}, [], None, "state"])
def test_states_of_nothing(state: Any) -> None:
    with pytest.raises(ValueError, match="this is no loader's state, which holds batch, corpus, context_len"):
        loader().load_state_dict(state)


class Damaged(TokenArray):
    """A corpus whose file is not what its index says."""

    def read(self, start: int, stop: int) -> np.ndarray:
        found = super().read(start, stop)
        if start <= 50 < stop:
            found[50 - start] = 999
        return found if stop < 97 else found[:-1]


def test_a_damaged_corpus() -> None:
    damaged = Damaged(np.arange(101) % 50, vocab_size=50, eos=0)
    reading = loader(damaged, batch_size=2, shuffle=False)
    for _ in range(4):
        next(reading)
    # Token 50 is the last target of window 9 only, and the first input of window 10.
    with pytest.raises(ValueError, match="batch 4 holds token 999, which is not in the vocabulary of 50: the corpus"):
        next(reading)
    with pytest.raises(ValueError, match="batch 5 holds token 999"):
        reading.batch(5)
    with pytest.raises(ValueError, match=r"window 19 of the corpus has shape \(5,\), not \(6,\): it was cut short"):
        reading.batch(9)


def test_batches_before_the_first() -> None:
    with pytest.raises(ValueError, match="number is -1; give 0 or more"):
        loader().batch(-1)
    with pytest.raises(ValueError, match="number is -1; give 0 or more"):
        loader().windows(-1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((4, 100), "takes 101"),
        ((0, 5), "batch_size is 0"),
        ((4, 0), "context_len is 0"),
        ((4.5, 5), "batch_size is 4.5"),
    ],
)
def test_sequential_says_so_at_once(arguments: tuple[Any, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sequential(corpus(), *arguments)
