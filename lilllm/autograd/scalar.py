"""Backpropagation on single numbers: the whole idea, with nothing else in the way.

A `Value` remembers which values it was made from and its local derivatives; `backward` walks the graph from the
result to its sources and adds up, by the chain rule, derivative times derivative along every path.

Read in order: Value (the record of one operation), its operators (each a formula and its derivatives),
order.topological, backward.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from numbers import Real
from typing import Any

from lilllm.autograd.order import topological

_SHOWN = 60  # values of a graph that a trace shows


class Value:
    """A number and how it came to be.

    ``parents``: the values it was computed from; ``local``: its derivative with respect to each. ``grad``: after
    ``result.backward()``, the derivative of the result with respect to this value.

    >>> x, y = Value(3.0), Value(4.0)
    >>> z = x * y + x
    >>> z.backward()
    >>> z.data, x.grad, y.grad
    (15.0, 5.0, 3.0)
    """

    __slots__ = ("data", "grad", "local", "parents")

    def __init__(self, data: float, parents: Sequence[Value] = (), local: Sequence[float] = ()) -> None:
        if type(data) is not float:
            if isinstance(data, str | complex):
                raise TypeError(f"a Value holds one real number, got {data!r:.40}")
            try:
                data = float(data)
            except (TypeError, ValueError):  # a list, None, an array of several
                raise TypeError(f"a Value holds one real number, got a {type(data).__name__}") from None
            except OverflowError:
                raise OverflowError("a Value holds a float, and this whole number is above 1.8e308") from None
        self.data = data
        self.grad = 0.0
        self.parents = tuple(parents)
        self.local = tuple(local)
        if len(self.parents) != len(self.local):
            raise ValueError(f"{len(self.parents)} parents need as many local derivatives, got {len(self.local)}")

    def __repr__(self) -> str:
        return f"Value({self.data:.6g}, grad={self.grad:.6g})"

    def __add__(self, other: Value | float) -> Value:
        other = _value(other)
        return Value(self.data + other.data, (self, other), (1.0, 1.0))

    def __mul__(self, other: Value | float) -> Value:
        other = _value(other)
        return Value(self.data * other.data, (self, other), (other.data, self.data))

    def __pow__(self, power: float) -> Value:
        check_power(power)
        x = self.data
        if x < 0 and power != int(power):
            raise ValueError(f"a number below 0 has no real power {power}, got {x}")
        if x == 0 and power < 1 and power != 0:
            raise ZeroDivisionError(
                f"the power {power} of 0 has no derivative" if power > 0 else f"0 has no power {power}"
            )
        try:
            return Value(x**power, (self,), (power * x ** (power - 1) if power else 0.0,))
        except OverflowError:
            raise OverflowError(f"{x:g} to the power {power} is more than a float holds (about 1.8e308)") from None

    def exp(self) -> Value:
        try:
            y = math.exp(self.data)
        except OverflowError:
            raise OverflowError(f"exp of {self.data:g} is more than a float holds (about 1.8e308)") from None
        return Value(y, (self,), (y,))

    def log(self) -> Value:
        if self.data <= 0:
            raise ValueError(f"log needs a number above 0, got {self.data}")
        return Value(math.log(self.data), (self,), (1 / self.data,))

    def tanh(self) -> Value:
        y = math.tanh(self.data)
        return Value(y, (self,), (1 - y * y,))

    def relu(self) -> Value:
        """max(0, x); the derivative at 0 is taken to be 0, as torch takes it."""
        return Value(0.0 if self.data <= 0 else self.data, (self,), (float(self.data > 0),))  # NaN stays NaN

    def __neg__(self) -> Value:
        return self * -1.0

    def __sub__(self, other: Value | float) -> Value:
        return self + -_value(other)

    def __truediv__(self, other: Value | float) -> Value:
        return self * _value(other) ** -1.0

    def __radd__(self, other: float) -> Value:
        return self + other

    def __rmul__(self, other: float) -> Value:
        return self * other

    def __rsub__(self, other: float) -> Value:
        return -self + other

    def __rtruediv__(self, other: float) -> Value:
        return self**-1.0 * other

    def _trace_repr_(self) -> tuple[str, dict[str, Any]]:
        """For a player of traces: the graph behind this value, nearest first; "times": the local derivative."""
        root = {"label": f"{self.data:.6g}", "note": f"grad {self.grad:.6g}", "children": []}
        waiting: deque[tuple[Value, Any]] = deque([(self, root)])
        seen = {id(self)}
        while waiting and len(seen) < _SHOWN:
            value, about = waiting.popleft()
            for parent, slope in zip(value.parents, value.local, strict=True):
                note = f"grad {parent.grad:.6g}, times {slope:.6g}"
                child = {"label": f"{parent.data:.6g}", "note": note, "children": []}
                about["children"].append(child)
                if id(parent) not in seen:  # a value that is used twice has its own parents only once
                    seen.add(id(parent))
                    waiting.append((parent, child))
        return "tree", root

    def backward(self) -> None:
        """Set ``grad`` of every value this one depends on. Gradients of an earlier call are added to: set them to 0
        between steps.

        Raises: FloatingPointError: this value is NaN or infinite; no gradient has been changed then.
        """
        order = topological(self)
        if not math.isfinite(self.data):
            first = next(node for node in order if not math.isfinite(node.data))
            made = (
                f"made of {', '.join(f'{parent.data:g}' for parent in first.parents)}" if first.parents else "a source"
            )
            raise FloatingPointError(f"the result is {self.data}, so there is no gradient; {first.data} first: {made}")
        # A graph walked twice must not count its inner gradients twice; only the sources accumulate.
        for node in order:
            if node.parents:
                node.grad = 0.0
        self.grad = self.grad + 1.0 if not self.parents else 1.0
        for node in reversed(order):
            for parent, slope in zip(node.parents, node.local, strict=True):
                parent.grad += slope * node.grad


def check_power(power: Any) -> None:
    """Raise unless ``power`` is one that a `Value` or an `Array` may be raised to: a finite plain number."""
    if not isinstance(power, Real):
        raise TypeError(
            f"the power must be a plain number, got a {type(power).__name__}; for x**y write (x.log() * y).exp()"
        )
    if not math.isfinite(power):
        raise ValueError(f"the power must be finite, got {power}")


def _value(x: Value | float) -> Value:
    return x if isinstance(x, Value) else Value(x)
