"""What each rank does, by name; what it found goes into files of a folder. Started by `ranks`, judged by tests."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from lilllm.training import NotFinite
from lilllm.training.parallel import lost
from tests.training import tiny

STEPS = 8
# Micro-batches of 1 row of the 4 that a rank has; 23 windows to evaluate on, which two ranks cannot share evenly.
CHANGES = {"steps": STEPS, "batch_size": 8, "micro_batch": 1, "save_every": 4, "eval_every": 4, "eval_batches": 3}


class Masked:
    """A loader whose rows have very different numbers of targets that count, one of eight none at all."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader
        self.batch_size, self.context_len, self.tokens = loader.batch_size, loader.context_len, loader.tokens
        self.state_dict, self.load_state_dict = loader.state_dict, loader.load_state_dict

    def __iter__(self) -> Any:
        return self

    def __next__(self) -> Any:
        batch = next(self._loader)
        first = self._loader.rank * self.batch_size
        for row in range(self.batch_size):
            batch.targets[row, : (first + row) * tiny.T // 7] = -100
        return batch


def trainer(kind: str, folder: Path | None, **given: Any) -> Any:
    """The run of `tiny`, over the ranks that are there; without dropout, which each rank draws for itself."""
    from lilllm.training.alone import ALONE
    from lilllm.training.parallel import DataParallel
    from lilllm.training.sharded import FullyShard

    config = tiny.config(**{**CHANGES, **given.pop("changes", {})})
    ways: dict[str, Any] = {"alone": lambda: ALONE, "ddp": DataParallel}
    ways["fsdp"] = lambda: FullyShard(precision=config.precision, seed=given.pop("seed", 0))
    way = ways[kind]()
    rows = config.batch_size // way.world_size
    feed = Masked(tiny.loader(rows, rank=way.rank, world_size=way.world_size))
    given.setdefault("validation", tiny.corpus(size=384))
    given.setdefault("model", tiny.model(given.pop("dropout", 0.0), seed=1 + way.rank))  # the first one counts
    return tiny.trainer(folder, changes=config.to_dict(), loader=feed, parallel=way, **given)


def keep(one: Any, folder: Path, name: str) -> None:
    """Weights, gathered, and history of the first rank."""
    weights = {n: p.full_tensor() if hasattr(p, "full_tensor") else p for n, p in one.model.named_parameters()}
    if one.parallel.writes:
        save_file({n: p.detach().clone() for n, p in weights.items()}, folder / f"{name}.safetensors")
        (folder / f"{name}.json").write_text(json.dumps(one.history))


def note(folder: str, name: str, found: Any) -> None:
    Path(folder, f"{name}.{os.environ['RANK']}.json").write_text(json.dumps(found))


def whole(folder: str) -> None:
    """Undisturbed runs, both ways."""
    for kind in ("ddp", "fsdp"):
        one = trainer(kind, Path(folder, kind))
        one.run()
        keep(one, Path(folder), kind)


def stopped(folder: str) -> None:
    """The same in two parts: what comes back from the disk goes on. Under DDP with dropout, for its random states."""
    for kind in ("ddp", "fsdp"):
        dropout = 0.2 if kind == "ddp" else 0.0
        for name, parts in (("once", (STEPS,)), ("twice", (5, STEPS))):
            home = Path(folder, f"{kind}-{name}")
            for until in parts:
                one = trainer(kind, home, resume=home.exists(), dropout=dropout)
                one.run(until=until)
                one.save()
            keep(one, Path(folder), f"{kind}-{name}")


def others(folder: str) -> None:
    """Runs that another number of ranks, or another way, began: each goes on from its step 4."""
    for kind, begun in (("ddp", "alone-4"), ("fsdp", "alone-4"), ("ddp", "fsdp-4"), ("fsdp", "ddp-4")):
        home = Path(folder, f"{begun}-{kind}")
        one = trainer(kind, home, resume=True)
        assert one.step == 4
        one.run()
        keep(one, Path(folder), f"{begun}-{kind}")


def born(folder: str) -> None:
    """Weights that begin on the meta device; all ways of drawing them."""
    for init in ("gpt2", "glorot", "fan_in"):
        model = tiny.model(0.0, device="meta", init=init, n_kv_heads=1, qkv_bias=True)
        one = trainer("fsdp", None, model=model, seed=5)
        parts = sum(p.to_local().numel() for p in one.model.parameters())
        note(folder, f"born-{init}", [parts, sum(p.numel() for p in one.model.parameters())])
        keep(one, Path(folder), f"born-{init}")


def kinds(folder: str) -> None:
    """Muon, bfloat16 and an untied head under both ways."""
    for name, changes in (("muon", {"optimizer": "muon"}), ("bf16", {"precision": "bf16"})):
        for kind in ("ddp", "fsdp"):
            one = trainer(kind, None, changes=changes, model=tiny.model(0.0, tied=False))
            one.run()
            keep(one, Path(folder), f"{name}-{kind}")


def clipped(folder: str) -> None:
    """A gradient's norm before clipping to 0.01, as told, and after it, of all parts together."""
    for kind in ("ddp", "fsdp"):
        one = trainer(kind, None)
        one.model.train()
        one.take._backward(one.feed.next())
        told = one.parallel.clip(one.model.parameters(), 0.01)
        grads = [p.grad.full_tensor() if kind == "fsdp" else p.grad for p in one.model.parameters()]
        note(folder, f"clipped-{kind}", [told, float(torch.stack([grad.norm() for grad in grads]).norm())])


def meetings(folder: str) -> None:
    """How often gradients meet in a step of four micro-batches, under DDP."""
    from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook

    one = trainer("ddp", None, changes={"steps": 3})
    met = 0

    def count(_, bucket):  # type: ignore[no-untyped-def]  # torch refuses annotations that are strings
        nonlocal met
        met += bucket.is_last()
        return allreduce_hook(None, bucket)

    one.take._module.register_comm_hook(None, count)
    one.run()
    note(folder, "meetings", met)


def poisoned(folder: str) -> None:
    """A loss that is not finite, then a gradient that is not, on one rank only."""
    for kind in ("ddp", "fsdp"):
        for what in ("loss", "gradient"):
            one = trainer(kind, None)
            one.run(until=2)
            if one.parallel.rank == 1:
                spoil(one, what)
            before = [p.detach().clone() for p in one.model.parameters()]
            try:
                one.run()
                told = "nothing"
            except NotFinite as error:
                told = str(error)
            unchanged = all(
                torch.equal(local(a), local(b)) for a, b in zip(before, one.model.parameters(), strict=True)
            )
            note(folder, f"poisoned-{kind}-{what}", [told, one.step, unchanged])


def spoil(one: Any, what: str) -> None:
    forward = one.take._module.module.forward if hasattr(one.take._module, "module") else one.take._module.forward

    def spoiled(*given: Any) -> Any:
        loss = forward(*given)
        if what == "loss":
            return loss * math.nan
        loss.register_hook(lambda grad: grad * math.inf)
        return loss

    (one.take._module.module if hasattr(one.take._module, "module") else one.take._module).forward = spoiled


def local(tensor: Any) -> torch.Tensor:
    return tensor.to_local() if hasattr(tensor, "to_local") else tensor


def asked_to_stop(folder: str) -> None:
    """One rank alone gets SIGTERM; torchrun may send it twice."""
    one = trainer("ddp", Path(folder, "stopping"), changes={"steps": 500, "save_every": None, "eval_every": None})
    step = one.take.__class__.__call__

    def after_three(self: Any, batch: Any, lr: float) -> Any:
        if one.parallel.rank == 1 and one.step == 3:
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGTERM)
        return step(self, batch, lr)

    one.take.__class__.__call__ = after_three
    try:
        result = one.run()
    finally:
        one.take.__class__.__call__ = step
    note(folder, "stopping", [result.ended, result.step])


def full_disk(folder: str) -> None:
    """One rank cannot write what is its: no rank waits for it, and none believes that there is a checkpoint.

    Under DDP that is the first rank, which writes for all; under FSDP the second, and then the first.
    """
    from torch.distributed.checkpoint import HuggingFaceStorageWriter

    from lilllm.models import export_hf
    from lilllm.training import alone

    places: list[tuple[str, int, Any, str]] = [("ddp", 0, alone, "save_file"), ("ddp", 0, export_hf, "save_file")]
    places += [("fsdp", 1, HuggingFaceStorageWriter, "write_data"), ("fsdp", 0, export_hf, "save_file")]
    for number, (kind, rank, where, name) in enumerate(places):
        one = trainer(kind, Path(folder, f"full-{number}"))
        one.run(until=1)
        kept = getattr(where, name)
        if one.parallel.rank == rank:
            setattr(where, name, refuse)
        try:
            one.save()
            told = "nothing"
        except OSError as error:
            told = str(error)
        finally:
            setattr(where, name, kept)
        there = sorted(path.name for path in Path(folder, f"full-{number}", "checkpoints").iterdir())
        one.save()  # there is room again
        note(folder, f"full-{number}", [told, there])


def refuse(*_: Any, **__: Any) -> Any:
    raise OSError(28, "No space left on device")


def for_ever(folder: str, kind: str) -> None:
    """A checkpoint after every step, until someone is killed."""
    one = trainer(kind, Path(folder, kind), changes={"steps": 100_000, "save_every": 1, "eval_every": None})
    try:
        one.run()
    except RuntimeError as error:
        print("lost" if lost(error) else f"unknown: {error!r}", flush=True)
        os._exit(3)


def begin(folder: str) -> None:
    trainer("fsdp", Path(folder, "fsdp"), changes={"eval_every": None}).run(until=4)


def copy(run: Path, to: Path) -> None:
    shutil.copytree(run, to)
