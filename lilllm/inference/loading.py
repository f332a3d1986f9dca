"""A speaker from what lies on disk: a run of ours, a checkpoint, a Hugging Face folder, or a model of the hub.

    load()                      the newest run in ./runs, else the LilTown checkpoint that comes with the package
    load("liltown")             that one
    load("runs/mine")           a run: its best checkpoint, else its newest
    load("folder")              config.json, model.safetensors, tokenizer.json
    load("openai-community/gpt2")       from the hub

Files may be anybody's: weights are safetensors, everything else JSON, and no code of a checkpoint is run.

Read in order:  load, folder_of (which folder is meant), _ends (what ends a text)
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import torch

from lilllm import tokenizers
from lilllm.inference.speaker import END_NAMES, Speaker
from lilllm.models import from_pretrained, hub
from lilllm.models.shards import read_json, shown

LILTOWN = Path(__file__).parent / "liltown"
RUNS = Path("runs")
_STEP = re.compile(r"step-(\d{1,12})")
_TOKENIZER = "tokenizer.json"


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
        source: see the top; None: the newest run in ./runs, else LilTown.
        device, dtype: as of `from_pretrained`; dtype None: as stored.
        revision: of a model on the hub.
    Raises:
        FileNotFoundError: there is no such folder, or it lacks a file.
        ValueError: a file is damaged, or holds what is not known here; weights and tokenizer do not belong together.
    """
    name, folder = folder_of(source, revision=revision, progress=progress)
    if not (folder / _TOKENIZER).is_file():
        raise FileNotFoundError(
            f"{folder} has no {_TOKENIZER}, and a model speaks in its tokenizer's tokens; put it beside the weights"
        )
    model = from_pretrained(folder, device=device, dtype=dtype, progress=progress)
    tokenizer = tokenizers.load(folder / _TOKENIZER)
    ends, start = _ends(folder, tokenizer.special_tokens, min(tokenizer.vocab_size, model.config.vocab_size))
    try:
        return Speaker(model, tokenizer, name, ends=ends, start=start)
    except ValueError as error:
        raise ValueError(f"{folder}: {error}") from None


def folder_of(
    source: str | os.PathLike[str] | None = None, *, revision: str | None = None, progress: bool = False
) -> tuple[str, Path]:
    """What to call a source, and the folder of its checkpoint."""
    if source is None:
        run = _newest_run()
        return ("liltown", _liltown()) if run is None else (run.name, _checkpoint(run))
    path = Path(source).expanduser()
    if os.fspath(source) == "liltown" and not path.is_dir():
        return "liltown", _liltown()
    if not path.is_dir():
        text = os.fspath(source)
        if path.exists():
            raise ValueError(f"{shown(text)} is a file; give the folder that holds it")
        if not isinstance(source, str) or path.is_absolute() or text.startswith((".", "~")) or text.count("/") > 1:
            raise FileNotFoundError(f"there is no folder {shown(text)}; give that of a run or a checkpoint")
        return text, hub.fetch(text, revision=revision, progress=progress, also=(_TOKENIZER, "generation_config.json"))
    if revision is not None:
        raise ValueError(f"{path} is a folder here; a revision ({revision!r}) is for models on the hub, leave it out")
    if (path / "config.json").is_file():
        inside = path.parent.name == "checkpoints" and _STEP.fullmatch(path.name)
        return (f"{path.parent.parent.name} {path.name}" if inside else path.resolve().name), path
    if (path / "checkpoints").is_dir() or (path / "run.json").is_file():
        return path.resolve().name, _checkpoint(path)
    raise FileNotFoundError(
        f"{path} is neither a run (run.json, checkpoints/) nor a checkpoint (config.json, *.safetensors, {_TOKENIZER})"
    )


def _liltown() -> Path:
    if not (LILTOWN / "config.json").is_file():
        raise FileNotFoundError(
            "the LilTown checkpoint is not there; make it with `make checkpoint`, or train a model of your own with "
            "`lilllm train`"
        )
    return LILTOWN


def _newest_run() -> Path | None:
    """The run in ./runs whose newest checkpoint is the youngest."""
    if not RUNS.is_dir():
        return None
    found = [(steps[-1].stat().st_mtime, run) for run in RUNS.iterdir() if (steps := _steps(run))]
    return max(found, default=(0.0, None))[1]


def _steps(run: Path) -> list[Path]:
    """The checkpoints of a run that are whole, oldest first."""
    folder = run / "checkpoints"
    if not folder.is_dir():
        return []
    whole = [
        (int(match[1]), path)
        for path in folder.iterdir()
        if (match := _STEP.fullmatch(path.name)) and (path / "config.json").is_file()
    ]
    return [path for _, path in sorted(whole)]


def _checkpoint(run: Path) -> Path:
    """A run's best checkpoint, else its newest."""
    steps = _steps(run)
    if not steps:
        raise FileNotFoundError(f"{run} has no checkpoint yet; wait for its first, or see `lilllm train --help`")
    best = run / "checkpoints" / "best.json"
    if best.is_file():
        named = read_json(best).get("checkpoint")
        for path in steps:  # one of those that are there, whatever the file says
            if path.name == named:
                return path
    return steps[-1]


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
