"""What `lilllm train` does where torchrun started several of it; alone, the same calls do what one process needs.

Read in order: join, ranks, birthplace, leave; prefix, no_room and lost, for errors.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import torch

    from lilllm.training import TrainConfig
    from lilllm.training.alone import Parallel


def join(given: dict[str, Any]) -> torch.device:
    """Meet the others, if there are any; the device of this process."""
    from lilllm.runtime.device import choose
    from lilllm.training import parallel

    world = parallel.here()
    if world is None:
        return choose(given["device"])
    if given["dry_run"] or given["minutes"]:
        option = "--dry-run" if given["dry_run"] else "--minutes"
        raise click.UsageError(f"{option} is for one process; call lilllm without torchrun, or leave it out")
    return parallel.join(world, given["device"])


def ranks(kind: str, config: TrainConfig) -> tuple[Parallel, int]:
    """How the processes train together, and the rows of each.

    Raises:
        ValueError: the batch is no multiple of them.
    """
    from lilllm.training.alone import ALONE
    from lilllm.training.parallel import DataParallel, here

    world = here()
    if world is None:
        return ALONE, config.batch_size
    rows = world.share_of(config.batch_size)
    if kind == "ddp":
        return DataParallel(), rows
    from lilllm.training.sharded import FullyShard

    return FullyShard(precision=config.precision, seed=config.seed), rows


def birthplace(parallel: Parallel) -> str | None:
    """Where the model is made: with FSDP nowhere, for no process may have room for all of it."""
    from lilllm.training.alone import Alone
    from lilllm.training.parallel import DataParallel

    return None if isinstance(parallel, Alone | DataParallel) else "meta"


def leave() -> None:
    """Part from the others when all are done."""
    from lilllm.training import parallel

    parallel.leave()


def prefix() -> str:
    """Whose message it is."""
    return f"rank {os.environ['RANK']}: " if "RANK" in os.environ and "WORLD_SIZE" in os.environ else ""


def no_room(error: RuntimeError) -> str | None:
    """What to tell where a GPU's memory is full; None: ``error`` is about something else."""
    import torch

    if not isinstance(error, torch.OutOfMemoryError):
        return None
    first = ". ".join(str(error).split(". ")[:2])
    return (
        f"{prefix()}the GPU has no memory left ({first}); give a smaller --micro-batch: gradients are summed over more "
        "of them, and what is learned stays the same"
    )


def lost(error: RuntimeError) -> str | None:
    """What to tell where another process is gone; None: ``error`` is about something else."""
    from lilllm.training import parallel

    if not prefix() or not parallel.lost(error):
        return None
    first = re.sub(r"^\[.*?\]\s*", "", str(error).strip().splitlines()[0]).partition(". ")[0]  # less gloo's own advice
    return (
        f"{prefix()}another rank has ended, or does not answer ({first}). The message of the one that ended first says "
        "why. Checkpoints are whole: go on with --resume"
    )
