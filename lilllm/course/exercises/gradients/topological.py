"""The order in which backward may walk a graph."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

from lilllm.course.exercise import Case, Exercise, Mistake, Property

Parents = dict[str, list[str]]


def solution(root: str, parents: Parents) -> list[str]:
    """A node waits on the stack twice: to have its parents looked at, and, after them, to be put into the list."""
    order: list[str] = []
    seen: set[str] = set()
    stack = [(root, False)]
    while stack:
        node, ready = stack.pop()
        if ready:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack.extend((parent, False) for parent in reversed(parents[node]))
    return order


def with_iterators(root: str, parents: Parents) -> list[str]:
    order, seen, path = [], {root}, [(root, iter(parents[root]))]
    while path:
        node, waiting = path[-1]
        for parent in waiting:
            if parent not in seen:
                seen.add(parent)
                path.append((parent, iter(parents[parent])))
                break
        else:
            order.append(node)
            path.pop()
    return order


def by_counting_uses(root: str, parents: Parents) -> list[str]:
    """From the root down: a node is free when all that was made from it is in the list."""
    uses = {root: 0}
    waiting = [root]
    while waiting:
        for parent in parents[waiting.pop()]:
            if parent not in uses:
                uses[parent] = 0
                waiting.append(parent)
            uses[parent] += 1
    order, free = [], deque([root])
    while free:
        node = free.popleft()
        order.append(node)
        for parent in parents[node]:
            uses[parent] -= 1
            if not uses[parent]:
                free.append(parent)
    return order[::-1]


def recursive(root: str, parents: Parents) -> list[str]:
    order: list[str] = []
    seen: set[str] = set()

    def visit(node: str) -> None:
        if node not in seen:
            seen.add(node)
            for parent in parents[node]:
                visit(parent)
            order.append(node)

    visit(root)
    return order


def again_and_again(root: str, parents: Parents) -> list[str]:
    order: list[str] = []
    stack = [(root, False)]
    while stack:
        node, ready = stack.pop()
        if ready:
            order.append(node)
        else:
            stack.append((node, True))
            stack.extend((parent, False) for parent in reversed(parents[node]))
    return order


def root_first(root: str, parents: Parents) -> list[str]:
    return solution(root, parents)[::-1]


def nearest_first(root: str, parents: Parents) -> list[str]:
    order, waiting = [root], deque([root])
    while waiting:
        for parent in parents[waiting.popleft()]:
            if parent not in order:
                order.append(parent)
                waiting.append(parent)
    return order[::-1]


def when_first_met(root: str, parents: Parents) -> list[str]:
    order: list[str] = []
    stack = [root]
    while stack:
        node = stack.pop()
        if node not in order:
            order.append(node)
            stack.extend(reversed(parents[node]))
    return order[::-1]


def without_the_root(root: str, parents: Parents) -> list[str]:
    return solution(root, parents)[:-1]


def whole_graph(root: str, parents: Parents) -> list[str]:
    end = "everything"
    return solution(end, parents | {end: list(parents)})[:-1]


class AnyOrder(list[str]):
    """One right answer, which stands for all: every node once, after its parents."""

    def __init__(self, order: list[str], parents: Parents) -> None:
        super().__init__(order)
        self.parents = parents

    def __repr__(self) -> str:
        return f"{list(self)!r:.200}, or another order that has every node after its parents"


def in_order(order: list[str], parents: Parents) -> bool:
    """Whether every node stands behind all of its parents."""
    place = {node: i for i, node in enumerate(order)}
    return all(place.get(parent, len(order)) < place[node] for node in order for parent in parents[node])


def equal(got: Any, expected: Any) -> bool:
    if not isinstance(expected, AnyOrder):
        return bool(got == expected)
    return isinstance(got, list) and sorted(got) == sorted(expected) and in_order(got, expected.parents)


def cases() -> Iterator[Case]:
    def case(root: str, parents: Parents) -> Case:
        return Case((root, parents), AnyOrder(by_counting_uses(root, parents), parents))

    yield case("x", {"x": []})
    yield case("y", {"x": [], "y": ["x"]})
    yield case("y", {"x": [], "y": ["x", "x"]})  # y = x * x
    # z = tanh(x) * x: the shorter way to x must not bring x behind tanh(x).
    yield case("z", {"x": [], "t": ["x"], "z": ["t", "x"]})
    yield case("z", {"x": [], "t": ["x"], "z": ["x", "t"]})
    # Two long ways and a short one meet.
    yield case("e", {"a": [], "b": ["a"], "c": ["b"], "d": ["a", "c"], "e": ["c", "d", "b"]})
    # q was computed, and is no part of the loss.
    yield case("l", {"w": [], "x": [], "y": ["w", "x"], "q": ["y"], "l": ["y"]})
    # Each value is used twice: 2^8 ways lead from the end to the start.
    ladder: Parents = {"v0": []}
    ladder |= {f"v{i}": [f"v{i - 1}", f"v{i - 1}"] for i in range(1, 9)}
    yield case("v8", ladder)
    # A loop of five thousand steps.
    loop: Parents = {"s0": []}
    loop |= {f"s{i}": [f"s{i - 1}"] for i in range(1, 5001)}
    yield case("s5000", loop)


EXERCISE = Exercise(
    task=(
        "`parents` names for each node the nodes it was made from. Return a list of all nodes that `root` depends on, "
        "and `root`, each once and after all of its parents. The graph may be thousands of nodes deep."
    ),
    call="topological(root, parents)",
    hints=(
        "When may a node go into the list? Not when you first meet it, but when all of its parents are in the list.",
        "Depth first: visit the parents, then append the node. A set of the nodes you have met keeps it to one visit.",
        "Instead of recursion keep a stack of pairs (node, ready). A pair that is not ready puts the node back as "
        "ready and, on top of it, its parents.",
    ),
    solution=solution,
    also_right=(with_iterators, by_counting_uses),
    mistakes=(
        Mistake(
            recursive,
            "The order is right, but a graph from a long loop is deeper than Python's stack: keep a stack of your own "
            "instead of recursion.",
        ),
        Mistake(
            again_and_again,
            "A node that is used twice is visited twice, one that is used through many ways as often: remember which "
            "nodes you have met.",
        ),
        Mistake(root_first, "This is the order in which backward goes: return it reversed, the root last."),
        Mistake(
            nearest_first,
            "You go by the shortest way to the root. A node that is also reached by a longer way then comes too late: "
            "append a node only when all of its parents are there.",
        ),
        Mistake(
            when_first_met,
            "You append a node when you first meet it. Something else that was made from it may still be waiting: "
            "append it after its parents.",
        ),
        Mistake(without_the_root, "The root itself is missing, at the end of the list."),
        Mistake(whole_graph, "You list nodes that `root` does not depend on: start from `root`, not from all of them."),
    ),
    cases=cases,
    properties=(
        Property(
            lambda arguments, answer: len(set(answer)) == len(answer),
            "A node stands in your list more than once: its gradient would be passed on more than once.",
        ),
        Property(
            lambda arguments, answer: bool(answer) and answer[-1] == arguments[0],
            "The last node of the list has to be the root: everything else comes before it.",
        ),
        Property(
            lambda arguments, answer: in_order(answer, arguments[1]),
            "A node stands before one of its parents, or without it: every node comes after all that it was made from.",
        ),
    ),
    equal=equal,
)
