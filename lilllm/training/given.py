"""What a run is given, looked at before anything is made: what does not go together is refused in words.

Read in order: check (of a Trainer), refuse_taken (folders).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from lilllm.data.batch import check_windows
from lilllm.data.token_encoding import tokenizer_digest
from lilllm.models import Decoder
from lilllm.models.config_write import family_of
from lilllm.runtime.run_folders import CHECKPOINTS, RUN
from lilllm.training import checkpoint as files
from lilllm.training.config import TrainConfig
from lilllm.training.evaluation import check_context


def check(model: Any, config: Any, loader: Any, folder: Path | None, resume: bool, others: Mapping[str, Any]) -> None:
    """Raise ValueError where things do not go together, FileExistsError where another run's folder would be taken.

    Args:
        others: the other arguments of a Trainer, by name.
    """
    if not isinstance(model, Decoder):
        raise ValueError(f"model is a {type(model).__name__}; give a lilllm.models.Decoder")
    if not isinstance(config, TrainConfig):
        raise ValueError(f"config is a {type(config).__name__}; give a TrainConfig(steps=..., batch_size=...)")
    _check_weights(model)
    _check_others(others)
    _check_loader(config, loader, 1 if others["parallel"] is None else others["parallel"].world_size)
    if hasattr(loader, "context_len"):
        check_context(loader.context_len, model.config)
    _check_vocabularies(model, getattr(loader, "tokens", None), others["validation"], others["tokenizer"])
    if others["validation"] is not None:
        T = getattr(loader, "context_len", model.config.context_len)
        try:
            check_windows(others["validation"], T, documents=config.documents)
        except ValueError as error:
            raise ValueError(f"validation: {error}") from None
    if resume and folder is None:
        raise ValueError("there is nothing to resume without a folder; give that of the run")
    if folder is not None:
        _check_folder(folder, model, loader, resume)


def _check_weights(model: Decoder) -> None:
    small = next((p.dtype for p in model.parameters() if p.dtype in (torch.bfloat16, torch.float16)), None)
    if small is not None:
        raise ValueError(
            f"the model's weights are {small}, in which small updates are rounded away; give them in float32 "
            "(model.float(), or dtype=torch.float32 where it is loaded) and precision='bf16'"
        )


def _check_loader(config: TrainConfig, loader: Any, world_size: int) -> None:
    if not (hasattr(loader, "__iter__") or hasattr(loader, "__next__")):
        raise ValueError(f"loader is {loader!r}; give an iterator of batches, such as a lilllm.data.Loader")
    rows = getattr(loader, "batch_size", None)
    if config.batch_size % world_size:
        raise ValueError(f"batch_size {config.batch_size} is no multiple of {world_size} processes; give one that is")
    if rows is not None and rows * world_size != config.batch_size:
        raise ValueError(
            f"the loader gives {rows} rows on each of {world_size} ranks, and batch_size is {config.batch_size}; "
            f"give the loader {config.batch_size // world_size}"
        )


def _check_vocabularies(model: Decoder, tokens: Any, validation: Any, tokenizer: Any) -> None:
    """Refuse ids that the model has no row for, and a tokenizer that the tokens were not made with."""
    V = model.config.vocab_size
    for name, one in (("loader's corpus", tokens), ("validation", validation), ("tokenizer", tokenizer)):
        size = getattr(one, "vocab_size", None)
        if size is not None and size > V:
            raise ValueError(
                f"the {name} has a vocabulary of {size} tokens and the model one of {V}; give a model of "
                f"vocab_size {size}, or what belongs to this one"
            )
    made = {
        name: getattr(one, "tokenizer_digest", None) for name, one in (("loader", tokens), ("held-out", validation))
    }
    if not (any(made.values()) and hasattr(tokenizer, "encode_batch") and hasattr(tokenizer, "vocab_size")):
        return
    digest = tokenizer_digest(tokenizer)
    for name, known in made.items():
        if known is not None and known != digest:
            raise ValueError(
                f"the {name} tokens were made by another tokenizer (digest {known[:12]}, of the one given "
                f"{digest[:12]}); give the one that made them"
            )


def _check_others(others: Mapping[str, Any]) -> None:
    allowed: dict[str, tuple[bool, str]] = {
        "validation": (hasattr(others["validation"], "read"), "tokens, such as lilllm.data.TokenArray or TokenFiles"),
        "tokenizer": (hasattr(others["tokenizer"], "save"), "one of lilllm.tokenizers"),
        "sample": (callable(others["sample"]), "a function of the model that gives a text"),
        "bytes_per_token": (_above_zero(others["bytes_per_token"]), "a number above 0, or None"),
        "parallel": (hasattr(others["parallel"], "world_size"), "a DataParallel() or FullyShard(), or None"),
        "log": (isinstance(others["log"], list | tuple), 'a list, such as ["wandb"]'),
        "peak": (_above_zero(others["peak"]), "FLOP/s, a number above 0, or None"),
        "about": (isinstance(others["about"], dict) and _is_json(others["about"]), "a dict of what JSON has"),
    }
    for name, (fits, what) in allowed.items():
        if others[name] is not None and not fits:
            raise ValueError(f"{name} is {others[name]!r}; give {what}")


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return False
    return True


def _above_zero(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0


def _check_folder(folder: Path, model: Decoder, loader: Any, resume: bool) -> None:
    if (folder / CHECKPOINTS).is_symlink():
        raise ValueError(
            f"{folder / CHECKPOINTS} is a link, and links inside a run are not followed; make {folder} the link"
        )
    if not hasattr(loader, "state_dict"):
        raise ValueError(f"a {type(loader).__name__} cannot say where it is, to go on there; give a lilllm.data.Loader")
    family_of(model.config)  # a model that could not be saved is refused before it is trained
    if not resume:
        refuse_taken(folder)


def refuse_taken(folder: Path) -> None:
    """Raise FileExistsError where ``folder`` is a file, or holds a run already."""
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"{folder} is a file; give a folder for the run")
    if (folder / RUN).exists() or files.checkpoints(folder):
        raise FileExistsError(f"{folder} holds a run already; go on with it (--resume), or give another folder (--out)")
