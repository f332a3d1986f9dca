"""The walk back through a graph: each array's gradient, made from those of all that was made from it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from lilllm.autograd.numbers import Numbers

if TYPE_CHECKING:
    from lilllm.autograd.array import Array


def gradients(order: Sequence[Array], start: Numbers, ends: Collection[int] = ()) -> list[tuple[Array, Numbers]]:
    """From the last of ``order``, whose gradient is ``start``, back to the sources.

    Returns the gradients of sources, and of nodes whose ``id`` is in ``ends``; sets ``grad`` of those in between.
    """
    grads: dict[int, Numbers] = {id(order[-1]): start}
    found: list[tuple[Array, Numbers]] = []
    for node in reversed(order):
        g = grads.pop(id(node))
        if not node.parents or id(node) in ends:
            found.append((node, g))
            continue
        node.grad = g
        for parent, pull in zip(node.parents, node.pullbacks, strict=True):
            share = pull(g)
            if share.shape != parent.shape:
                raise ValueError(
                    f"the pullback of {node.made_by} gives a gradient of shape {share.shape} to an array of shape "
                    f"{parent.shape}: was it broadcast?"
                )
            known = grads.get(id(parent))
            grads[id(parent)] = share if known is None else known + share
    return found
