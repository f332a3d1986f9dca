"""A program that shows everything edtrace 0.1.20 can render and inspect.

    cd tests/tracing/samples && python figures/make.py && python -m edtrace.execute -m edtrace_program -o .
"""

from dataclasses import dataclass

import numpy as np
import sympy
import torch
from edtrace import Reference, graph, image, link, make_graph, note, plot, text, video
from edtrace_helper import call_with


@dataclass(frozen=True)
class Point:
    x: int
    y: list[int]


class Pair:
    def asdict(self):
        return {"left": 1, "right": [2.5, None]}


def main():
    renderings()
    values()
    calls()


def renderings():
    text("# A heading")
    text("Prose with $x^2$, **bold** and <b>no HTML</b>")
    text("one\n  two\n\nfour", verbatim=True)
    text("left "), text("right")
    image("figures/ramp.png", width=200)
    image("figures/ring.svg")
    video("figures/clip.mp4", width="320px")
    link(title="A page", url="https://example.org/page")
    link(Reference(title="A paper", authors=["Ada Lovelace", "Alan Turing"], organization="Here", date="1936-05-28",
                   url="https://example.org/paper", description="What it says", notes="line 1\nline 2"))
    link(values)
    plot({"$schema": "https://vega.github.io/schema/vega-lite/v5.json", "mark": "bar", "data": {"values": [{"a": 1}]},
          "encoding": {"x": {"field": "a", "type": "quantitative"}}})
    graph(make_graph(nodes=[{"id": 1, "x": 0, "y": 10}, {"id": "b", "label": "B", "x": 50, "y": 10}],
                     edges=[{"source": 1, "target": "b", "label": "to"}]))
    note("Say this aloud")
    text("first"), text("second"), text("third")  # @animate
    text("not to be seen")  # @hide
    text("a lone \ud800 surrogate and an emoji \U0001f600")


def values():
    flag = True  # @inspect flag
    count = 2**70  # @inspect count
    ratio = 0.1 + 0.2  # @inspect ratio
    odd = float("nan")  # @inspect odd
    name = "<script>alert(1)</script>"  # @inspect name
    nothing = None  # @inspect nothing
    x = torch.tensor([[1.0, float("nan")], [float("inf"), -float("inf")]])  # @inspect x
    x = torch.arange(300, dtype=torch.float32).reshape(2, 10, 15)  # @inspect x
    x = torch.tensor(3, dtype=torch.int8)  # @inspect x
    x = np.zeros((2, 0))  # @inspect x
    x = np.int64(7)  # @inspect x
    x = sympy.symbols("t") ** 2  # @inspect x
    x = sympy.Integer(4)  # @inspect x
    x = [1, "two", [3.0, (4,)], {"k": {5}}]  # @inspect x
    x = {1: "int key", "s": None}  # @inspect x
    point = Point(1, [2, 3])  # @inspect point point.x point.y
    pair = Pair()  # @inspect pair
    text("cleared here")  # @clear x flag
    long = list(range(120))  # @inspect long
    return flag, count, ratio, odd, name, nothing, x, point, pair, long


def calls():
    total = square(3)  # @inspect total
    total = square(2) + square(1)  # @inspect total
    total = skipped(4)  # @inspect total @stepover
    total = factorial(3)  # @inspect total
    total = call_with(square, 5)  # @inspect total
    for n in numbers():
        total = n  # @inspect total
    total = [square(n) for n in range(2)]  # @inspect total
    try:
        fails(0)
    except ZeroDivisionError:
        text("caught")
    return total


def square(n):  # @inspect n
    result = n * n  # @inspect result
    return result


def skipped(n):
    return square(n)


def factorial(n):  # @inspect n
    if n == 0:
        return 1
    rest = factorial(n - 1)  # @inspect rest
    return n * rest


def numbers():
    yield 1
    yield 2


def fails(n):
    return 1 // n
