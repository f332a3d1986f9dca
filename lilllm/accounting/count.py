"""Count the work of any piece of torch code as it runs: FLOPs, and bytes moved.

    with count() as work:
        loss = model(x).square().mean()
        loss.backward()
    work.flops, work.moved, work.intensity

It is the counter that measures the lines of a trace, so a lecture, its budget and the player agree.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from lilllm.tracing.operations import Operations


@dataclass
class Work:
    """``flops``: of matrix products, convolutions and attention. ``moved``: bytes, each tensor read or written once an
    operation; views are free. ``operations``: those that did either."""

    flops: int = 0
    moved: int = 0
    operations: int = 0

    @property
    def intensity(self) -> float:
        """FLOPs a byte; 0 where nothing was moved."""
        return self.flops / self.moved if self.moved else 0.0


@contextmanager
def count() -> Iterator[Work]:
    """The work of what runs inside, on this thread, backward passes too.

    FLOPs are torch's own formulas, as FlopCounterMode counts them. Bytes are a model, not a measurement: a cache may
    save some, a kernel's own scratch is not seen. It may be nested; the inner work counts in both.

    >>> import torch
    >>> a = torch.ones(4, 8)
    >>> with count() as work:
    ...     b = a @ a.T
    >>> work.flops, work.moved  # 2 x 4 x 8 x 4; 4 bytes each of 32 + 32 + 16 numbers
    (256, 320)
    """
    work = Work()

    def book(flops: int, size: int, _: FrameType) -> None:
        work.flops += flops
        work.moved += size
        work.operations += 1

    with Operations(book).running():
        yield work
