"""What each rank does, by name; results go into files of the folder. Started by `ranks`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from tests.training import ranks, tiny

STEPS = 8
CHANGES = {"steps": STEPS, "batch_size": 8, "save_every": 4, "eval_every": 4, "eval_batches": 3}


def keep(one: Any, folder: Path, name: str) -> None:
    """Weights and history, from the first rank."""
    weights = ranks.gathered(one)
    if one.parallel.writes:
        save_file(weights, folder / f"{name}.safetensors")
        (folder / f"{name}.json").write_text(json.dumps(one.history))


def ddp(folder: str) -> None:
    home = Path(folder)
    one = ranks.trainer("ddp", home / "ddp", changes=CHANGES)
    one.run()
    keep(one, home, "ddp")


def fsdp(folder: str) -> None:
    home = Path(folder)
    one = ranks.trainer("fsdp", home / "fsdp", changes=CHANGES)
    one.run()
    keep(one, home, "fsdp")
