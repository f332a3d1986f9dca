"""What a transformer costs: parameters, FLOPs, bytes and time, in closed form and measured.

Read in order: shape (the few numbers that decide everything, and presets), params, flops, memory (training state,
activations, KV cache, ZeRO), config (a shape of your own), gpus (what accelerators are said to do), roofline (what this
machine does, and MFU), plan (what fits, and how many days training takes), count (any piece of code as it runs), module
(the account of any module in one call), formats (what the bits of a float mean).

Counts are exact integers. GB is 10^9 bytes, GiB 2^30. One multiplication and one addition are two FLOPs.
Left out: mixtures of experts, tensor, pipeline and sequence parallelism, communication.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lilllm.accounting.config import read_shape, shape_from
from lilllm.accounting.count import Work, count
from lilllm.accounting.shape import PRESETS, Shape, preset

if TYPE_CHECKING:
    from lilllm.accounting.module import Account, account, optimizer_state

__all__ = [
    "PRESETS",
    "Account",
    "Shape",
    "Work",
    "account",
    "count",
    "optimizer_state",
    "preset",
    "read_shape",
    "shape_from",
]


def __getattr__(name: str) -> Any:
    if name in ("Account", "account", "optimizer_state"):
        from lilllm.accounting import module  # it imports torch

        return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
