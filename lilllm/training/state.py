"""What a run writes so that it can be told apart and gone on with, and how it is read back.

Read in order: read_run, write_run (run.json), save, resume.
"""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from lilllm import __version__, tokenizers
from lilllm.runtime.run_folders import CHECKPOINTS, RUN, TOKENIZER
from lilllm.training import checkpoint as files
from lilllm.training.config import FREE, TrainConfig

if TYPE_CHECKING:
    from lilllm.training.trainer import Trainer

FORMAT = 1


def read_run(folder: Path) -> dict[str, Any]:
    """What `write_run` wrote.

    Raises:
        CheckpointError: there is no run in the folder, or its run.json is damaged.
    """
    if not (folder / RUN).exists():
        raise files.CheckpointError(
            f"{folder} holds no run to go on with; leave out --resume, or give its folder (--out)"
        )
    run = files.read_json(folder / RUN)
    if run.get("format") != FORMAT:
        raise files.CheckpointError(f"{folder / RUN} is of format {run.get('format')!r}; this reads {FORMAT}")
    return run


def write_run(trainer: Trainer) -> None:
    """run.json: what was asked, of what, with what."""
    assert trainer.folder is not None
    trainer.folder.mkdir(parents=True, exist_ok=True)
    files.write_json(
        trainer.folder / RUN,
        {
            "format": FORMAT,
            "model": trainer.model.config.to_dict(),
            "parameters": sum(p.numel() for p in trainer.model.parameters()),
            "training": trainer.config.to_dict(),
            "data": data_of(trainer),
            "seed": trainer.config.seed,
            "device": str(trainer.device),
            "world_size": trainer.parallel.world_size,
            "versions": {"lilllm": __version__, "torch": torch.__version__, "python": platform.python_version()},
            "about": trainer.about,
        },
    )


def _eos(trainer: Trainer) -> int | None:
    """The token that ends a text, for who generates with the checkpoint."""
    return getattr(getattr(trainer.feed.loader, "tokens", None), "eos", None)


def data_of(trainer: Trainer) -> dict[str, Any]:
    """What is trained and evaluated on, by digest."""
    tokens = getattr(trainer.feed.loader, "tokens", None)
    return {
        "digest": getattr(tokens, "digest", None),
        "tokens": None if tokens is None else len(tokens),
        "validation_digest": getattr(trainer.watch.validation, "digest", None),
        "bytes_per_token": trainer.watch.bytes_per_token,
    }


def save(trainer: Trainer) -> bool:
    """Write the checkpoint of this step; mark it where it is the best, which is what comes back; old ones go."""
    assert trainer.folder is not None
    loss = trainer.evaluation.loss if trainer.evaluation and trainer.evaluated == trainer.step else None
    better = loss is not None and (trainer.best_loss is None or loss < trainer.best_loss)
    best_loss = loss if better else trainer.best_loss

    def fill(folder: Path) -> dict[str, Any]:
        own = {f"random/{trainer.parallel.rank}/{name}": value for name, value in trainer.random.state().items()}
        numbers = trainer.parallel.save(folder, trainer.model, trainer.take.optimizers, own, eos=_eos(trainer))
        if trainer.parallel.writes and trainer.tokenizer is not None:
            trainer.tokenizer.save(folder / TOKENIZER)
        return {
            "tokens": trainer.tokens,
            "seconds": trainer.metrics.seconds,
            "loss": loss,
            "best_loss": best_loss,
            "model": trainer.model.config.to_dict(),
            "training": trainer.config.to_dict(),
            "data": data_of(trainer),
            "loader": trainer.feed.state(),
            "scaler": trainer.take.scaler.state_dict(),
            "optimizer": numbers,
        }

    path = files.write(trainer.folder, trainer.step, fill, trainer.parallel)
    trainer.best_loss = best_loss
    if trainer.parallel.writes:
        if better and loss is not None:
            files.mark_best(trainer.folder, path, loss)
        files.remove_old(trainer.folder, trainer.config.keep)
    return better


def resume(trainer: Trainer, path: Path | None) -> None:
    """Go on from a checkpoint; None: the newest of the run's folder, or the beginning where it has none.

    Raises:
        CheckpointError: it is damaged, or of another model, corpus or config.
    """
    folder, writes = trainer.folder, trainer.parallel.writes
    if folder is None and path is None:
        raise ValueError("there is nothing to resume without a folder; give that of the run, or a checkpoint")
    trainer.evaluated = -1  # what was measured before was of other weights, or is forgotten
    path = files.agreed_on(path or files.latest(folder or ""), trainer.parallel)
    if folder is not None and writes:
        files.sweep(folder)
    if path is None:
        trainer.metrics.go_back(-1)
        return
    ours = folder is not None and path.resolve().parent == (folder / CHECKPOINTS).resolve()
    _take_over(trainer, path, ours)
    trainer.metrics.go_back(trainer.step)
    if folder is not None and writes:
        _describe_again(trainer, folder)
    trainer.saved = trainer.step if ours else -1
    trainer.tell("resume", f"from {path.name if ours else path}")


def _describe_again(trainer: Trainer, folder: Path) -> None:
    """run.json where there is none; where it goes on for longer or shorter, run.json says so from now on."""
    if not (folder / RUN).exists():
        write_run(trainer)
        return
    try:
        run = files.read_json(folder / RUN)
    except files.CheckpointError:  # the checkpoint says all that it takes to go on
        return
    now = {name: value for name, value in trainer.config.to_dict().items() if name not in FREE}
    training = run.get("training")
    if isinstance(training, dict) and training | now != training:
        files.write_json(folder / RUN, run | {"training": training | now})


def _take_over(trainer: Trainer, path: Path, ours: bool) -> None:
    """Weights, optimizers, random state, place in the data, counts.

    Of a checkpoint that is not ``ours`` but another run's, the best loss so far stays there, as its checkpoint does.
    """
    with files.agreed(trainer.parallel):
        state = files.read_state(path, verify=trainer.parallel.writes)  # once for all ranks
    try:
        _check_same(trainer, state, path)
        own = trainer.parallel.load(path, trainer.model, trainer.take.optimizers, state["optimizer"])
        trainer.feed.load(state["loader"])
        if trainer.take.scaler.is_enabled():
            trainer.take.scaler.load_state_dict(state["scaler"])
        mine = f"random/{trainer.parallel.rank}/"
        trainer.random.load({name.removeprefix(mine): value for name, value in own.items() if name.startswith(mine)})
        trainer.step, trainer.tokens = int(state["step"]), int(state["tokens"])
        trainer.metrics.set_seconds(float(state["seconds"]))
        trainer.best_loss = state["best_loss"] if ours else None
        if trainer.tokenizer is None and (path / TOKENIZER).is_file():
            trainer.tokenizer = tokenizers.load(path / TOKENIZER)  # the next checkpoints carry it too
        if ours and trainer.parallel.writes and state["loss"] is not None and state["loss"] == state["best_loss"]:
            files.mark_best(path.parents[1], path, state["loss"])  # a kill may have come between the two
    except files.CheckpointError:
        raise
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise files.CheckpointError(f"{path} cannot be resumed: {error}") from None


def _check_same(trainer: Trainer, state: dict[str, Any], path: Path) -> None:
    ours, theirs = trainer.model.config.to_dict(), state["model"]
    if different := [name for name in ours if ours[name] != theirs.get(name)]:
        told = ", ".join(f"{name} {theirs.get(name)!r} -> {ours[name]!r}" for name in different)
        raise files.CheckpointError(f"{path} is of another model ({told}); give that model, or another folder")
    before = TrainConfig.from_dict(state["training"])
    if changed := trainer.config.changed(before, done=int(state["step"])):
        longer = trainer.config.steps > before.steps and "steps" in " ".join(changed)
        how = (
            "; a schedule that has begun to fall goes no longer: train longer with schedule wsd or constant from the "
            f"beginning (and warmup {before.warmup}, as it was)"
            if longer
            else ""
        )
        raise files.CheckpointError(
            f"{path} is of another training ({', '.join(changed)}); give what it had, or begin in another folder{how}"
        )
    if (digest := data_of(trainer)["digest"]) != state["data"].get("digest"):
        raise files.CheckpointError(
            f"{path} was trained on another corpus (digest {str(state['data'].get('digest'))[:12]}, given is "
            f"{str(digest)[:12]}); give that corpus, or begin in another folder"
        )
