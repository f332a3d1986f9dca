"""In which order to walk a graph of operations: every node after all that it was made from."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol, TypeVar


class Node(Protocol):
    @property
    def parents(self) -> Sequence[Node]: ...


N = TypeVar("N", bound=Node)


def topological(root: N, ends: Collection[int] = ()) -> list[N]:
    """Every node that ``root`` depends on and ``root`` last, each after its parents; depth first, without recursion.

    A graph from a loop of ten thousand steps is ten thousand deep: a recursive walk would overflow Python's stack.
    The walk does not go on behind nodes whose ``id`` is in ``ends``.
    """
    order: list[N] = []
    seen: set[int] = set()
    path: list[N] = []  # nodes whose parents are being visited
    stack: list[N | None] = [root]  # None: all parents of the last node of the path have been visited
    while stack:
        node = stack.pop()
        if node is None:
            order.append(path.pop())
        elif id(node) not in seen:
            seen.add(id(node))
            path.append(node)
            stack.append(None)
            if id(node) not in ends:
                stack.extend(node.parents[::-1])  # type: ignore[arg-type]
    return order
