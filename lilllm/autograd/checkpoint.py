"""Activation checkpointing: forget what lies inside of a part of the network, and compute it again when it is needed.

    checkpoint(layer, x)      one part: keeps its inputs and its result
    chain(layers, x, k)       a chain of n layers in k such parts: k results are kept, and of one part at a time the n/k
                              arrays inside, so the peak is about k + n/k, least at k = sqrt(n)

The price: every part is computed twice, one more forward pass in all. Selective checkpointing is the same function
around what is large and cheap to redo (an activation function, a softmax) and not around a matrix product.

Source: Chen et al. 2016, arXiv:1604.06174.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

import numpy as np

from lilllm.autograd.array import Array
from lilllm.autograd.live import watching
from lilllm.autograd.numbers import Numbers, Pullback
from lilllm.autograd.order import topological
from lilllm.autograd.walk import gradients

Layer = Callable[[Array], Array]


def checkpoint(f: Callable[..., Array], *inputs: Array) -> Array:
    """``f(*inputs)``, of which only inputs and result are kept; ``backward`` calls ``f`` again.

    ``f`` may use other arrays, such as weights: they get their gradients too. It has to do the same both times, so
    randomness inside needs its generator reset; the result of the second call is compared with the first.

    Raises:
        TypeError: ``f`` does not return an `Array`.
        RuntimeError: (in ``backward``) ``f`` gave another result than before.
    Holds: result and gradients are equal, to the bit, to those without checkpointing, if each input is used once
        (otherwise sums may be taken in another order).
    """
    y, ends = _traced(f, inputs)
    kept = y.data
    memo: list[tuple[Numbers, dict[int, Numbers]]] = []  # one walk serves all pullbacks, until the last has asked

    def again(g: Numbers) -> dict[int, Numbers]:
        if not memo or memo[0][0] is not g:
            second, others = _traced(f, inputs)
            if second.shape != kept.shape or not np.array_equal(second.data, kept, equal_nan=True):
                raise RuntimeError("the function under checkpoint gave another result the second time: is it random?")
            known = {id(end) for end in ends}
            if not known <= {id(end) for end in others}:
                raise RuntimeError("the function under checkpoint used other arrays the second time")
            memo[:] = [(g, {id(node): share for node, share in gradients(topological(second, known), g, known)})]
        return memo[0][1]

    def pullback(end: Array) -> Pullback:
        def pull(g: Numbers) -> Numbers:
            share = again(g)[id(end)]
            if end is ends[-1]:
                memo.clear()
            return share

        return pull

    return Array(kept, ends, [pullback(end) for end in ends])


def chain(layers: Sequence[Layer], x: Array, segments: int) -> Array:
    """``x`` through all ``layers``, in so many segments of (nearly) equal length, each under `checkpoint`.

    Raises: ValueError: ``segments`` is not in 1..len(layers).
    """
    if not 1 <= segments <= len(layers):
        raise ValueError(f"{len(layers)} layers can be cut into 1 to {len(layers)} segments, not {segments}")
    edges = [len(layers) * i // segments for i in range(segments + 1)]
    for begin, end in pairwise(edges):
        x = checkpoint(partial(_through, layers[begin:end]), x)
    return x


def _through(layers: Sequence[Layer], x: Array) -> Array:
    for layer in layers:
        x = layer(x)
    return x


def _traced(f: Callable[..., Array], inputs: tuple[Array, ...]) -> tuple[Array, list[Array]]:
    """The result of ``f``, and the arrays it depends on that ``f`` did not make."""
    made: weakref.WeakSet[Array] = weakref.WeakSet()  # what f throws away is not kept alive by us
    with watching(made.add):
        y = f(*inputs)
    if not isinstance(y, Array):
        raise TypeError(f"the function under checkpoint must return an Array, and returned a {type(y).__name__}")
    ends: dict[int, Array] = {}
    stack, seen = [y], {id(y)}
    while stack:
        node = stack.pop()
        if node not in made:
            ends[id(node)] = node
            continue
        new = [parent for parent in node.parents if id(parent) not in seen]
        seen.update(map(id, new))
        stack.extend(new)
    return y, list(ends.values())
