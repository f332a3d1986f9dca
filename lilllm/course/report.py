"""What a check says: a text that is the same every time, and the same with a coloured edge in a notebook."""

from __future__ import annotations

import html
import inspect
import math
import re
import reprlib
import textwrap
from dataclasses import dataclass
from typing import Any

from lilllm.course.exercise import Exercise
from lilllm.course.judge import Verdict

_HEADS = {
    "solved": "Solved",
    "stub": "To do",
    "unusable": "Cannot be called",
    "error": "An exception",
    "endless": "No end",
    "changed": "Almost",
    "wrong": "Not yet",
}
# An edge that reads on white and on black, and differs in more than its colour: the heading says the same in words.
_EDGES = {"solved": "#009e73", "stub": "#0072b2"}
_WRONG_EDGE = "#d55e00"


LONGEST = 600  # characters of one value


class _Short(reprlib.Repr):
    """A repr of bounded length, however large the value, that no strange ``__repr__`` can break."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = self.maxdict = 24
        self.maxstring = self.maxother = self.maxlong = 160
        self.maxlevel = 4

    def repr_bytes(self, value: bytes, level: int) -> str:
        return repr(value) if len(value) <= 60 else repr(value[:57]) + "..."

    def repr_Tensor(self, value: Any, level: int) -> str:  # noqa: N802 - reprlib looks for the type's own name
        return _array(
            "tensor", value.detach().cpu().tolist(), tuple(value.shape), str(value.dtype).removeprefix("torch.")
        )

    def repr_ndarray(self, value: Any, level: int) -> str:
        return _array("array", value.tolist(), value.shape, str(value.dtype))

    def repr_instance(self, value: Any, level: int) -> str:
        text = super().repr_instance(value, level)
        return f"<{type(value).__name__}>" if " at 0x" in text else text  # an address differs at each run


_USUAL = {"tensor": ("float32", "int64", "bool"), "array": ("float64", "int64", "bool")}  # need no name


def _array(kind: str, values: Any, shape: tuple[int, ...], dtype: str) -> str:
    """``tensor([[1, 2.5]])`` with four digits a number; a large one by its shape and its first numbers."""
    named = "" if dtype in _USUAL[kind] else f", {dtype}"
    size = math.prod(shape)
    if size <= 24:
        return f"{kind}({_numbers(values)}{named})" if size else f"{kind}([], shape={shape}{named})"
    first = values
    while isinstance(first[0], list):
        first = first[0]
    return f"{kind}(shape={shape}{named}, first {_numbers(first[:6])[1:-1]} ...)"


def _numbers(values: Any) -> str:
    if isinstance(values, list):
        return f"[{', '.join(map(_numbers, values))}]"
    if not isinstance(values, float):
        return str(values)
    text = f"{values:.4g}"
    return text + "." if text.lstrip("-").isdigit() else text  # as torch writes 1.0


def short(value: Any) -> str:
    """The repr of a value, cut where it is long.

    >>> short(list(range(1000)))[-12:]
    '22, 23, ...]'
    """
    try:
        text = _Short().repr(value)
    except Exception:  # a __repr__ or __len__ that raises
        return f"<{type(value).__name__}>"
    return text if len(text) <= LONGEST else text[: LONGEST - 4] + " ..."


def _with_code(text: str) -> str:
    """HTML of a text in which backticks set off code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text, quote=False))


def call_of(exercise: Exercise, arguments: tuple[Any, ...]) -> str:
    """The call as one would write it: ``merge([1, 2], (1, 2), 9)``."""
    return f"{exercise.call.split('(')[0]}({', '.join(map(short, arguments))})"


@dataclass(frozen=True)
class Report:
    """The result of a check. A notebook shows it; ``passed`` tells a program."""

    exercise: Exercise
    verdict: Verdict
    hint: int = 0
    solution: bool = False

    @property
    def passed(self) -> bool:
        return self.verdict.kind == "solved"

    def lines(self) -> list[str]:
        """The text, a line each: the result, the smallest failing example, what may be asked for next."""
        verdict, name = self.verdict, self.exercise.name
        lines = [f"{_HEADS[verdict.kind]}: {name}", verdict.message]
        if verdict.place:
            lines.append(f"  {verdict.place}")
        if verdict.case is not None and verdict.outcome is not None:
            lines += ["", f"  {call_of(self.exercise, verdict.case.arguments)}"]
            expected = short(verdict.case.expected)
            lines.append(f"    expected  {expected}")
            if verdict.outcome.returned:
                got = short(verdict.outcome.value)
                alike = got == expected and verdict.kind == "wrong"
                lines.append(f"    got       {got}{'  (it differs in what is not shown)' if alike else ''}")
            if verdict.outcome.printed:
                lines += ["  printed on the way:", *textwrap.indent(verdict.outcome.printed, "    ").splitlines()[:8]]
        lines += self._help()
        return lines

    def _help(self) -> list[str]:
        hints, how = self.exercise.hints, f'check("{self.exercise.name}", {self.exercise.call.split("(")[0]}'
        lines = []
        if self.hint:
            at = min(self.hint, len(hints))
            lines += ["", f"Hint {at} of {len(hints)}: {hints[at - 1]}"]
        if self.solution:
            source = textwrap.dedent(inspect.getsource(self.exercise.solution)).rstrip()
            return [*lines, "", "A solution:", *textwrap.indent(source, "  ").splitlines()]
        if self.passed:
            return lines
        if self.hint < len(hints):
            lines.append(f"{'Another hint' if self.hint else 'A hint'}: {how}, hint={self.hint + 1})")
        else:
            lines.append(f"No more hints. The solution: {how}, solution=True)")
        return lines

    def __repr__(self) -> str:
        return "\n".join(self.lines())

    def _repr_html_(self) -> str:
        edge = _EDGES.get(self.verdict.kind, _WRONG_EDGE)
        head, message, *rest = self.lines()
        body = html.escape("\n".join(rest)).strip("\n")
        code = f'<pre style="margin:0.4em 0 0; white-space:pre-wrap; background:none">{body}</pre>' if body else ""
        return (
            f'<div style="border-left:4px solid {edge}; padding:0.3em 0.8em">'
            f"<b>{html.escape(head)}</b><br>{_with_code(message)}{code}</div>"
        )
