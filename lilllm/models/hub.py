"""A checkpoint from the Hugging Face hub, by its name: config.json and safetensors, and nothing else, of one commit.

Read in order: fetch (into the hub's own cache; what is there is not fetched again), check_name, check_revision.

Files that run code when they are opened (pickles, Python) are never asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lilllm.models.shards import INDEX, SINGLE, read_json, shard_name

_PART = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?"
_NAME = re.compile(rf"{_PART}(?:/{_PART})?")
_REVISION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]{0,254}")
_COMMIT = re.compile(r"[0-9a-f]{40}")


def fetch(name: str, *, revision: str | None = None, progress: bool = True, also: Sequence[str] = ()) -> Path:
    """The folder, in the hub's cache, of the model ``name`` at ``revision`` (a branch, a tag or a commit; None: main).

    The first file tells the commit, and the others are taken from that commit: a push in between mixes nothing.

    Args:
        also: more files to fetch where the model has them, such as "tokenizer.json".
    Raises:
        ModuleNotFoundError: huggingface_hub is not installed.
        ValueError: no such name, revision or safetensors there, or they need an account that may read them.
        ConnectionError: the hub was not reached, and the cache lacks a file.
    """
    check_name(name)
    check_revision(revision)
    try:
        import huggingface_hub as hub
    except ImportError:
        raise ModuleNotFoundError(
            f"to fetch {name!r} from the hub, install huggingface_hub: pip install 'lilllm[hub]'; or give the path of "
            "a folder with its config.json and *.safetensors"
        ) from None
    from huggingface_hub import errors

    def get(file: str, at: str | None) -> Path:
        return Path(hub.hf_hub_download(name, file, revision=at))

    with _told(name, revision, errors), _bars(progress):
        config = get("config.json", revision)
        commit = config.parent.name if _COMMIT.fullmatch(config.parent.name) else revision
        try:
            get(SINGLE, commit)
        except errors.EntryNotFoundError:
            for shard in _shards(lambda: get(INDEX, commit)):
                get(shard, commit)
        for file in also:
            with suppress(errors.EntryNotFoundError):
                get(file, commit)
    return config.parent


def check_name(name: str) -> None:
    """Raise ValueError unless ``name`` is like "gpt2" or "openai-community/gpt2": no path, no address."""
    if not _NAME.fullmatch(name) or "--" in name or ".." in name or name.endswith(".git"):
        raise ValueError(
            f"{name!r} is neither a folder here nor a name on the hub; give the path of a folder with config.json and "
            "*.safetensors, or a name such as 'HuggingFaceTB/SmolLM2-135M'"
        )


def check_revision(revision: str | None) -> None:
    """Raise ValueError unless ``revision`` is a branch, a tag or a commit: it becomes part of a path in the cache."""
    if revision is not None and (not _REVISION.fullmatch(revision) or ".." in revision or "//" in revision):
        raise ValueError(f"revision is {revision!r}; give a branch, a tag or a commit, such as 'main'")


def _shards(index: Callable[[], Path]) -> list[str]:
    path = index()
    places = read_json(path).get("weight_map")
    if not isinstance(places, dict):
        raise ValueError(f"{path}: it has no weight_map of tensor names to files")
    return sorted({shard_name(place, path) for place in places.values()})


@contextmanager
def _told(name: str, revision: str | None, errors: Any) -> Iterator[None]:
    """The hub's errors as ours: what is wrong, and what to do."""
    at = f"{name!r}" if revision is None else f"{name!r} at {revision!r}"
    try:
        yield
    except errors.GatedRepoError:
        raise ValueError(
            f"{at} is there for those who accepted its terms: do so on its page on the hub, then run `hf auth login`"
        ) from None
    except errors.RepositoryNotFoundError:
        raise ValueError(
            f"there is no folder {name!r} here, and the hub has no model of that name that you may read; check it, or "
            "run `hf auth login` if the model is private"
        ) from None
    except errors.RevisionNotFoundError:
        raise ValueError(f"the model {name!r} has no revision {revision!r}; give a branch, a tag or a commit") from None
    except errors.LocalEntryNotFoundError:
        raise ConnectionError(
            f"{at} is no folder here and is not whole in the hub's cache, and the hub cannot be reached (or "
            "HF_HUB_OFFLINE is set); connect and try again, what was fetched is kept; or give the path of a folder "
            "with config.json and *.safetensors"
        ) from None
    except errors.EntryNotFoundError:
        raise ValueError(
            f"{at} has no config.json, or no weights as safetensors; pickles are not read, since they can run any code"
        ) from None
    except errors.HfHubHTTPError as error:
        raise ConnectionError(f"the hub did not give {at}: {error}") from None


@contextmanager
def _bars(progress: bool) -> Iterator[None]:
    """The hub's own progress bars, off if asked, and back as they were."""
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    if progress or are_progress_bars_disabled():
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()
