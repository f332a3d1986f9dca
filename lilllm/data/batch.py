"""Windows of a corpus, read and put under each other: what a model is given at a step.

Window i is tokens[i T : i T + T + 1]: T inputs and, one to the right, T targets. Its last token is the next window's
first, so every token of the corpus but the very first is a target once.

Read in order:  Batch, read_batch, check_windows; whole and flags check what callers give
Shapes:         B rows, T = context_len
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lilllm.data.packing import document_ids
from lilllm.data.tokens import Tokens


@dataclass(frozen=True, eq=False)
class Batch:
    """``tokens`` and ``targets`` (what follows each), (B, T) int64; ``documents`` (B, T) int64 or None; its number."""

    tokens: Tensor
    targets: Tensor
    documents: Tensor | None
    number: int

    def to(self, device: torch.device | str) -> Batch:
        """The batch on another device; from pinned memory without waiting for it."""
        return self._each(lambda x: x.to(device, non_blocking=x.is_pinned()))

    def pin(self) -> Batch:
        """The batch in memory that a GPU copies from by itself."""
        return self._each(lambda x: x.pin_memory())

    def _each(self, moved: Callable[[Tensor], Tensor]) -> Batch:
        documents = None if self.documents is None else moved(self.documents)
        return Batch(moved(self.tokens), moved(self.targets), documents, self.number)


def read_batch(
    tokens: Tokens, windows: npt.NDArray[np.int64], context_len: int, number: int, *, documents: bool = False
) -> Batch:
    """The batch of these windows, a row each.

    Raises:
        ValueError: the corpus is shorter than it says, or holds an id that is not in its vocabulary.
    """
    T = context_len
    inputs = np.empty((len(windows), T), dtype=np.int64)
    targets = np.empty_like(inputs)
    for row, window in enumerate(windows.tolist()):
        read = tokens.read(window * T, window * T + T + 1)
        if read.shape != (T + 1,):
            raise ValueError(f"window {window} of the corpus has shape {read.shape}, not ({T + 1},): it was cut short")
        inputs[row], targets[row] = read[:-1], read[1:]
    largest = max(int(inputs.max()), int(targets.max()))
    if largest >= tokens.vocab_size:  # a GPU would say no more than that an assertion failed
        raise ValueError(
            f"batch {number} holds token {largest}, which is not in the vocabulary of {tokens.vocab_size}: the corpus "
            "is damaged, or of another tokenizer"
        )
    x = torch.from_numpy(inputs)
    ids = document_ids(x, tokens.eos) if documents and tokens.eos is not None else None
    return Batch(tokens=x, targets=torch.from_numpy(targets), documents=ids, number=number)


def check_windows(tokens: Tokens, context_len: int, *, documents: bool) -> int:
    """How many whole windows the corpus has.

    Raises:
        ValueError: not one, or documents are asked for and there is no EOS.
    """
    if documents and tokens.eos is None:
        raise ValueError("documents are told apart by their EOS, and this corpus has none; leave documents out")
    if len(tokens) < context_len + 1:
        raise ValueError(
            f"the corpus has {len(tokens)} tokens, and a window of context_len {context_len} takes {context_len + 1}; "
            "give more text or a shorter context"
        )
    return (len(tokens) - 1) // context_len


def whole(name: str, value: Any, least: int | None) -> int:
    """``value`` as an int; a ValueError if it is no whole number, or less than ``least``."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):  # numpy's integers too, and no 8.0
        raise ValueError(f"{name} is {value!r}; give a whole number")
    number = operator.index(value)
    if least is not None and number < least:
        raise ValueError(f"{name} is {number}; give {least} or more")
    return number


def flags(**values: Any) -> None:
    """ValueError for what is neither True nor False: a "no" would count as yes."""
    for name, value in values.items():
        if not isinstance(value, bool):
            raise ValueError(f"{name} is {value!r}; give True or False")
