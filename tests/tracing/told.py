"""A trace as a reader of it would tell it: what is on the stack, where, what changed, what was shown. For tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import accumulate

from lilllm.tracing.format import Cut, Instance, Mapping, Output, Rich, Scalar, Sequence, Tensor, Text
from lilllm.tracing.reader import Trace


@dataclass
class Told:
    """A step. ``stack``: (function, line) of each frame, the module's first. ``env``: all names of the top frame."""

    op: str
    stack: list[tuple[str, int]]
    changed: dict[str, str]
    env: dict[str, str]
    shown: list[Output]
    value: str = ""
    pins: list[str] = field(default_factory=list)
    clears: list[str] = field(default_factory=list)

    @property
    def line(self) -> int:
        return self.stack[-1][1]


def text(trace: Trace, number: int) -> str:
    """A value in one line.

    Types are told only where they say something that the text does not.
    """
    value = trace.values[number]
    if isinstance(value, Sequence):
        items = [text(trace, item) for item in value.head]
        left = value.size - len(value.head) - len(value.tail)
        items += [f"+{left}"] * (left > 0) + [text(trace, item) for item in value.tail]
        return f"{value.kind}[{', '.join(items)}]"
    if isinstance(value, Mapping):
        return value.kind + "{" + ", ".join(f"{text(trace, k)}: {text(trace, v)}" for k, v in value.head) + "}"
    if isinstance(value, Instance):
        fields = ", ".join(f"{name}={text(trace, item)}" for name, item in value.head)
        return f"{value.kind}({value.text}{fields})"
    if isinstance(value, Text):
        return repr(value.text)
    if isinstance(value, Tensor):
        return f"{value.kind}{value.shape} {value.dtype} {value.data}"
    assert isinstance(value, Scalar | Cut | Rich)
    return value.text


def told(trace: Trace) -> list[Told]:
    steps = trace.steps
    changes, outputs = dict(steps.changes), dict(steps.outputs)
    pins, clears = dict(steps.pins), dict(steps.clears)
    stack: list[tuple[int, int, dict[str, str]]] = [(0, 0, {})]
    calls: dict[int, tuple[int, int, dict[str, str]]] = {}
    result = []
    lines = accumulate(steps.line)
    for step, (op, line, depth, arg) in enumerate(zip(steps.op, lines, steps.depth, steps.arg, strict=True)):
        stack = stack[: depth - 1 if op in "cs" else depth]
        if op == "c":
            calls[step] = (arg, line, {})
        if op in "cs":
            stack.append(calls[step if op == "c" else arg])
        code, _, env = stack[-1]
        stack[-1] = (code, line, env)
        changed = {
            steps.names[name]: text(trace, value) if value >= 0 else "gone" for name, value in changes.get(step, [])
        }
        env.update(changed)
        result.append(
            Told(
                op=op,
                stack=[(trace.head.codes[code].name, line) for code, line, _ in stack],
                changed=changed,
                env=dict(env),
                shown=outputs.get(step, []),
                value=text(trace, arg) if op in "rx" else "",
                pins=pins.get(step, []),
                clears=clears.get(step, []),
            )
        )
    return result
