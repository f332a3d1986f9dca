"""Checkpoint averaging: one model whose weights are the mean of several of a run's last.

    w = (w_1 + ... + w_n) / n

At a high rate the weights circle around a better point than any they stand on; their mean is nearer to it. After a rate
that fell to almost nothing there is little left to gain.

Source: Vaswani et al. 2017, arXiv:1706.03762, section 6.1 (the last 5 checkpoints, or 20 for the big model).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from lilllm.models import from_pretrained


def average(paths: Iterable[str | os.PathLike[str]]) -> dict[str, Tensor]:
    """The mean of the weights of checkpoints, for ``model.load_state_dict``; summed in float64, one after the other.

    Raises:
        ValueError: there are none, or they are of different models; ``paths`` is one path.
        FileNotFoundError: one is not there.
    """
    if isinstance(paths, str | os.PathLike):
        one = os.fspath(paths)
        raise ValueError(f"paths is {one!r}; give a list of checkpoints, such as training.checkpoints({one!r})[-5:]")
    sums: dict[str, Tensor] = {}
    kinds: dict[str, torch.dtype] = {}
    count, first = 0, None
    for path in map(Path, paths):
        model = from_pretrained(path, device="cpu", progress=False)
        if first is None:
            first, config = path, model.config
        elif model.config != config:
            raise ValueError(f"{path} and {first} hold different models; average checkpoints of one run")
        for name, value in model.named_parameters():
            kinds.setdefault(name, value.dtype)
            wide = value.detach().double()
            sums[name] = sums[name] + wide if name in sums else wide
        count += 1
    if not count:
        raise ValueError("there is nothing to average; give checkpoints, such as training.checkpoints(folder)[-5:]")
    return {name: (value / count).to(kinds[name]) for name, value in sums.items()}
