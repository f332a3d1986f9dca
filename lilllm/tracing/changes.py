"""What a statement changed: the names of its frame whose shown value is another than the one that was shown last.

Read in order:  Hidden (globals that are not the program's), changed
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

from lilllm.tracing.rich import whole_characters

if TYPE_CHECKING:
    from lilllm.tracing.frame import Frame
    from lilllm.tracing.values import Values

_UNSEEN = object()
_MUTABLE = object()
_ATOMS = frozenset({int, float, bool, str, type(None), complex, type, type(sys), type(lambda: 0), type(len)})
_HISTORY = re.compile(r"_|__|___|_\d+|_i{1,3}|_i\d+|_(ih|oh|dh|exit_code)|In|Out")


class Hidden:
    """Globals that are not shown: those that were there before the program, and IPython's history if there is one."""

    def __init__(self, names: frozenset[str], history: bool) -> None:
        self._names = set(names)
        self._history = history

    def __contains__(self, name: str) -> bool:
        if name not in self._names and self._history and _HISTORY.fullmatch(name):
            self._names.add(name)
        return name in self._names


def changed(top: Frame, held: dict[str, Any], values: Values, hidden: Hidden | None) -> list[tuple[str, int]]:
    """Names and values of what differs from what the frame ``top`` showed last; -1 where a name is gone.

    Args:
        held: the names of the frame now; of the module's, which other threads may change, with ``hidden`` ones.
    """
    found: list[tuple[str, int]] = []
    last, shown = top.last, top.shown
    count = 0
    for name, value in held.items() if hidden is None else list(held.items()):
        before = last.get(name, _UNSEEN)
        if before is value:
            count += 1
            continue
        if before is _UNSEEN and (name.startswith("__") or (hidden is not None and name in hidden)):
            continue
        count += 1
        number = values.encode(value)
        last[name] = value if type(value) in _ATOMS else _MUTABLE
        if shown.get(name) != number:
            shown[name] = number
            found.append((whole_characters(name), number))
    if count != len(shown):
        for name in [name for name in shown if name not in held]:
            del shown[name], last[name]
            found.append((whole_characters(name), -1))
    return found
