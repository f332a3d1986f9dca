"""How a run ends: done, paused, interrupted, or at a number that is none.

What is saved last is what one would go on from. So weights that have overflowed are never saved: an update of far too
high a rate is noticed at the next loss only, and by then it is in the weights.

Read in order: TrainResult, end, not_finite, refuse_overflowed (before anything is saved), overflowed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import torch

from lilllm.training import checkpoint as files
from lilllm.training.evaluation import Evaluation
from lilllm.training.step import NotFinite

if TYPE_CHECKING:
    from lilllm.training.trainer import Trainer


@dataclass(frozen=True, kw_only=True)
class TrainResult:
    """How a run ended. ``ended``: "done", "paused" (at ``until``) or "interrupted" (by ``signal``)."""

    ended: str
    step: int
    loss: float | None
    evaluation: Evaluation | None
    best: Path | None
    signal: int = 0


def end(trainer: Trainer, stop: int, signal: int) -> TrainResult:
    """Save, unless it only pauses, and say how to go on."""
    folder, step = trainer.folder, trainer.step
    done = step >= trainer.config.steps
    ended = "done" if done else "paused" if step >= stop else "interrupted"
    if ended != "paused":
        trainer.save()  # unless it is there
    if ended == "interrupted":
        how = f"go on with: lilllm train --resume --out {folder}" if folder else "run() goes on"
        trainer.tell("interrupted", f"stopped after step {step}; {how}")
        trainer.report.say(trainer.history[-1]["message"])
    if done and trainer.history[-1].get("event") != "done":
        trainer.tell("done", f"{step} steps, {trainer.tokens} tokens")
    best = None if folder is None else files.best(folder)
    return TrainResult(
        ended=ended, step=step, loss=trainer.loss, evaluation=trainer.evaluation, best=best, signal=signal
    )


def not_finite(trainer: Trainer, error: NotFinite) -> NoReturn:
    """The loss or gradient of the next step is no number, and nothing was updated: keep what is good, and say so."""
    step, folder = trainer.step, trainer.folder
    trainer.tell("nan", f"step {step + 1}: {error}")
    how = f"go on without it (--resume --skip {error.batch}), or begin anew with a lower lr"
    if trainer.evaluated != step:
        trainer.evaluate()
    if overflowed(trainer):
        kept, how = f"the update of step {step} left weights that give no numbers. {_last(trainer)}", _ANEW
    elif folder is None:
        kept = "the weights are those before it"
    else:
        kept = f"the state before it is {trainer.save()}"
    raise NotFinite(
        f"step {step + 1}: {error}. Nothing was updated; {kept}. Look at loader.batch({error.batch}) and at "
        f"grad_norm before it; {how}",
        error.batch,
    ) from None


def refuse_overflowed(trainer: Trainer) -> None:
    """Raise NotFinite where the weights have overflowed; before a checkpoint is written."""
    if overflowed(trainer):
        message = f"the update of step {trainer.step} left weights that give no numbers"
        trainer.tell("nan", message)
        raise NotFinite(f"{message}. {_last(trainer)}; {_ANEW}", -1)


def overflowed(trainer: Trainer) -> bool:
    """Whether a weight is no number, or the held-out loss of this step, if it was measured; on every rank alike."""
    measured = trainer.evaluation if trainer.evaluated == trainer.step else None
    return (measured is not None and not math.isfinite(measured.loss)) or trainer.parallel.any(not _finite(trainer))


_ANEW = "begin anew with a lower lr"


def _finite(trainer: Trainer) -> bool:
    """Of this rank's part of the weights."""
    every: list[Any] = [p.detach() for p in trainer.model.parameters()]
    return all(bool(torch.isfinite(p.to_local() if hasattr(p, "to_local") else p).all()) for p in every)


def _last(trainer: Trainer) -> str:
    last = None if trainer.folder is None else files.latest(trainer.folder)
    return "They are not saved; " + ("no state was saved before" if last is None else f"the last good state is {last}")
