"""Where a NaN or an infinity came from: the first operation that made one of finite numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def check_result(order: Sequence[Any]) -> None:
    """Raise if the last array of a graph in topological ``order`` is not finite, and name the one that began it."""
    result = order[-1]
    if np.isfinite(result.data).all():
        return
    first = next(node for node in order if not np.isfinite(node.data).all())
    from_shapes = " and ".join(str(parent.shape) for parent in first.parents)
    where = f"in the result of {first.made_by} of {from_shapes}" if first.parents else "in a source"
    raise FloatingPointError(
        f"the result is {_kind(result.data)}, so there is no gradient; the first such number is {where}, "
        f"of shape {first.shape}"
    )


def check_seed(seed: np.ndarray) -> None:
    """Raise if the gradient that ``backward`` starts from is not finite."""
    if not np.isfinite(seed).all():
        raise FloatingPointError(f"the seed is {_kind(seed)}, and so would be every gradient")


def check_gradient(g: np.ndarray, order: Sequence[Any]) -> None:
    """Raise if a gradient is not finite, and name the operation whose pullback made it so first."""
    if np.isfinite(g).all():
        return
    for node in reversed(order):
        for parent, pull in zip(node.parents, node.pullbacks, strict=True):
            if np.isfinite(node.grad).all() and not np.isfinite(share := pull(node.grad)).all():
                raise FloatingPointError(
                    f"the gradient is {_kind(share)}; the first such number comes from the pullback of "
                    f"{node.made_by}, for an array of shape {parent.shape}: its derivative there is not finite"
                )
    raise FloatingPointError(f"the gradient is {_kind(g)}: finite parts of it add up to more than a float64 holds")


def _kind(x: np.ndarray) -> str:
    return "NaN" if np.isnan(x).any() else "infinite"
