"""Weights to begin with (`lilllm train --from`): those of a run, a checkpoint, LilTown's, or a Hugging Face model.

Its tokenizer and its config come along. run.json keeps where they were taken from as a checkpoint's own folder: a run's
best may be another one tomorrow. Once the new run has a checkpoint, only that is read.

Read in order: Begun, begin, begin_again (a run that was stopped before its first checkpoint), name_of.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from lilllm.models import Decoder


@dataclass(frozen=True)
class Begun:
    """``model``: with its weights, float32; ``source``: for run.json; ``tokenizer``: its file."""

    model: Decoder
    source: str
    tokenizer: Path


def begin(source: str, typed: dict[str, Any]) -> Begun:
    """Load what ``source`` means.

    Raises:
        UsageError: an option of ``typed`` asks for another model or tokenizer.
        what `lilllm.inference.load` raises.
    """
    import torch

    from lilllm.inference import load
    from lilllm.inference.sources import folder_of
    from lilllm.runtime.run_folders import TOKENIZER

    for name, given in typed.items():
        raise click.UsageError(
            f"--from {source} brings its own model and tokenizer, and --{name} {given} asks for another; leave one out"
        )
    _, folder = folder_of(source)
    model = load(folder, dtype=torch.float32).model
    kept = str(folder.resolve()) if Path(source).expanduser().is_dir() else source
    return Begun(model, kept, folder / TOKENIZER)


def begin_again(source: str, folder: Path) -> Begun | None:
    """For --resume; None where the run has a checkpoint of its own."""
    from lilllm.runtime.run_folders import latest

    if latest(folder) is not None:
        return None
    try:
        return begin(source, {})
    except (ValueError, OSError) as error:
        raise click.UsageError(
            f"{folder} has no checkpoint yet, and {source}, which it began from, cannot be read ({error}); begin anew"
        ) from None


def name_of(source: str) -> str:
    """What a run is called that begins from there.

    >>> name_of("runs/mine"), name_of("runs/mine/checkpoints/step-000500"), name_of("openai-community/gpt2")
    ('mine', 'mine', 'gpt2')
    """
    path = Path(source)
    return path.parents[1].name if path.parent.name == "checkpoints" else path.resolve().name
