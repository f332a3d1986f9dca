"""Sums and change, whose answers a program can verify: the rewards of reinforcement learning.

>>> problem = make_sum(Chance(0, 3))
>>> verify(problem, f"The answer is {problem.answer}.")
True
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lilllm.data.liltown.chance import Chance
from lilllm.data.liltown.scene import coins
from lilllm.data.liltown.town import KINDS, Town

_NUMBER = re.compile(r"(?<![\d.,])-?\d+(?![\d]|[.,]\d)")


@dataclass(frozen=True, slots=True)
class Sum:
    """``steps`` is a worked solution, a sentence a step; ``answer`` the number."""

    text: str
    answer: int
    steps: str


def make_sum(chance: Chance, *, largest: int = 20, town: Town | None = None) -> Sum:
    """One problem: plus, minus, and with a ``town`` change at one of its shops. No number is over twice ``largest``."""
    if largest < 2:
        raise ValueError(f"largest must be at least 2, got {largest}")
    form = chance.below(4 if town is not None else 2)
    a, b = chance.between(1, largest), chance.between(1, largest)
    if form == 0:
        return Sum(f"How much is {a} plus {b}?", a + b, f"{a} + {b} = {a + b}.")
    if form == 1:
        a, b = max(a, b), min(a, b)
        return Sum(f"How much is {a} minus {b}?", a - b, f"{a} - {b} = {a - b}.")
    assert town is not None
    who = chance.pick(town.people)
    kind = chance.pick(KINDS)
    price = town.price[kind.noun]
    article = "an" if kind.noun[0] in "aeiou" else "a"
    if form == 2:
        paid = price + chance.between(1, largest)
        buys = f"{who.name} buys {article} {kind.noun} for {coins(price)} and pays with {coins(paid)}."
        text = f"{buys} How many coins does {who.subject} get back?"
        return Sum(text, paid - price, f"{paid} - {price} = {paid - price}.")
    n = chance.between(2, 5)
    costs = f"{article.capitalize()} {kind.noun} costs {coins(price)}."
    text = f"{costs} {who.name} buys {n} of the same. How many coins is that?"
    return Sum(text, n * price, f"{n} x {price} = {n * price}.")


def verify(problem: Sum, reply: str) -> bool:
    """Whether the last whole number in ``reply`` is the answer; a reply without one is wrong."""
    found = _NUMBER.findall(reply)
    return bool(found) and len(found[-1]) < 20 and int(found[-1]) == problem.answer
