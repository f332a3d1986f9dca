"""Training a model: one readable loop, its checkpoints and its measurements.

Read in order: config (what a run is told), trainer (the loop), step (one update), ending (how a run ends), optimizers,
evaluation (loss and bits a byte); checkpoint and state (what is on the disk, and going on from it), metrics, report and
outlets (what is told of a run), rng, signals, lock, mfu; averaging (of checkpoints), pricing (of a run that has not
begun); alone (what one process answers where several would do otherwise), parallel, sharded and sharded_files (what
several answer). For `lilllm train`: recipes (how a preset is trained where nobody says otherwise) and corpus (text to
tokens, and what is held out).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lilllm.runtime.run_folders import best, checkpoints, latest
    from lilllm.training.averaging import average
    from lilllm.training.checkpoint import CheckpointError
    from lilllm.training.config import TrainConfig
    from lilllm.training.ending import TrainResult
    from lilllm.training.evaluation import Evaluation, bits_per_byte, evaluate
    from lilllm.training.pricing import price
    from lilllm.training.step import NotFinite
    from lilllm.training.trainer import Trainer

_HOMES = {
    "CheckpointError": "checkpoint",
    "Evaluation": "evaluation",
    "NotFinite": "step",
    "TrainConfig": "config",
    "TrainResult": "ending",
    "Trainer": "trainer",
    "average": "averaging",
    "best": "checkpoint",
    "bits_per_byte": "evaluation",
    "checkpoints": "checkpoint",
    "evaluate": "evaluation",
    "latest": "checkpoint",
    "price": "pricing",
}

__all__ = [
    "CheckpointError",
    "Evaluation",
    "NotFinite",
    "TrainConfig",
    "TrainResult",
    "Trainer",
    "average",
    "best",
    "bits_per_byte",
    "checkpoints",
    "evaluate",
    "latest",
    "price",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:  # most of them import torch
        return getattr(import_module(f"lilllm.training.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
