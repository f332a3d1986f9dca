"""A speaker from what lies on disk: a run of ours, a checkpoint, a Hugging Face folder, or a model of the hub.

    load()                      the newest run in ./runs, else the LilTown checkpoint that comes with the package
    load("liltown")             that one
    load("runs/mine")           a run: its best checkpoint, else its newest
    load("folder")              config.json, model.safetensors, tokenizer.json
    load("openai-community/gpt2")       from the hub

Files may be anybody's: weights are safetensors, everything else JSON, and no code of a checkpoint is run.

Read in order:  load, _check_numbers (weights that are none), _ends (what ends a text); `lilllm.inference.sources` says
                which folder is meant
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from lilllm import tokenizers
from lilllm.inference.sources import folder_of
from lilllm.inference.speaker import Speaker
from lilllm.models import Decoder, from_pretrained
from lilllm.models.shards import few, read_json
from lilllm.runtime import device as devices
from lilllm.runtime.run_folders import TOKENIZER
from lilllm.tokenizers.protocol import END_NAMES


def load(
    source: str | os.PathLike[str] | None = None,
    *,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    revision: str | None = None,
    progress: bool = False,
) -> Speaker:
    """A model and its tokenizer, ready to speak.

    Args:
        source: "liltown"; the path of a run (its best checkpoint, else its newest), of one checkpoint, or of a folder
            with config.json, *.safetensors and tokenizer.json; a model on the hub as "owner/name". None: the newest run
            in ./runs, else LilTown.
        device, dtype: as of `from_pretrained`; dtype None: as stored.
        revision: of a model on the hub.
        progress: show bars, of what is fetched and of what is read.
    Raises:
        FileNotFoundError: there is no such folder, or it lacks a file.
        ValueError: a file is damaged, or holds what is not known here; weights hold NaN or infinity, or do not belong
            to the tokenizer; the hub has no such model or revision.
        ConnectionError: the hub was not reached, and its cache lacks a file.
        ModuleNotFoundError: the source is on the hub, and huggingface_hub is not installed.
    """
    name, folder = folder_of(source, revision=revision, progress=progress)
    if not (folder / TOKENIZER).is_file():
        raise FileNotFoundError(
            f"{folder} has no {TOKENIZER}, and a model speaks in its tokenizer's tokens; put it beside the weights"
        )
    device = None if device is None else devices.choose(device)
    model = from_pretrained(folder, device=device, dtype=dtype, progress=progress)
    _check_numbers(model, folder)
    tokenizer = tokenizers.load(folder / TOKENIZER)
    ends, start = _ends(folder, tokenizer.special_tokens, min(tokenizer.vocab_size, model.config.vocab_size))
    try:
        return Speaker(model, tokenizer, name, ends=ends, start=start)
    except ValueError as error:
        raise ValueError(f"{folder}: {error}") from None


def _check_numbers(model: Decoder, folder: Path) -> None:
    """ValueError where weights are no numbers: torch's fused attention hides NaN, and the model would speak."""
    ranges = {name: torch.stack(torch.aminmax(weights)) for name, weights in model.named_parameters()}
    if odd := [name for name, ends in ranges.items() if not ends.isfinite().all()]:  # of NaN both are NaN
        raise ValueError(
            f"{folder}: {len(odd)} of {len(ranges)} tensors hold NaN or infinity: {few(odd)}; the weights are damaged, "
            "or training went wrong: take an earlier checkpoint"
        )


def _ends(folder: Path, special: dict[str, int], V: int) -> tuple[list[int], int | None]:
    """Ids that end a text, as the checkpoint's files say or as the tokenizer's names tell; the id that begins one."""
    found: list[int] = []
    start: int | None = None
    for file in ("generation_config.json", "config.json"):
        if not (folder / file).is_file():
            continue
        said: dict[str, Any] = read_json(folder / file)
        ends = said.get("eos_token_id")
        found += [each for each in (ends if isinstance(ends, list) else [ends]) if type(each) is int and 0 <= each < V]
        begin = said.get("bos_token_id")
        if start is None and type(begin) is int and 0 <= begin < V:
            start = begin
    found += [special[name] for name in END_NAMES if name in special]
    return list(dict.fromkeys(found)), start
