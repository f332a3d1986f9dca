"""A device that is nowhere: tensors on "there" are CPU tensors in a wrapper that does as a GPU does with a mixture.

    python -m tests.training.elsewhere training|generation|resuming ...      a line of JSON for each; judged by a test

Whatever meets a tensor there must be there too (but for single numbers), and a generator of the CPU draws nothing
there. Numbers are real, so that what comes out can be compared; and each time that the host reads one is counted, for
there a GPU would be waited for. It lasts as long as its process: torch has one such device, for ever.

What it cannot show: kernels, streams, memory, and whatever asks for "cuda" by name.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as tree
from torch.utils import backend_registration as backends
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing

from lilllm.inference import GREEDY, Sampler, beam_search, generate
from lilllm.inference.dola import DoLa
from lilllm.inference.factual import Factual
from tests.training import tiny

NAME = "there"
MOVES = ("aten._to_copy.default", "aten.copy_.default")
READ = "aten._local_scalar_dense.default"  # item()
seen: Counter[str] = Counter()


class There(torch.Tensor):
    """``inner``: the numbers, on the CPU."""

    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, inner: torch.Tensor) -> There:
        layout = {"strides": inner.stride(), "storage_offset": inner.storage_offset(), "dtype": inner.dtype}
        return torch.Tensor._make_wrapper_subclass(cls, inner.size(), device=torch.device(NAME, 0), **layout)

    def __init__(self, inner: torch.Tensor) -> None:
        self.inner = inner

    @classmethod
    def __torch_dispatch__(cls, op: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return call(op, args, kwargs or {})


def call(op: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    tensors = [each for each in tree.tree_leaves((args, kwargs)) if isinstance(each, torch.Tensor)]
    device = kwargs.get("device")
    goes = device is not None and torch.device(device).type == NAME
    there = [each for each in tensors if isinstance(each, There)]
    if not there and not goes:
        return op(*args, **kwargs)
    apart = [tuple(each.shape) for each in tensors if not isinstance(each, There) and each.dim()]
    if there and apart and str(op) not in MOVES:
        raise RuntimeError(f"{op}: {apart} on the CPU, the rest there")
    generator = kwargs.get("generator")
    if generator is not None and generator.device.type == "cpu":
        raise RuntimeError(f"{op}: a generator of the CPU, for a tensor there")
    seen[str(op)] += 1
    here, named = tree.tree_map_only(There, lambda each: each.inner, (args, kwargs))
    out = op(*here, **({**named, "device": "cpu"} if device is not None else named))
    if device is not None and not goes:
        return out.clone()
    out = tree.tree_map_only(torch.Tensor, There, out)
    return return_and_correct_aliasing(op, args, kwargs, out) if there else out


class _Operations(TorchDispatchMode):
    def __torch_dispatch__(self, op: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return call(op, args, kwargs or {})


class _Functions(TorchFunctionMode):
    """What comes to no operation with its device: torch.tensor and tolist."""

    def __torch_function__(self, f: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if f is torch.Tensor.tolist and isinstance(args[0], There):
            seen[READ] += 1
            return args[0].inner.tolist()
        device = kwargs.get("device")
        if f in (torch.tensor, torch.as_tensor) and device is not None and torch.device(device).type == NAME:
            return f(*args, **{**kwargs, "device": "cpu"}).to(NAME)
        return f(*args, **kwargs)


class _Module(backends._DummyBackendModule):
    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16, torch.float16]


@contextmanager
def there() -> Iterator[str]:
    """The device's name, while it can be used."""
    with _Operations(), _Functions():
        seen.clear()
        yield NAME


def both(work: Callable[[str], Any]) -> tuple[Any, Any]:
    """What it gives on the CPU, and there."""
    with there() as device:
        other = work(device)
    return work("cpu"), other


def training() -> list[Any]:
    """By what is trained: losses here and there, and how often a step reads a number."""
    told = []
    for changes, model in (
        ({"micro_batch": 2, "label_smoothing": 0.1}, {"n_kv_heads": 1}),
        ({"documents": True}, {"positions": "learned", "norm": "layer", "activation": "gelu"}),
        ({"optimizer": "muon"}, {"positions": "alibi", "tied": False}),
        ({}, {"positions": "sinusoidal", "window": 4, "qk_norm": True}),
    ):

        def losses(device: str, changes: Any = changes, model: Any = model) -> list[list[float]]:
            one = tiny.trainer(changes=changes, model=tiny.model(0.0, **model), device=device)
            one.run(until=5)
            return [[each["step"], each["loss"]] for each in one.history if "loss" in each]

        here, other = both(losses)
        with there() as device:
            one = tiny.trainer(changes={**changes, "eval_every": None}, model=tiny.model(0.0, **model), device=device)
            one.run(until=1)
            before = seen[READ]
            one.run(until=3)
        told.append([{**changes, **model}, here, other, (seen[READ] - before) / 2])
    return told


def generation() -> list[Any]:
    """By sampler and positions: tokens here and there."""
    samplers = {
        "plain": Sampler(temperature=0.8, top_k=20, top_p=0.9, min_p=0.01, repetition_penalty=1.2),
        "factual": Sampler(factual=Factual(frozenset({3}))),
        "dola": Sampler(dola=DoLa((1,))),
        "greedy": GREEDY,
    }
    prompts = [[1, 2, 3], [4], [5, 6, 7, 8, 9]]
    told = []
    for changes in ({"n_kv_heads": 1}, {"positions": "alibi"}, {"positions": "learned"}, {"window": 3}):

        def tokens(device: str, changes: Any = changes) -> list[Any]:
            model = tiny.model(0.0, n_layers=3, **changes).to(device).eval()
            said = []
            for sampler in samplers.values():
                for drawn in ([torch.Generator().manual_seed(i) for i in range(3)], torch.Generator().manual_seed(3)):
                    given = {"sampler": sampler, "generator": drawn, "prompt_logprobs": True, "stop_ids": [0]}
                    said += [each.tokens for each in generate(model, prompts, max_new=3, **given)]
            said += [beam.tokens for beam in beam_search(model, [1, 2], width=3, max_new=3, stop_ids=[0])]
            return [*said, model.greedy(torch.tensor([[1, 2, 3]]).to(device), 4).tolist()]

        told.append([changes, *both(tokens)])
    return told


def resuming() -> list[Any]:
    """By optimizer: whether a run in two parts has the weights of one, and what of its optimizer came back there."""
    told = []
    for changes in ({"steps": 6}, {"steps": 6, "optimizer": "muon"}):
        with tempfile.TemporaryDirectory() as folder, there() as device:
            one = tiny.trainer(dropout=0.0, changes=changes, device=device)
            one.run()
            first = tiny.trainer(Path(folder, "run"), dropout=0.0, changes=changes, device=device)
            first.run(until=4)
            first.save()
            two = tiny.trainer(Path(folder, "run"), dropout=0.0, changes=changes, device=device, resume=True)
            kept = [s for each in two.take.optimizers for of in each.optimizer.state.values() for s in of.values()]
            two.run()
            pairs = zip(one.model.parameters(), two.model.parameters(), strict=True)
            equal = all(torch.equal(a.detach().inner, b.detach().inner) for a, b in pairs)  # type: ignore[attr-defined]
            told.append([changes, equal, all(isinstance(each, There) for each in kept)])
    return told


def mixing() -> list[str]:
    """That it does as a GPU does: what is refused."""
    refused = []
    with there() as device:
        x = torch.ones(2, device=device)
        for wrong in (lambda: x + torch.ones(2), lambda: torch.rand(2, device=device, generator=torch.Generator())):
            try:
                refused.append(str(wrong()))
            except RuntimeError as error:
                refused.append(f"refused: {error}")
    return refused


if __name__ == "__main__":
    torch.set_num_threads(1)
    backends._setup_privateuseone_for_python_backend(NAME, backend_module=_Module())
    for scenario in sys.argv[1:]:
        print(json.dumps(globals()[scenario]()))
