"""What an exercise is made of.

An exercise knows the right answers and the wrong ones. A mistake that people really make is kept as a function that
makes it: whoever's function gives the same answers as that one has, in all likelihood, made the same mistake, and is
told so.

Each exercise is a module of `lilllm.course.exercises` that holds one `EXERCISE`, and is called by its dotted name
there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

Function = Callable[..., Any]


@dataclass(frozen=True)
class Case:
    """One call: the arguments and the answer, worked out by hand or by lilllm's own code."""

    arguments: tuple[Any, ...]
    expected: Any


@dataclass(frozen=True)
class Mistake:
    """A wrong function that people write, and what to tell who wrote it."""

    wrong: Function
    message: str


@dataclass(frozen=True)
class Property:
    """What holds of every right answer: ``holds(arguments, answer)``; ``message`` for the answer that breaks it."""

    holds: Callable[[tuple[Any, ...], Any], bool]
    message: str


def same(got: Any, expected: Any, *, nan: bool = False) -> bool:
    """Equal, of the same kind, floats to a relative 1e-9; arrays and tensors of equal shape and dtype.

    A bool is no int, a tuple is no list: the exercise says what it wants back. Elements of arrays may differ by their
    dtype's tolerance (1e-9 for float64, 1e-5 for float32) of the largest one expected, or of 1e-3 where all are
    smaller: sums in another order are right answers. NaN equals nothing, or with ``nan`` itself.

    >>> same([0.1 + 0.2], [0.3]), same((1,), [1]), same(True, 1)
    (True, False, False)
    """
    if isinstance(expected, float):
        number = isinstance(got, int | float) and not isinstance(got, bool)
        return number and (math.isclose(got, expected, rel_tol=1e-9) or (nan and math.isnan(got + expected)))
    if type(got) is not type(expected):
        return False
    if isinstance(expected, list | tuple):
        return len(got) == len(expected) and all(same(a, b, nan=nan) for a, b in zip(got, expected, strict=True))
    if isinstance(expected, dict):
        return got.keys() == expected.keys() and all(same(got[key], expected[key], nan=nan) for key in expected)
    if is_array(expected):
        return _close(got, expected, nan=nan)
    return bool(got == expected)


def is_array(value: Any) -> bool:
    """Whether ``value`` is a NumPy array or a torch tensor."""
    return type(value).__module__.partition(".")[0] in ("numpy", "torch") and hasattr(value, "shape")


def _close(got: Any, expected: Any, *, nan: bool) -> bool:
    if tuple(got.shape) != tuple(expected.shape) or got.dtype != expected.dtype:
        return False
    if type(expected).__module__.startswith("torch"):
        eps = EPS.get(str(expected.dtype), 0.0)
        got, expected = (
            x.detach().cpu().double().numpy() if eps else x.detach().cpu().numpy() for x in (got, expected)
        )
    else:
        eps = EPS.get(f"torch.{expected.dtype}", 0.0)
    if not eps or expected.size == 0:
        return bool((got == expected).all())
    finite = np.abs(expected[np.isfinite(expected)])
    scale = max(1e-3, float(finite.max()) if finite.size else 0.0)
    return bool(np.allclose(got, expected, rtol=eps, atol=eps * scale, equal_nan=nan))


# What a right answer may be off by, relative to the largest element, for sums of some hundred terms in any order.
EPS = {"torch.float64": 1e-9, "torch.float32": 1e-5, "torch.bfloat16": 2e-2, "torch.float16": 2e-3}


@dataclass(frozen=True, kw_only=True)
class Exercise:
    """An exercise.

    Args:
        task: what to write, in a sentence or two; may use Markdown's backticks.
        call: how it is called, ``merge(ids, pair, new_id)``.
        hints: from a nudge to nearly the answer, shown one at a time.
        solution: the reference.
        also_right: two or more right functions, built differently, that tests hold against the cases.
        mistakes: three or more wrong ones that people write.
        cases: makes the cases, the smallest first, so that the first one that fails is the one to show.
        properties: what holds of every right answer.
        seconds: how long one call may take.
        equal: whether an answer is right.
        name: set by who finds the exercise.
    """

    task: str
    call: str
    hints: tuple[str, ...]
    solution: Function
    also_right: tuple[Function, ...]
    mistakes: tuple[Mistake, ...]
    cases: Callable[[], Iterable[Case]]
    properties: tuple[Property, ...] = ()
    seconds: float = 2.0
    equal: Callable[[Any, Any], bool] = same
    name: str = ""
