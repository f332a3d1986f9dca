"""A trace as lines of text: what `lilllm trace show` prints, and how we check by eye that steps tell the truth."""

from __future__ import annotations

from collections.abc import Iterator

from lilllm.tracing.format import Cut, Instance, Mapping, Rich, Scalar, Sequence, Tensor, Text, Value
from lilllm.tracing.reader import Trace

_OPS = {"c": "call", "r": "return", "y": "yield", "s": "resume", "x": "error", "f": "folded", "e": "end"}


def brief(trace: Trace, number: int, depth: int = 0) -> str:
    """A value in a few characters."""
    value: Value = trace.values[number]
    if isinstance(value, Scalar):
        return value.text
    if isinstance(value, Text):
        return f"{value.kind}:{value.text[:60]!r}"
    if isinstance(value, Tensor):
        return f"{value.kind}{value.shape} {value.dtype} {value.data[:8] or (value.min, value.mean, value.max)}"
    if isinstance(value, Cut):
        return f"<{value.kind}: {value.text}>"
    if isinstance(value, Rich):
        return value.text[:60]
    if depth > 2:
        return "..."
    if isinstance(value, Sequence):
        shown = [brief(trace, item, depth + 1) for item in (*value.head[:6], *value.tail[-2:])]
        return f"{value.kind}({value.size})[{', '.join(shown)}]"
    if isinstance(value, Mapping):
        pairs = [f"{brief(trace, key, depth + 1)}: {brief(trace, item, depth + 1)}" for key, item in value.head[:6]]
        return f"{value.kind}({value.size}){{{', '.join(pairs)}}}"
    assert isinstance(value, Instance)
    fields = [f"{name}={brief(trace, item, depth + 1)}" for name, item in value.head[:6]]
    return f"{value.kind} {value.text}({', '.join(fields)})"


def lines(trace: Trace) -> Iterator[str]:
    """One line a step: number, depth, op, the source line, what changed, what was shown."""
    steps = trace.steps
    changes, outputs = dict(steps.changes), dict(steps.outputs)
    stack, line = [0], 0
    calls: dict[int, int] = {}
    for step, op in enumerate(steps.op):
        depth, arg = steps.depth[step], steps.arg[step]
        line += steps.line[step]
        if op in "cs":
            calls[step] = code = arg if op == "c" else calls[arg]
            stack[depth - 1 :] = [code]
        del stack[depth:]
        file = trace.head.files[trace.head.codes[stack[-1]].file]
        text = file.text.split("\n")[line - 1].strip()
        parts = [f"{step:5} {'  ' * (depth - 1)}{_OPS.get(op, '')}{':' if op != 'l' else ''} {line}| {text}"]
        if op in "ryx":
            parts.append(f"-> {brief(trace, arg)}")
        if op == "f":
            parts.append(f"({arg or 'not counted'})")
        for name, value in changes.get(step, []):
            parts.append(f"{steps.names[name]}={brief(trace, value) if value >= 0 else '(gone)'}")
        for output in outputs.get(step, []):
            parts.append(f"[{output.name} {output.mime}: {output.data[:60]!r}]")
        yield "  ".join(parts)
