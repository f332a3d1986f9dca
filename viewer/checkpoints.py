"""The models that the playground can load: those of the runs, the one that comes with lilllm, those named at the start.

    streamlit run viewer -- --model FOLDER_OR_HUB_NAME      adds one; may be given several times

Read in order:  find_models (names and folders), speaker and tokenizer (loaded once a file)
Safety:         as in `run_folders`: names select from the list, links below the root are not followed; weights are
                safetensors and JSON, and no code of a checkpoint is run
"""

from __future__ import annotations

import argparse
import os
import re
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import streamlit as st
from run_folders import find_runs, open_regular

import lilllm

if TYPE_CHECKING:
    from lilllm.inference import Speaker

LILTOWN = "liltown"
_COMMITTED = Path(lilllm.__file__).parent / "inference" / "liltown"
_STEP = re.compile(r"step-\d{1,12}")
_WEIGHTS, _TOKENIZER = "model.safetensors", "tokenizer.json"
_FILES = ("config.json", _WEIGHTS, _TOKENIZER)
_MOST = 12  # checkpoints of a run in the list, the newest


def given_models() -> list[str]:
    """What ``--model`` named when the viewer was started."""
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    parser.add_argument("--model", action="append", default=[])
    try:
        return list(parser.parse_known_args(sys.argv[1:])[0].model)
    except argparse.ArgumentError:
        return []


def find_models(root: Path) -> dict[str, str]:
    """Names, and what `lilllm.inference.load` takes: a run's best checkpoint by the run's name, and each of its steps.

    The run written to last comes first, then the models given, then LilTown's own.
    """
    found: dict[str, str] = {}
    for name, folder in find_runs(root).items():
        steps = _steps(folder / "checkpoints")
        if steps:
            found[name] = str(folder)
            found |= {f"{name}/{step.name}": str(step) for step in steps[:_MOST]}
    for name in given_models():
        path = Path(name).expanduser()
        found[name] = str(path) if path.is_dir() else name
    if (_COMMITTED / _WEIGHTS).is_file():
        found.setdefault(LILTOWN, str(_COMMITTED))
    return found


def _steps(folder: Path) -> list[Path]:
    """The whole checkpoints of a run, the newest first: folders of regular files."""
    try:
        if stat.S_ISLNK(os.lstat(folder).st_mode):
            return []
        with os.scandir(folder) as entries:
            names = [one.name for one in entries if _STEP.fullmatch(one.name) and one.is_dir(follow_symlinks=False)]
    except OSError:
        return []
    whole = [name for name in names if all(_regular(folder / name / file) for file in _FILES)]
    return [folder / name for name in sorted(whole, key=lambda one: (int(one[5:]), one), reverse=True)]


def _regular(path: Path) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False


def folder_of(source: str) -> Path:
    """The folder of the checkpoint that ``source`` means now; a run's best may change while it trains.

    Raises: FileNotFoundError, ValueError: as of `lilllm.inference.load`.
    """
    folder = Path(source)
    if (folder / "config.json").is_file():
        return folder
    steps = _steps(folder / "checkpoints")
    if steps:
        best = _best(folder / "checkpoints")
        return next((step for step in steps if step.name == best), steps[0])
    from lilllm.inference.loading import folder_of as meant  # the hub's; it imports torch

    return meant(source)[1]


def _best(folder: Path) -> str:
    """What best.json names, whatever that is: it only selects."""
    try:
        with open_regular(folder / "best.json") as file:
            return msgspec.json.decode(file.read(1 << 16), type=_Best).checkpoint
    except (OSError, ValueError, RecursionError):
        return ""


class _Best(msgspec.Struct):
    checkpoint: str


def stamp(folder: Path) -> tuple[int, ...]:
    """Sizes and times of change of its files: what is loaded is loaded anew when they are others."""
    about = [(folder / name).stat() for name in _FILES if (folder / name).exists()]
    return tuple(number for one in about for number in (one.st_size, one.st_mtime_ns))


@st.cache_resource(max_entries=3, show_spinner="Loading the model ...")
def speaker(folder: str, changed: tuple[int, ...]) -> Speaker:
    """The model of a checkpoint, with its tokenizer. Raises: what `lilllm.inference.load` raises."""
    from lilllm.inference import load

    return load(folder)


@st.cache_resource(max_entries=8, show_spinner="Reading the tokenizer ...")
def tokenizer(folder: str, changed: tuple[int, ...]) -> Any:
    """The tokenizer of a checkpoint alone, which needs no torch. Raises: ValueError, OSError."""
    from lilllm import tokenizers

    return tokenizers.load(Path(folder) / _TOKENIZER)
