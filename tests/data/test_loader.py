"""The loader: which rows it gives, to whom, and from where on."""

from __future__ import annotations

import itertools
import json
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lilllm.data import Batch, Loader, TokenArray, sequential, write_tokens
from lilllm.tracing.values import Values


def counted(n: int) -> TokenArray:
    """0, 1, 2, ...: every token says where it stands."""
    return TokenArray(np.arange(n), vocab_size=max(n, 2), eos=0)


def windows(batch: Batch) -> list[int]:
    """Which windows a batch of `counted` holds."""
    return [first // batch.tokens.shape[1] for first in batch.tokens[:, 0].tolist()]


def taken(loader: Loader, n: int) -> list[list[int]]:
    return [windows(batch) for batch in itertools.islice(loader, n)]


def test_rows_by_hand() -> None:
    loader = Loader(counted(8), batch_size=2, context_len=3, shuffle=False)
    batch = next(loader)
    assert batch.tokens.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert batch.targets.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert (batch.tokens.dtype, batch.targets.dtype) == (torch.int64, torch.int64)
    assert batch.documents is None
    assert batch.number == 0
    assert loader.epoch_batches == 1
    assert next(loader).tokens.tolist() == batch.tokens.tolist()  # the next epoch
    batch.targets.fill_(7)
    assert batch.tokens.max() == 5  # targets are memory of their own


@pytest.mark.parametrize("shuffle", [True, False])
def test_an_epoch_has_every_window_once(shuffle: bool) -> None:
    loader = Loader(counted(24 * 5 + 1), batch_size=4, context_len=5, shuffle=shuffle)
    epochs = [list(itertools.chain(*taken(loader, loader.epoch_batches))) for _ in range(3)]
    assert all(sorted(epoch) == list(range(24)) for epoch in epochs)
    assert (epochs[0] == list(range(24))) is not shuffle
    assert (epochs[0] == epochs[1]) is not shuffle
    assert loader.epoch == 3


def test_windows_that_fill_no_batch_are_others_each_epoch() -> None:
    loader = Loader(counted(11 * 2 + 2), batch_size=4, context_len=2)
    assert (loader.n_windows, loader.epoch_batches) == (11, 2)
    left = [set(range(11)) - set(itertools.chain(*taken(loader, 2))) for _ in range(4)]
    assert all(len(out) == 3 for out in left)
    assert len(set(map(frozenset, left))) > 1


def test_seeds_give_other_orders() -> None:
    orders = [taken(Loader(counted(1000), batch_size=4, context_len=2, seed=seed), 20) for seed in (0, 1, -1)]
    assert orders[0] != orders[1] != orders[2] != orders[0]
    assert orders[0] == taken(Loader(counted(1000), batch_size=4, context_len=2), 20)


@given(
    tokens=st.integers(13, 400),
    T=st.integers(1, 3),
    B=st.integers(1, 2),
    W=st.integers(1, 2),
    seed=st.integers(),
    shuffle=st.booleans(),
    start=st.integers(0, 10**9),
)
@settings(max_examples=60, deadline=None)
def test_ranks_together_are_one_rank_with_all_rows(
    tokens: int, T: int, B: int, W: int, seed: int, shuffle: bool, start: int
) -> None:
    corpus = counted(tokens)
    same: dict[str, Any] = {"context_len": T, "seed": seed, "shuffle": shuffle, "start": start}
    one = taken(Loader(corpus, batch_size=W * B, **same), 4)
    ranks = [taken(Loader(corpus, batch_size=B, rank=r, world_size=W, **same), 4) for r in range(W)]
    assert [list(itertools.chain(*rows)) for rows in zip(*ranks, strict=True)] == one


@given(n=st.integers(0, 40), more=st.integers(1, 10), prefetch=st.integers(0, 5), after=st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_resumed_it_gives_what_the_undisturbed_one_would_have(n: int, more: int, prefetch: int, after: int) -> None:
    corpus = counted(100)
    shape: dict[str, Any] = {"batch_size": 4, "context_len": 3, "seed": 5}
    whole = taken(Loader(corpus, **shape, prefetch=0), n + more)
    first = Loader(corpus, **shape, prefetch=prefetch)
    assert taken(first, n) == whole[:n]
    state = json.loads(json.dumps(first.state_dict()))  # as a checkpoint has it
    second = Loader(corpus, **shape, prefetch=after)
    next(second)  # what it made ahead must not come
    second.load_state_dict(state)
    assert taken(second, more) == whole[n:]
    assert second.number == n + more
    first.load_state_dict(state)  # and the same object, gone back
    assert taken(first, more) == whole[n:]


def test_resumes_over_another_number_of_ranks() -> None:
    corpus = counted(1000)
    loaders = [Loader(corpus, batch_size=2, context_len=3, rank=r, world_size=4) for r in range(4)]
    for loader in loaders:
        taken(loader, 7)
    states = [loader.state_dict() for loader in loaders]
    assert all(state == states[0] for state in states)  # any rank's will do
    one = Loader(corpus, batch_size=8, context_len=3)
    expected = taken(one, 9)[7:]
    pair = [Loader(corpus, batch_size=4, context_len=3, rank=r, world_size=2) for r in range(2)]
    for loader in pair:
        loader.load_state_dict(states[0])
    assert [a + b for a, b in zip(*(taken(loader, 2) for loader in pair), strict=True)] == expected


@pytest.mark.parametrize("prefetch", [0, 1, 2, 7])
def test_prefetching_changes_no_batch(prefetch: int) -> None:
    corpus = TokenArray(np.arange(3000) % 50, vocab_size=50, eos=0)
    expected = Loader(corpus, batch_size=3, context_len=7, prefetch=0, documents=True)
    found = Loader(corpus, batch_size=3, context_len=7, prefetch=prefetch, documents=True)
    for number, (a, b) in enumerate(itertools.islice(zip(expected, found, strict=True), 200)):
        assert a.number == b.number == number
        assert torch.equal(a.tokens, b.tokens)
        assert torch.equal(a.targets, b.targets)
        assert a.documents is not None
        assert b.documents is not None
        assert torch.equal(a.documents, b.documents)


def test_a_trace_shows_where_it_is_and_nothing_of_its_thread() -> None:
    values = Values(lambda data: hash(data), lambda png: "")
    without, ahead = (Loader(counted(3000), batch_size=3, context_len=7, prefetch=depth) for depth in (0, 4))
    before = values.encode(ahead)
    next(without), next(ahead)
    assert values.encode(without) == values.encode(ahead) != before


def test_any_batch_can_be_looked_at_and_nothing_moves() -> None:
    loader = Loader(counted(1000), batch_size=4, context_len=3)
    all_of_them = taken(loader, 100)
    state = loader.state_dict()
    assert [windows(loader.batch(i)) for i in (70, 0, 99, 64, 63)] == [all_of_them[i] for i in (70, 0, 99, 64, 63)]
    assert loader.windows(70).tolist() == all_of_them[70]
    loader.windows(70)[:] = 0  # the caller's own
    assert loader.windows(70).tolist() == all_of_them[70]
    assert loader.state_dict() == state


class Spelt:
    """A tokenizer of texts that are numbers."""

    vocab_size = 1000

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        return [[int(word) for word in text.split() if word.isdigit()] for text in texts]


def test_files_in_shards_give_what_memory_gives(tmp_path: Path) -> None:
    texts = [" ".join(str(i % 999 + 1) for i in range(start, start + start % 13 + 1)) for start in range(0, 5000, 7)]
    files = write_tokens(texts, Spelt(), tmp_path / "tokens", eos=0, shard_tokens=50, workers=1, progress=False)
    memory = TokenArray(files.read(0, len(files)), vocab_size=1000, eos=0)
    shape: dict[str, Any] = {"batch_size": 3, "context_len": 120, "documents": True}
    # A window of 121 tokens lies in three or four files.
    one, other = Loader(files, **shape), Loader(memory, **shape)
    for a, b in itertools.islice(zip(one, other, strict=True), 2 * one.epoch_batches):
        assert torch.equal(a.tokens, b.tokens)
        assert torch.equal(a.targets, b.targets)
        assert a.documents is not None
        assert b.documents is not None
        assert torch.equal(a.documents, b.documents)


def test_documents_are_told_apart_by_their_eos() -> None:
    corpus = TokenArray([5, 0, 6, 7, 0, 8, 9, 0, 1, 1, 1, 1, 1], vocab_size=10, eos=0)
    batch = next(Loader(corpus, batch_size=2, context_len=6, shuffle=False, documents=True))
    assert batch.tokens.tolist() == [[5, 0, 6, 7, 0, 8], [9, 0, 1, 1, 1, 1]]
    assert batch.documents is not None
    assert batch.documents.tolist() == [[0, 0, 1, 1, 1, 2], [0, 0, 1, 1, 1, 1]]
    assert batch.targets[0].tolist() == [0, 6, 7, 0, 8, 9]


class Simulated:
    """A corpus of any length that is computed where it is read."""

    vocab_size, eos, n_bytes, digest = 1 << 16, None, None, "simulated"

    def __init__(self, length: int) -> None:
        self.length = length
        self.reads = 0

    def __len__(self) -> int:
        return self.length

    def read(self, start: int, stop: int) -> np.ndarray:
        assert 0 <= start <= stop <= self.length
        self.reads += 1
        return np.arange(start, stop) % self.vocab_size


@pytest.mark.parametrize("T", [1, 2048])
def test_a_trillion_tokens_cost_what_a_thousand_cost(T: int) -> None:
    corpus = Simulated(10**12)
    loader = Loader(corpus, batch_size=8, context_len=T, rank=3, world_size=4, prefetch=0)
    assert loader.epoch_batches == (10**12 - 1) // T // 32
    next(loader)
    state = loader.state_dict() | {"batch": 10**8}
    assert len(json.dumps(state)) < 1000
    resumed = Loader(corpus, batch_size=8, context_len=T, rank=3, world_size=4, prefetch=0)
    corpus.reads = 0
    tracemalloc.start()
    resumed.load_state_dict(state)
    batch = next(resumed)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert corpus.reads == 8  # the rows of this batch, and none before it
    assert peak < 2_000_000  # two arrays of 8 x 2048 int64 are 0.26 MB, and the order of 64 batches ahead of it
    assert batch.number == 10**8
    first = resumed.windows(10**8) * T
    assert batch.tokens[:, 0].tolist() == (first % corpus.vocab_size).tolist()
    assert len(set(resumed.windows(10**8))) == 8
    epoch = resumed.windows(10**8 + 1).max()
    assert epoch < loader.n_windows


def test_starts_anywhere() -> None:
    corpus = counted(1000)
    assert (
        taken(Loader(corpus, batch_size=4, context_len=3, start=77), 3)
        == taken(Loader(corpus, batch_size=4, context_len=3), 80)[77:]
    )


@pytest.mark.parametrize("documents", [False, True])
@pytest.mark.parametrize(("n", "sizes"), [(31, [4, 4, 2]), (26, [4, 4]), (27, [4, 4]), (4, [1])])
def test_sequential_has_each_window_once(n: int, sizes: list[int], documents: bool) -> None:
    batches = list(sequential(counted(n), batch_size=4, context_len=3, documents=documents))
    assert [len(batch.tokens) for batch in batches] == sizes
    assert [batch.number for batch in batches] == list(range(len(sizes)))
    assert list(itertools.chain(*map(windows, batches))) == list(range((n - 1) // 3))
    for batch in batches:
        assert torch.equal(batch.targets, batch.tokens + 1)
        assert (batch.documents is not None) is documents


def test_moved_batches_are_whole() -> None:
    batch = next(Loader(counted(100), batch_size=2, context_len=3, documents=True)).to("cpu")
    assert batch.documents is not None
    assert batch.number == 0
    meta = batch.to("meta")
    assert meta.tokens.is_meta
    assert meta.targets.is_meta
    assert meta.documents is not None
    assert meta.documents.is_meta


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_pinned_batches_reach_the_gpu() -> None:
    loader = Loader(counted(1000), batch_size=4, context_len=3, pin_memory=True)
    plain = Loader(counted(1000), batch_size=4, context_len=3, prefetch=0)
    for pinned, expected in itertools.islice(zip(loader, plain, strict=True), 20):
        assert pinned.tokens.is_pinned()
        assert torch.equal(pinned.to("cuda").tokens.cpu(), expected.tokens)


def test_slow_reading_goes_on_while_a_batch_is_used() -> None:
    """The thread makes the next batch meanwhile: in the time of 5 batches it has read more than was asked for."""
    corpus = Simulated(10**6)
    loader = Loader(corpus, batch_size=1, context_len=8, prefetch=3)
    next(loader)
    for _ in range(1000):
        if corpus.reads == 4:
            break
        time.sleep(0.01)
    assert corpus.reads == 4  # the one taken and three ahead, and no more
