"""Batches of a corpus: every window once an epoch, in an order that is computed, from any batch on, on any rank.

    loader = Loader(corpus, batch_size=8, context_len=512)
    for batch in loader:                    # without end: epoch after epoch
        loss = model.loss(batch.tokens, batch.targets)

Window i is tokens[i T : i T + T + 1]: T inputs and, one to the right, T targets. Batch g of all ranks together is a
function of the corpus, the seed and g, and of nothing else:

    epoch, place = divmod(g, epoch_batches)
    row r of it  = window order[place * R + r]      order: a permutation by (seed, epoch); R rows over all ranks

So the whole state of a loader is g. Nothing is replayed to resume, and nothing grows with the corpus.

Read in order:  Batch, Loader, sequential; shuffle.py for the order, prefetch.py for the thread
Leaves out:     mixing several corpora by weight.
Shapes:         B rows of this rank, T = context_len
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lilllm.data.packing import document_ids
from lilllm.data.prefetch import Ahead
from lilllm.data.shuffle import Permutation
from lilllm.data.tokens import Tokens


@dataclass(frozen=True, eq=False)
class Batch:
    """``tokens`` and ``targets`` (what follows each), (B, T) int64; ``documents`` (B, T) int64 or None; its number."""

    tokens: Tensor
    targets: Tensor
    documents: Tensor | None
    number: int

    def to(self, device: torch.device | str) -> Batch:
        """The batch on another device; of pinned memory, without waiting for it."""
        return self._each(lambda x: x.to(device, non_blocking=True))

    def pin(self) -> Batch:
        """The batch in memory that a GPU copies from by itself."""
        return self._each(lambda x: x.pin_memory())

    def _each(self, moved: Callable[[Tensor], Tensor]) -> Batch:
        documents = None if self.documents is None else moved(self.documents)
        return Batch(moved(self.tokens), moved(self.targets), documents, self.number)


class Loader:
    """An endless iterator over batches of ``tokens``; ``next(loader)`` is this rank's rows of the next global batch.

    A batch of all ranks is world_size * batch_size rows, and rank r has rows r * batch_size to (r + 1) * batch_size - 1
    of it: W ranks together see what one rank with W times the rows sees.

    Two ends are left out of an epoch: tokens after the last whole window, always; and windows after the last whole
    batch, which with ``shuffle`` are others in every epoch.

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
        n_windows = _check_windows(tokens, batch_size, context_len, documents)
        if not 0 <= rank < world_size:
            raise ValueError(f"rank {rank} of {world_size}; give 0 to world_size - 1")
        if prefetch < 0 or start < 0:
            raise ValueError(f"prefetch is {prefetch} and start {start}; give 0 or more")
        if pin_memory and not torch.cuda.is_available():
            raise ValueError("pin_memory is for a CUDA device, and torch sees none; leave it out")
        if n_windows < world_size * batch_size:
            raise ValueError(
                f"{len(tokens)} tokens are {n_windows} windows of {context_len}, and a batch is {world_size} x "
                f"{batch_size} rows; give more text, a shorter context or a smaller batch"
            )
        self.tokens = tokens
        self.batch_size = batch_size
        self.context_len = context_len
        self.world_size = world_size
        self.n_windows = n_windows
        self._first_row = rank * batch_size
        self._seed = seed
        self._shuffle = shuffle
        self._documents = documents
        self._pin = pin_memory
        self._prefetch = prefetch
        self._number = start
        self._order = lru_cache(maxsize=2)(lambda epoch: Permutation(n_windows, seed, epoch))
        self._ahead: Ahead[Batch] | None = None

    @property
    def global_batch_size(self) -> int:
        """Rows of a batch over all ranks."""
        return self.world_size * self.batch_size

    @property
    def epoch_batches(self) -> int:
        """Batches in an epoch: after so many, every window has been seen (but those that fill no batch)."""
        return self.n_windows // self.global_batch_size

    @property
    def number(self) -> int:
        """The number of the batch that comes next; so many have been taken since the beginning."""
        return self._number

    @property
    def epoch(self) -> int:
        """The epoch of the batch that comes next, from 0."""
        return self._number // self.epoch_batches

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        # Not its number: an interrupt between taking and counting. The batch is made again.
        if self._ahead is None or self._ahead.number != self._number:
            self._ahead = Ahead(self.batch, self._number, self._prefetch)
        batch = self._ahead.take()
        self._number += 1
        return batch

    def windows(self, number: int) -> npt.NDArray[np.int64]:
        """Which windows of the corpus are this rank's rows of batch ``number``."""
        epoch, place = divmod(number, self.epoch_batches)
        first = place * self.global_batch_size + self._first_row
        positions = np.arange(first, first + self.batch_size)
        return self._order(epoch)(positions) if self._shuffle else positions

    def batch(self, number: int) -> Batch:
        """Batch ``number``, this rank's rows, wherever the loader is: to look at one again, say."""
        if number < 0:
            raise ValueError(f"batch {number}; they are numbered from 0")
        made = _read(self.tokens, self.windows(number), self.context_len, number, self._documents)
        return made.pin() if self._pin else made

    def state_dict(self) -> dict[str, Any]:
        """All that `load_state_dict` needs, fit for JSON: the number of the next batch, and what it is a number of."""
        return {"batch": self._number} | self._identity()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where the loader of ``state`` was; over other ranks too, if a batch of all ranks has as many rows.

        Raises:
            ValueError: the state is of another corpus, seed, context, batch or order, or is no state of a loader.
        """
        ours = self._identity()
        number = state.get("batch")
        if set(state) != {"batch", *ours} or not isinstance(number, int) or number < 0:
            raise ValueError(f"this is no loader's state, which holds batch, {', '.join(ours)}; it holds {state}")
        different = [name for name in ours if state[name] != ours[name]]
        if different:
            told = "; ".join(f"{name} was {state[name]} and is {ours[name]}" for name in different)
            raise ValueError(f"the state is of another loader: {told}. Give what it had, or begin anew")
        self._number = number

    def _identity(self) -> dict[str, Any]:
        return {
            "corpus": self.tokens.digest,
            "context_len": self.context_len,
            "global_batch_size": self.global_batch_size,
            "seed": self._seed,
            "shuffle": self._shuffle,
        }


def sequential(tokens: Tokens, batch_size: int, context_len: int, *, documents: bool = False) -> Iterator[Batch]:
    """Each window of the corpus once, in order, for evaluation; the last batch may have fewer rows.

    Tokens after the last whole window are left out. Several ranks take turns with itertools.islice(..., rank, None, W).

    Raises:
        ValueError: as `Loader`; a corpus shorter than one window.
    """
    n_windows = _check_windows(tokens, batch_size, context_len, documents)
    starts = range(0, n_windows, batch_size)
    return (
        _read(tokens, np.arange(i, min(i + batch_size, n_windows)), context_len, number, documents)
        for number, i in enumerate(starts)
    )


def _check_windows(tokens: Tokens, batch_size: int, context_len: int, documents: bool) -> int:
    """How many whole windows there are."""
    if batch_size < 1 or context_len < 1:
        raise ValueError(f"batch_size is {batch_size} and context_len {context_len}; give 1 or more")
    if documents and tokens.eos is None:
        raise ValueError("documents are told apart by their EOS, and this corpus has none; leave documents out")
    if len(tokens) < context_len + 1:
        raise ValueError(
            f"the corpus has {len(tokens)} tokens, and a window of context_len {context_len} takes {context_len + 1}; "
            "give more text or a shorter context"
        )
    return (len(tokens) - 1) // context_len


def _read(tokens: Tokens, windows: npt.NDArray[np.int64], T: int, number: int, documents: bool) -> Batch:
    inputs = np.empty((len(windows), T), dtype=np.int64)
    targets = np.empty_like(inputs)
    for row, window in enumerate(windows.tolist()):
        read = tokens.read(window * T, window * T + T + 1)
        if read.shape != (T + 1,):
            raise ValueError(f"window {window} of the corpus has shape {read.shape}, not ({T + 1},): it was cut short")
        inputs[row], targets[row] = read[:-1], read[1:]
    largest = max(int(inputs.max()), int(targets.max()))
    if largest >= tokens.vocab_size:
        raise ValueError(
            f"batch {number} holds token {largest}, which is not in the vocabulary of {tokens.vocab_size}: the corpus "
            "is damaged, or of another tokenizer"
        )
    x = torch.from_numpy(inputs)
    ids = document_ids(x, tokens.eos) if documents and tokens.eos is not None else None
    return Batch(tokens=x, targets=torch.from_numpy(targets), documents=ids, number=number)
