"""A model as a picture to click into: every tensor of one forward pass, where it was made.

    model_picture(model, tokens)        in a notebook; plain text elsewhere

The model is a box, each module that it calls a box in it, and each tensor that its code makes a line: what made it, the
line of code, shape, range, and the numbers as a small map (orange above 0, blue below). Boxes and lines open on a
click, or with Enter: plain HTML without scripts, so that it also works in the trace and on a page.

Read in order:  Picture, Box and Step (what is shown); _Watch (how a pass is watched); _html (how it is shown)
Leaves out:     operations that make no tensor; what runs inside one call of torch, except that of
                scaled_dot_product_attention the weights, which it never gives, are worked out beside it
"""

from __future__ import annotations

import html
import linecache
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode, resolve_name

from lilllm.course.tensor_map import SIDE, described, map_of
from lilllm.tracing.arrays import summarise
from lilllm.tracing.format import Tensor as Summary

MOST_STEPS = 2_000
_TORCH = str(Path(torch.__file__).parent)
_SIGNS = {
    "add": "+", "radd": "+", "iadd": "+", "sub": "-", "rsub": "-", "mul": "*", "rmul": "*", "imul": "*",
    "div": "/", "rdiv": "/", "truediv": "/", "rtruediv": "/", "pow": "**", "rpow": "**", "matmul": "@", "rmatmul": "@",
    "getitem": "[ ]", "invert": "~", "and": "&",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Step:
    """A tensor: the function that made it, where, and what it holds; ``beside``: others worth seeing with it."""

    made_by: str
    where: str
    line: str
    holds: Summary
    beside: tuple[tuple[str, Summary], ...] = ()


@dataclass(eq=False)
class Box:
    """A module's call: its parameters, and what happened inside it in order."""

    name: str
    kind: str
    given: list[Summary] = field(default_factory=list)
    parameters: list[tuple[str, Summary]] = field(default_factory=list)
    steps: list[Box | Step] = field(default_factory=list)
    gave: Summary | None = None

    def tensors(self) -> int:
        """How many tensors were made in here, boxes within included."""
        return sum(step.tensors() if isinstance(step, Box) else 1 for step in self.steps)


@dataclass(frozen=True, eq=False)
class Picture:
    """One forward pass. ``cut``: it made more than could be shown."""

    model: Box
    cut: bool = False

    def find(self, path: str) -> Box:
        """The first call of the module with this name, as ``blocks.0.attention``.

        Raises:
            KeyError: no such module was called.
        """
        waiting = [self.model]
        while waiting:
            box = waiting.pop(0)
            if box.name == path:
                return box
            waiting = [step for step in box.steps if isinstance(step, Box)] + waiting
        raise KeyError(f"no module {path!r} was called in this pass")

    def __repr__(self) -> str:
        return "\n".join([*_lines(self.model, 0), *(["... and more"] if self.cut else [])])

    def _repr_html_(self) -> str:
        note = "<div>The pass made more tensors than are shown.</div>" if self.cut else ""
        return f'<div style="{_FONT}">{_box(self.model, opened=True)}{note}</div>'


@torch.no_grad()
def model_picture(model: nn.Module, *inputs: Any, **named: Any) -> Picture:
    """Run ``model(*inputs, **named)`` once, and keep what every tensor held. The model is left as it was.

    Raises:
        TypeError: ``model`` is no module. What the model itself raises is passed on.

    >>> picture = model_picture(nn.Sequential(nn.Linear(2, 3), nn.ReLU()), torch.ones(1, 2))
    >>> picture
    Sequential (1, 2) -> (1, 3)
      0: Linear (1, 2) -> (1, 3)
        linear (1, 3)
      1: ReLU (1, 3) -> (1, 3)
        relu (1, 3)
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"this is of type {type(model).__name__}: give a torch module, then what it is called with")
    watch = _Watch(model)
    with watch:
        model(*inputs, **named)
    return Picture(watch.top, watch.count > MOST_STEPS)


class _Watch(TorchFunctionMode):
    """Hooks tell which module runs, the mode sees each function of torch that the module's code calls."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.names = {module: name for name, module in model.named_modules()}
        self.top = Box("", type(model).__name__)
        self.open: list[Box] = []
        self.count = 0
        self.hooks = ExitStack()

    def __enter__(self) -> _Watch:
        for module in self.names:
            self.hooks.enter_context(module.register_forward_pre_hook(self._enter, prepend=True, with_kwargs=True))
            # always_call: a pass that fails leaves no box open, and the hook goes in any case
            self.hooks.enter_context(module.register_forward_hook(self._leave, always_call=True))
        super().__enter__()
        return self

    def __exit__(self, *failure: Any) -> None:
        super().__exit__(*failure)
        self.hooks.close()

    def _enter(self, module: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
        with torch._C.DisableTorchFunction():
            box = Box(self.names[module], type(module).__name__) if self.open else self.top
            box.given = [summarise(given) for given in _tensors((inputs, named))]
            own = list(module.named_parameters(recurse=False))
            box.parameters = [(name, summarise(parameter)) for name, parameter in own]
        if self.open:
            self.open[-1].steps.append(box)
        self.open.append(box)

    def _leave(self, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        with torch._C.DisableTorchFunction():
            box = self.open.pop()
            box.gave = next((summarise(one) for one in _tensors(output)), None)

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        made = [one for one in _tensors(result) if self.open and _counts(one, args)]
        name = _name(func)
        if made and name:
            where, line = _caller()
            if where.startswith("lilllm/tracing/"):  # a recorder that looks at values while the model runs
                return result
            self.count += len(made)
            if self.count <= MOST_STEPS:
                beside = _weights(args, kwargs or {}) if name == "scaled_dot_product_attention" else ()
                self.open[-1].steps += [Step(name, where, line, summarise(one), beside) for one in made]
        return result


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple | list):
        for one in value:
            yield from _tensors(one)
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))


def _counts(made: Tensor, args: tuple[Any, ...]) -> bool:
    """Whether it is worth a line: no single number of a check, nor what was handed in, as of a cast to its own type."""
    return (made.dim() > 0 or made.is_floating_point()) and all(made is not one for one in args)


def _name(func: Callable[..., Any]) -> str:
    """What people call the function; empty for the getting of an attribute, as of ``x.T`` or ``x.shape``."""
    name = (resolve_name(func) or getattr(func, "__name__", "")).rpartition(".")[2]
    if name in ("__get__", "__set__"):
        return ""
    bare = name.strip("_")
    return _SIGNS.get(bare, bare)


def _caller() -> tuple[str, str]:
    """The file and line of code that called torch, and its text."""
    frame = sys._getframe(2)
    while frame.f_back and (frame.f_code.co_filename.startswith(_TORCH) or frame.f_code.co_filename == __file__):
        frame = frame.f_back
    file, number = frame.f_code.co_filename, frame.f_lineno
    line = linecache.getline(file, number).strip()
    parts = Path(file).parts
    inside = "lilllm" in parts[:-1]  # a path of the machine says nothing to others
    return ("/".join(parts[len(parts) - 1 - parts[::-1].index("lilllm") :]) if inside else "your code"), line


def _weights(args: tuple[Any, ...], named: dict[str, Any]) -> tuple[tuple[str, Summary], ...]:
    """The attention weights of each head of the first text, as torch's documentation of the function defines them."""
    given = dict(zip(("query", "key", "value", "attn_mask", "dropout_p", "is_causal"), args, strict=False)) | named
    q, k, mask = given["query"], given["key"], given.get("attn_mask")
    k = k.repeat_interleave(q.shape[-3] // k.shape[-3], -3) if q.dim() > 2 else k
    scores = q @ k.mT * (given.get("scale") or 1 / math.sqrt(q.shape[-1]))
    if given.get("is_causal"):
        scores = scores.masked_fill(torch.ones_like(scores, dtype=torch.bool).triu(1), -torch.inf)
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask
    weights = scores.softmax(-1).nan_to_num()
    while weights.dim() > 3:
        weights = weights[0]
    return tuple((f"weights of head {h}", summarise(head)) for h, head in enumerate(weights))


# ---------------------------------------------------------------------------------------------------------------- text


def _shape(holds: Summary | None) -> str:
    return "" if holds is None else str(tuple(holds.shape))


def _head(box: Box) -> str:
    given = ", ".join(map(_shape, box.given[:1]))
    return f"{f'{box.name}: ' if box.name else ''}{box.kind} {given} -> {_shape(box.gave)}"


def _lines(box: Box, depth: int) -> Iterator[str]:
    yield "  " * depth + _head(box)
    for step in box.steps:
        if isinstance(step, Box):
            yield from _lines(step, depth + 1)
        else:
            yield f"{'  ' * (depth + 1)}{step.made_by} {_shape(step.holds)}"


# ---------------------------------------------------------------------------------------------------------------- HTML

_FONT = "font-family:sans-serif; font-size:13px; line-height:1.6"
_FRAME = "border:1px solid rgba(128,128,128,0.5); border-radius:5px; padding:2px 8px"
_INDENT = "padding-left:1.2em"
_QUIET = "color:rgba(128,128,128,1)"


def _box(box: Box, *, opened: bool = False) -> str:
    name = f"<b>{html.escape(box.name.rpartition('.')[2])}</b> " if box.name else ""
    shapes = f"{', '.join(map(_shape, box.given[:1]))} &rarr; {_shape(box.gave)}"
    count = sum(math.prod(holds.shape) for _, holds in box.parameters)
    owns = f", {count:,} parameters" if count else ""
    inside = "".join(_box(step) if isinstance(step, Box) else _step(step) for step in box.steps)
    parameters = "".join(_opens(f"<i>{name}</i> {_shape(p)}", p, described(p)) for name, p in box.parameters)
    return (
        f'<div style="{_FRAME}"><details{" open" if opened else ""}><summary>{_icon(box.gave)}{name}'
        f'{html.escape(box.kind)} {shapes}<span style="{_QUIET}">{owns}</span></summary>'
        f'<div style="{_INDENT}">{parameters}{inside}</div></details></div>'
    )


def _step(step: Step) -> str:
    code = f'<code>{html.escape(step.line)}</code> <span style="{_QUIET}">{html.escape(step.where)}</span>'
    more = "".join(f'<div style="{_INDENT}">{name}<br>{map_of(holds, SIDE)}</div>' for name, holds in step.beside)
    row = f'<div style="display:flex; flex-wrap:wrap">{more}</div>' if more else ""
    return _opens(
        f"<b>{html.escape(step.made_by)}</b> {_shape(step.holds)}", step.holds, code + described(step.holds) + row
    )


def _opens(title: str, holds: Summary, inside: str) -> str:
    return f'<details><summary>{_icon(holds)}{title}</summary><div style="{_INDENT}">{inside}</div></details>'


def _icon(holds: Summary | None) -> str:
    """The map, small, in a place as wide for every line, so that names stand below each other."""
    return f'<span style="display:inline-block; width:22px">{map_of(holds, 16)}</span>'
