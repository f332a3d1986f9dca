"""Metrics to wandb or TensorBoard, where they are installed and asked for.

Read in order: open_outlets, Wandb, TensorBoard.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from lilllm.training.metrics import Outlet

_NOT_DRAWN = ("kind", "step", "event", "message", "text")


def open_outlets(names: Sequence[str], folder: Path | None, about: dict[str, Any]) -> list[Outlet]:
    """One for each name.

    Raises:
        ValueError: a name that is none, or a package that is not installed.
    """
    made: list[Outlet] = []
    for name in names:
        if name not in _KINDS:
            raise ValueError(f"log is {name!r}; give {' or '.join(_KINDS)}")
        try:
            made.append(_KINDS[name](folder, about))
        except ImportError as error:
            raise ValueError(f"to log to {name}, install it: pip install {name} ({error})") from None
    return made


class Wandb:
    """Each record under its kind, such as train/loss; wandb's own settings say where to (WANDB_MODE=offline)."""

    def __init__(self, folder: Path | None, about: dict[str, Any]) -> None:
        wandb = import_module("wandb")
        name = None if folder is None else folder.name
        self._run = wandb.init(project="lilllm", name=name, config=about, dir=None if folder is None else str(folder))

    def write(self, record: dict[str, Any]) -> None:
        self._run.log(_numbers(record), step=record["step"])

    def close(self) -> None:
        self._run.finish()


class TensorBoard:
    """Event files in the run folder's ``tensorboard``."""

    def __init__(self, folder: Path | None, about: dict[str, Any]) -> None:
        if folder is None:
            raise ValueError("TensorBoard's files lie in the run folder, and there is none; give folder")
        self._writer = import_module("torch.utils.tensorboard").SummaryWriter(str(folder / "tensorboard"))

    def write(self, record: dict[str, Any]) -> None:
        for name, value in _numbers(record).items():
            self._writer.add_scalar(name, value, record["step"])
        if record["kind"] == "sample":
            self._writer.add_text("sample", record["text"], record["step"])

    def close(self) -> None:
        self._writer.close()


_KINDS: dict[str, type[Wandb] | type[TensorBoard]] = {"wandb": Wandb, "tensorboard": TensorBoard}


def _numbers(record: dict[str, Any]) -> dict[str, float]:
    values = {name: value for name, value in record.items() if name not in _NOT_DRAWN and value is not None}
    return {f"{record['kind']}/{name}": value for name, value in values.items()}
