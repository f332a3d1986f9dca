"""Which folder a name means: that of a run's best checkpoint, a checkpoint, LilTown's, or one fetched from the hub.

Read in order:  folder_of, _not_here (what may have been meant); `lilllm.runtime.run_folders` knows runs
Light:          torch is imported only where a model is fetched from the hub
"""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path

from lilllm.runtime.run_folders import (
    CHECKPOINTS,
    CONFIG,
    RUN,
    RUNS,
    TOKENIZER,
    best,
    checkpoints,
    find_runs,
    lacking,
    latest,
    step_of,
)

LILTOWN = Path(__file__).parent / "liltown"


def folder_of(
    source: str | os.PathLike[str] | None = None, *, revision: str | None = None, progress: bool = False
) -> tuple[str, Path]:
    """What to call a source (see `lilllm.inference.load`), and the folder of its checkpoint.

    None: the newest run in ./runs that has a checkpoint to speak with, else LilTown.
    """
    if source is None:
        for name, run in find_runs(RUNS).items():
            if checkpoints(run, speaking=True):
                return name, _checkpoint(run)
        return "liltown", _liltown()
    if not isinstance(source, str | os.PathLike):
        raise ValueError(f"source is {source!r}; give liltown, the path of a run or a checkpoint, or an id on the hub")
    path = Path(source).expanduser()
    if os.fspath(source) == "liltown" and not path.is_dir():
        return "liltown", _liltown()
    if not path.is_dir():
        text = os.fspath(source)
        if path.exists():
            raise ValueError(f"{text!r} is a file; give the folder that holds it")
        if not isinstance(source, str) or path.is_absolute() or text.startswith((".", "~")) or text.count("/") > 1:
            raise FileNotFoundError(f"there is no folder {text!r}; give that of a run or a checkpoint")
        from lilllm.models import hub

        hub.check_name(text)
        if "/" not in text or path.parent == RUNS:  # to ask the hub without a network would take half a minute
            raise FileNotFoundError(_not_here(text))
        return text, hub.fetch(text, revision=revision, progress=progress, also=(TOKENIZER, "generation_config.json"))
    if revision is not None:
        raise ValueError(f"{path} is a folder here; a revision ({revision!r}) is for models on the hub, leave it out")
    if (path / CONFIG).is_file():
        inside = path.parent.name == CHECKPOINTS and step_of(path.name) is not None
        return (f"{path.parent.parent.name} {path.name}" if inside else path.resolve().name), path
    if (path / CHECKPOINTS).is_dir() or (path / RUN).is_file():
        return path.resolve().name, _checkpoint(path)
    raise FileNotFoundError(
        f"{path} is neither a run ({RUN}, {CHECKPOINTS}/) nor a checkpoint ({CONFIG}, *.safetensors, {TOKENIZER})"
    )


def _not_here(text: str) -> str:
    """Of a name that is no folder here and none of the hub's either: all of those have an owner by now."""
    known = {"liltown": "liltown"} | {name: path.as_posix() for name, path in find_runs(RUNS).items()}
    near = [repr(known[name]) for name in get_close_matches(Path(text).name, known)]
    told = f"did you mean {' or '.join(near)}? Or " if near else ""
    return (
        f"there is no folder {text!r}; {told}give liltown, the path of a run or a checkpoint, or a model on the hub "
        "with its owner, such as 'openai-community/gpt2'"
    )


def _liltown() -> Path:
    if not (LILTOWN / CONFIG).is_file():
        raise FileNotFoundError(
            "the LilTown checkpoint is not there; make it with `make checkpoint`, or train a model of your own with "
            "`lilllm train`"
        )
    return LILTOWN


def _checkpoint(run: Path) -> Path:
    """A run's best checkpoint, else its newest."""
    if (found := best(run, speaking=True)) is not None:
        return found
    if (run / CHECKPOINTS).is_symlink():
        raise ValueError(f"{run / CHECKPOINTS} is a link, and links inside a run are not followed; give its checkpoint")
    if (part := latest(run)) is not None:
        raise FileNotFoundError(
            f"{run} has no whole checkpoint: {part.name} has no {lacking(part)}, as a file of its own; wait if it is "
            "being copied, or put the file there"
        )
    raise FileNotFoundError(f"{run} has no checkpoint yet; wait for its first, or see `lilllm train --help`")
