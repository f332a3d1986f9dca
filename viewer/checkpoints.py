"""The models that the playground can load: those of the runs, the one that comes with lilllm, those named at the start.

Read in order:  find_models (names and folders), speaker and tokenizer (loaded once a file)
Safety:         as in `lilllm.runtime.run_folders`: names select from the list, links below the root are not followed;
                weights are safetensors and JSON, and no code of a checkpoint is run
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st
from given import given_models

from lilllm.inference.sources import LILTOWN
from lilllm.runtime.run_folders import CONFIG, TOKENIZER, WEIGHTS, checkpoints, find_runs, lacking

if TYPE_CHECKING:
    from lilllm.inference import Speaker

_MOST = 12  # checkpoints of a run in the list, the newest


def find_models(root: Path) -> dict[str, str]:
    """Names, and what `lilllm.inference.load` takes: a run's best checkpoint by the run's name, and each of its steps.

    The newest run that can speak comes first, which `load` takes where nothing is named; then the models given, then
    LilTown's own.
    """
    found: dict[str, str] = {}
    for name, run in find_runs(root).items():
        steps = checkpoints(run, speaking=True)
        if steps:
            found[name] = str(run)
            found |= {f"{name}/{step.name}": str(step) for step in reversed(steps[-_MOST:])}
    for name in given_models():
        path = Path(name).expanduser()
        found[name] = str(path) if path.is_dir() else name
    if not lacking(LILTOWN):
        found.setdefault(LILTOWN.name, str(LILTOWN))
    return found


def stamp(folder: Path) -> tuple[int, ...]:
    """Sizes and times of change of its files: what is loaded is loaded anew when they are others."""
    about = [(folder / name).stat() for name in (CONFIG, *WEIGHTS, TOKENIZER) if (folder / name).exists()]
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

    return tokenizers.load(Path(folder) / TOKENIZER)
