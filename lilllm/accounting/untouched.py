"""Run a module to measure it, and leave no trace of that: its buffers and the random state are as they were.

A forward pass in training mode moves BatchNorm's running means and draws dropout's masks; an account must not.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def untouched(module: nn.Module) -> Iterator[None]:
    """Whatever runs inside, the buffers of ``module`` and torch's random state come out as they went in.

    >>> norm = nn.BatchNorm1d(2)
    >>> with untouched(norm):
    ...     _ = norm(torch.rand(8, 2))
    >>> norm.running_mean, norm.num_batches_tracked.item()
    (tensor([0., 0.]), 0)
    """
    kept = [
        (owner, name, buffer, buffer.clone())
        for owner in module.modules()
        for name, buffer in owner._buffers.items()
        if buffer is not None
    ]
    devices = {one.device for one in (*module.parameters(), *module.buffers()) if one.device.type == "cuda"}
    with torch.random.fork_rng(devices=sorted(devices, key=str)):
        try:
            yield
        finally:
            for owner, name, buffer, before in kept:
                with torch.no_grad():
                    buffer.copy_(before)
                owner._buffers[name] = buffer  # a module may have put another tensor there
