"""How a preset is trained where nobody says otherwise. Every value can be given on the command line.

`liltown` is for a laptop: some minutes on two cores. Its 3,000 steps have a reason: the loss stays at 0.34 bits a byte
until about step 2,200 and is 0.26 at step 2,700, once the model keeps the people of a story apart (seed 0; at the end
0.251, where the text's entropy is 0.242). With fewer steps it may stop before that.

The two larger ones are for GPUs, 8.4 billion tokens each: 215 a parameter for lillm-39m, 29 for lillm-300m (at 20 a
FLOP of training goes furthest: Hoffmann et al. 2022, arXiv:2203.15556). Batches are half a million tokens, as GPT-3's
of 125M and 350M (Brown et al. 2020, arXiv:2005.14165, table 2.1). Rates are those of others of their size: 1e-3 for 70M
(Biderman et al. 2023, arXiv:2304.01373, Pythia), 6e-4 for 256M in batches as large (Dey et al. 2023, arXiv:2304.03208,
Cerebras-GPT); GPT-3's 350M had half of that. Neither recipe has been run to its end yet. Other presets get a guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import torch

from lilllm.training.config import TrainConfig

LEARNED = "a model that has learned"  # `lilllm train --from`: a tenth of the rate, so that it does not forget at once

RECIPES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "liltown": {"steps": 3000, "batch_size": 8, "lr": 3e-3, "eval_every": 300, "eval_batches": 12},
        "lillm-39m": {"steps": 16_000, "batch_size": 512, "micro_batch": 32, "lr": 1e-3, "eval_batches": 1},
        "lillm-300m": {"steps": 16_000, "batch_size": 512, "micro_batch": 16, "lr": 6e-4, "eval_batches": 1},
        LEARNED: {"steps": 500, "batch_size": 8, "lr": 3e-4, "eval_every": 50, "eval_batches": 12},
    }
)
_OTHERS = {"steps": 20_000, "batch_size": 256, "micro_batch": 8, "lr": 3e-4, "eval_batches": 1}
_CPU_ROWS = 4  # of a micro-batch on a CPU, where memory is dear


def recipe(preset: str, device: torch.device | str, **given: Any) -> TrainConfig:
    """The config for a preset on a device; what is given and not None takes its place.

    Raises:
        ValueError: what does not go together.
    """
    device, values = torch.device(device), dict(RECIPES.get(preset, _OTHERS))
    if device.type == "cuda":
        values["precision"] = _low_precision()
    if device.type == "cpu" and values.get("micro_batch", 0) > _CPU_ROWS:
        values["micro_batch"] = _CPU_ROWS
    rows = values["batch_size"] * values["eval_batches"]
    values |= {name: value for name, value in given.items() if value is not None}
    if given.get("micro_batch") is None and values.get("micro_batch") and values["batch_size"] % values["micro_batch"]:
        values["micro_batch"] = None if values["batch_size"] < values["micro_batch"] else 1
    config = TrainConfig(**values)
    if given.get("eval_batches") is None:  # as many rows, whatever the batch
        config = replace(config, eval_batches=-(-rows // config.batch_size))
    return config


def _low_precision() -> str:
    """bf16; on GPUs without it (before Ampere: T4, V100), where torch imitates it slowly, fp16. Nothing is known of a
    GPU that is not here."""
    has = not torch.cuda.is_available() or torch.cuda.is_bf16_supported(including_emulation=False)
    return "bf16" if has else "fp16"
