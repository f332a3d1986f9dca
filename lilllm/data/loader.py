"""Batches of a corpus: every window once an epoch, in an order that is computed, from any batch on, on any rank.

    loader = Loader(corpus, batch_size=8, context_len=512)
    for batch in loader:                    # without end: epoch after epoch
        loss = model.loss(batch.tokens, batch.targets)

Batch g of all ranks together is a function of the corpus, the seed and g, and of nothing else:

    epoch, place = divmod(g, epoch_batches)
    row r of it  = window order[place * R + r]      order: a permutation by (seed, epoch); R rows over all ranks

So the whole state of a loader is g. Nothing is replayed to resume, and nothing grows with the corpus.

Read in order:  Rows (which windows), Loader, sequential; shuffle.py for the order, batch.py for reading,
                prefetch.py for the thread
Leaves out:     mixing several corpora by weight.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from lilllm.data.batch import Batch, check_windows, flags, read_batch, whole
from lilllm.data.prefetch import Ahead
from lilllm.data.shuffle import Permutation
from lilllm.data.tokens import Tokens

AT_ONCE = 64  # batches whose windows are computed together: numpy takes the same time for 8 numbers as for 80


class Rows:
    """``rows(g)``: the windows of batch g that are one rank's, of ``n_windows`` in a new order each epoch."""

    def __init__(self, n_windows: int, batch_size: int, rank: int, world_size: int, seed: int, shuffle: bool) -> None:
        self._batch_size = batch_size
        self._first = rank * batch_size
        self._all = world_size * batch_size
        self._shuffled = partial(Permutation, n_windows, seed) if shuffle else None
        self.epoch_batches = n_windows // self._all
        self._last: tuple[tuple[int, int] | None, npt.NDArray[np.int64]] = (None, np.empty(0, np.int64))

    def __call__(self, number: int) -> npt.NDArray[np.int64]:
        epoch, place = divmod(number, self.epoch_batches)
        block = epoch, place // AT_ONCE
        known, windows = self._last
        if known != block:
            windows = self._compute(*block)
            self._last = block, windows  # at once, for threads
        return windows[place % AT_ONCE]

    def _compute(self, epoch: int, block: int) -> npt.NDArray[np.int64]:
        first = block * AT_ONCE
        places = np.arange(first, min(first + AT_ONCE, self.epoch_batches))
        positions = places[:, None] * self._all + self._first + np.arange(self._batch_size)  # (AT_ONCE, B)
        return positions if self._shuffled is None else self._shuffled(epoch)(positions)


class Loader:
    """An endless iterator over batches of ``tokens``; ``next(loader)`` is this rank's rows of the next global batch.

    A batch of all ranks is world_size * batch_size rows, and rank r has rows r * batch_size to (r + 1) * batch_size - 1
    of it: W ranks together see what one rank with W times the rows sees.

    Two ends are left out of an epoch: tokens after the last whole window, always; and windows that fill no batch at its
    end, which with ``shuffle`` are others in every epoch.

    Args:
        tokens: a corpus.
        batch_size: rows of a batch on this rank.
        context_len: T.
        seed: of the order.
        rank, world_size: which of how many.
        shuffle: another order of all windows in each epoch; otherwise as they stand in the corpus.
        documents: give the documents of each row too, numbered from 0 in the row, for masks between them. Targets stay
            as they are: after an EOS, the first token of the next document.
        prefetch: how many batches are made ahead, in a thread; 0 makes them when asked. It changes no batch.
        start: the number of the first batch.
        pin_memory: make batches in memory that a GPU copies from by itself.
    Raises:
        ValueError: an argument is out of its range, the corpus has fewer windows than a batch of all ranks, or it has
            no EOS and documents are asked for. On reading: the corpus holds a token that is not in its vocabulary.
            What reading raises, ``next`` raises, and tries the same batch again when called again.
    Holds: every window at most once an epoch; the same batches whatever the prefetch, whenever resumed, over any split
        of a global batch into ranks; time and memory do not depend on the length of the corpus.
    """

    def __init__(
        self,
        tokens: Tokens,
        *,
        batch_size: int,
        context_len: int,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        shuffle: bool = True,
        documents: bool = False,
        prefetch: int = 2,
        start: int = 0,
        pin_memory: bool = False,
    ) -> None:
        self.tokens = tokens
        self.batch_size = whole("batch_size", batch_size, 1)
        self.context_len = whole("context_len", context_len, 1)
        self.world_size = whole("world_size", world_size, 1)
        self.rank = whole("rank", rank, 0)
        self._seed = whole("seed", seed, None)
        flags(shuffle=shuffle, documents=documents, pin_memory=pin_memory)
        self._shuffle = shuffle
        self._prefetch = whole("prefetch", prefetch, 0)
        self._number = whole("start", start, 0)
        if self.rank >= self.world_size:
            raise ValueError(f"rank {rank} of {world_size}; give 0 to {self.world_size - 1}")
        if pin_memory and not torch.cuda.is_available():
            raise ValueError("pin_memory is for a CUDA device, and torch sees none; leave it out")
        self.n_windows = check_windows(tokens, self.context_len, documents=documents)
        if self.n_windows < self.global_batch_size:
            raise ValueError(
                f"{len(tokens)} tokens are {self.n_windows} windows of {context_len}, and a batch is {world_size} x "
                f"{batch_size} rows; give more text, a shorter context or a smaller batch"
            )
        self._rows = Rows(self.n_windows, self.batch_size, self.rank, self.world_size, self._seed, self._shuffle)
        # Not a method: a thread that holds it does not hold the loader, which can be forgotten at any time.
        self._make = partial(_make, tokens, self._rows, self.context_len, documents, pin_memory)
        self._ahead: Ahead[Batch] | None = None

    @property
    def global_batch_size(self) -> int:
        """Rows of a batch over all ranks."""
        return self.world_size * self.batch_size

    @property
    def epoch_batches(self) -> int:
        """Batches in an epoch: after so many, every window has been seen (but those that fill no batch)."""
        return self._rows.epoch_batches

    @property
    def number(self) -> int:
        """The number of the batch that comes next; so many have been taken since the beginning."""
        return self._number

    @property
    def epoch(self) -> int:
        """The epoch of the batch that comes next, from 0."""
        return self._number // self.epoch_batches

    def __iter__(self) -> Iterator[Batch]:
        """The loader itself: a second ``for`` goes on where the first one broke off."""
        return self

    def __next__(self) -> Batch:
        # Other numbers after load_state_dict, or an interrupt between taking and counting: the batch is made again.
        if self._ahead is None or self._ahead.number != self._number:
            self._ahead = Ahead(self._make, self._number, self._prefetch)
        batch = self._ahead.take()
        self._number += 1
        return batch

    def windows(self, number: int) -> npt.NDArray[np.int64]:
        """Which windows of the corpus are this rank's rows of batch ``number``, (B,)."""
        return self._rows(whole("number", number, 0)).copy()

    def batch(self, number: int) -> Batch:
        """Batch ``number``, this rank's rows, wherever the loader is: to look at one again, say."""
        return self._make(whole("number", number, 0))

    def state_dict(self) -> dict[str, Any]:
        """All that `load_state_dict` needs, fit for JSON: the number of the next batch, and what it is a number of."""
        return {"batch": self._number} | self._identity()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where the loader of ``state`` was; over other ranks too, if a batch of all ranks has as many rows.

        Raises:
            ValueError: the state is of another corpus, seed, context, batch or order, or is no state of a loader.
        """
        ours = self._identity()
        if not isinstance(state, dict) or set(state) != {"batch", *ours}:
            raise ValueError(f"this is no loader's state, which holds batch, {', '.join(ours)}: {state!r}")
        number = whole("batch of the state", state["batch"], 0)
        different = [name for name in ours if state[name] != ours[name]]
        if different:
            told = "; ".join(f"{name} was {state[name]!r} and is {ours[name]!r}" for name in different)
            raise ValueError(f"the state is of another loader: {told}. Give what it had, or begin anew")
        self._number = number

    def _trace_repr_(self) -> tuple[str, dict[str, Any]]:
        """For a player of traces: where it is in which corpus, but not how far its thread is, which no run repeats."""
        rows = f"{self.batch_size} rows of {self.context_len} tokens"
        if self.world_size > 1:
            rows += f", rank {self.rank} of {self.world_size}"
        corpus = {"label": "tokens", "value": self.tokens, "note": f"{self.n_windows:,} windows"}
        next_one = f"batch {self._number:,} is next, of {self.epoch_batches:,} an epoch"
        return "tree", {"label": "Loader", "note": next_one, "children": [corpus, {"label": "batch", "note": rows}]}

    def _identity(self) -> dict[str, Any]:
        return {
            "corpus": self.tokens.digest,
            "context_len": self.context_len,
            "global_batch_size": self.global_batch_size,
            "seed": self._seed,
            "shuffle": self._shuffle,
        }


def _make(tokens: Tokens, rows: Rows, context_len: int, documents: bool, pin: bool, number: int) -> Batch:
    batch = read_batch(tokens, rows(number), context_len, number, documents=documents)
    return batch.pin() if pin else batch


def sequential(tokens: Tokens, batch_size: int, context_len: int, *, documents: bool = False) -> Iterator[Batch]:
    """Each window of the corpus once, in order, for evaluation; the last batch may have fewer rows.

    Tokens after the last whole window are left out. Several ranks take turns with itertools.islice(..., rank, None, W).

    Raises:
        ValueError: as `Loader`; a corpus shorter than one window.
    """
    batch_size, context_len = whole("batch_size", batch_size, 1), whole("context_len", context_len, 1)
    n_windows = check_windows(tokens, context_len, documents=documents)
    windows = (np.arange(i, min(i + batch_size, n_windows)) for i in range(0, n_windows, batch_size))
    return (read_batch(tokens, w, context_len, number, documents=documents) for number, w in enumerate(windows))
