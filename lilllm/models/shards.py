"""The files that hold a checkpoint's weights: what is in them, and their numbers, read by memory map.

    folder/model.safetensors                      all weights in one file, or
    folder/model.safetensors.index.json           which shard holds which tensor, and
    folder/model-00001-of-00002.safetensors ...   the shards beside it

A safetensors file is a JSON header (name, dtype, shape, where the bytes lie), then the bytes: reading one runs no code,
where a pickle (`pytorch_model.bin`) may run any. So pickles are never opened.

Read in order: Stored, contents (headers only), rows (the numbers, a few rows at a time), shard_name, read_json.

Leaves out: writing, which is `lilllm.models.export_hf`.
"""

from __future__ import annotations

import json
import re
import reprlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
JSON_SIZE = 10**8  # bytes; an index of a hundred thousand tensors has some 10 MB
CHUNK = 4 * 2**20  # bytes mapped at once: what is read leaves memory again before the next are
MOST_SHOWN = 200  # characters of what a file says, in an error
SHORT = reprlib.Repr()  # of lists and objects as well: the first few parts
SHORT.maxstring = SHORT.maxlong = SHORT.maxother = MOST_SHOWN
_SHARD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\.safetensors")
_LFS = b"version https://git-lfs"


@dataclass(frozen=True)
class Stored:
    """A tensor in a file: where it lies, and what the header says of it; ``kind`` is its word for the dtype."""

    name: str
    file: Path
    shape: tuple[int, ...]
    kind: str

    @property
    def dtype(self) -> torch.dtype:
        """Raises: ValueError: it is not of floating-point numbers."""
        if self.kind not in DTYPES:
            raise ValueError(
                f"{self.file}: {shown(self.name)} is stored as {self.kind}; only {', '.join(DTYPES)} are read, no "
                "quantised weights"
            )
        return DTYPES[self.kind]

    @property
    def n_bytes(self) -> int:
        """Bytes in the file."""
        return torch.Size(self.shape).numel() * self.dtype.itemsize


def contents(folder: Path) -> dict[str, Stored]:
    """All tensors of the checkpoint in ``folder``, by name; no number is read.

    Raises:
        FileNotFoundError: no safetensors file, or a shard that the index names is missing.
        ValueError: a file is cut short or damaged, an index names files outside the folder or a tensor that its shard
            lacks, two shards hold the same tensor.
    """
    if (folder / SINGLE).is_file():
        return {stored.name: stored for stored in _header(folder / SINGLE)}
    if not (folder / INDEX).is_file():
        raise FileNotFoundError(_none_found(folder))
    index = read_json(folder / INDEX)
    places = index.get("weight_map")
    if not isinstance(places, dict) or not places:
        raise ValueError(f"{folder / INDEX}: it has no weight_map of tensor names to files; fetch it again")
    shards = sorted({shard_name(place, folder / INDEX) for place in places.values()})
    if missing := [name for name in shards if not (folder / name).is_file()]:
        raise FileNotFoundError(
            f"{folder}: {len(missing)} of {len(shards)} shards that {INDEX} names are missing: {few(missing)}; get them"
        )
    found: dict[str, Stored] = {}
    for name in shards:
        for stored in _header(folder / name):
            if stored.name in found:
                first = found[stored.name].file.name
                raise ValueError(f"{folder}: {stored.name} is in both {first} and {name}; fetch the checkpoint again")
            found[stored.name] = stored
    astray = [tensor for tensor, place in places.items() if tensor not in found or found[tensor].file.name != place]
    if astray:
        raise ValueError(
            f"{folder}: {len(astray)} of {len(places)} tensors are not in the shard where {INDEX} has them "
            f"({few(astray)}); index and shards are not of one checkpoint, fetch all again"
        )
    return found


def rows(stored: Stored, *, chunk: int = CHUNK) -> Iterator[tuple[slice, Tensor]]:
    """The tensor in runs of rows, each a view of the file's memory map: at most ``chunk`` bytes, but a row at least.

    Each run has a map of its own, so memory holds no more of the file than the run that is read. Copy each at once.
    """
    n = stored.shape[0]
    step = max(1, chunk * n // max(1, stored.n_bytes))
    for start, stop in pairwise([*range(0, n, step), n]):
        with _opened(stored.file) as file:
            with torch.device("cpu"):  # or it would go to a default device, and from there to its place
                numbers = file.get_slice(stored.name)[start:stop]
            yield slice(start, stop), numbers


def shard_name(name: Any, index: Path) -> str:
    """``name`` if it is a plain name of a safetensors file.

    Raises:
        ValueError: it has folders in it, is not safetensors, or is no text: an index from elsewhere could name any file
            of this machine.
    """
    if not isinstance(name, str) or not _SHARD.fullmatch(name):
        raise ValueError(
            f"{index}: it names the file {SHORT.repr(name)}; a shard is a plain name that ends in .safetensors, beside "
            "the index"
        )
    return name


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it holds anything else, or more than `JSON_SIZE` bytes.
    """
    if not path.is_file():
        what = "is no file" if path.exists() else "does not exist"
        raise FileNotFoundError(f"{path} {what}; a checkpoint is a folder of config.json and *.safetensors")
    if (size := path.stat().st_size) > JSON_SIZE:
        raise ValueError(f"{path}: {size:,} bytes are too many, such a file has at most {JSON_SIZE:,}; fetch it again")
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: it is not JSON ({error}); fetch it again") from None
    if not isinstance(value, dict):
        raise ValueError(
            f"{path}: it holds a {type(value).__name__}, not an object of names and values; fetch it again"
        )
    return value


def few(names: list[str], most: int = 4) -> str:
    """The first names of a list, and how many more there are."""
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(shown, names[:most])) + rest


def shown(name: str) -> str:
    """A name from a file: as it is if it is short and plain, else quoted and cut (it may steer a terminal)."""
    return name if name.isprintable() and len(name) <= MOST_SHOWN else SHORT.repr(name)


def _opened(path: Path) -> Any:
    try:
        return safe_open(path, framework="pt")
    except (SafetensorError, OSError, ValueError) as error:
        with path.open("rb") as file:
            start = file.read(len(_LFS))
        if start == _LFS:
            raise ValueError(f"{path}: it is Git LFS's note of a file, not the file; run `git lfs pull`") from None
        raise ValueError(
            f"{path}: its {path.stat().st_size:,} bytes are no whole safetensors file ({error}); it was cut short or "
            "damaged, fetch it again"
        ) from None


def _header(path: Path) -> Iterator[Stored]:
    with _opened(path) as file:
        for name in file.keys():  # noqa: SIM118, a safe_open is no mapping
            part = file.get_slice(name)
            yield Stored(name, path, tuple(part.get_shape()), part.get_dtype())


def _none_found(folder: Path) -> str:
    there = sorted(path.name for path in folder.iterdir() if path.suffix in {".safetensors", ".bin", ".pth", ".pt"})
    if "adapter_model.safetensors" in there:
        return f"{folder}: it holds an adapter, not a model; merge it into its model and save that"
    if any(not name.endswith(".safetensors") for name in there):
        return (
            f"{folder}: its weights are pickles ({few(there)}), which run code when they are opened; have whoever you "
            "trust save them as safetensors (transformers: model.save_pretrained)"
        )
    held = f"it holds {few(there)}" if there else "it holds no weights"
    if SINGLE in there:
        return f"{folder}: its {SINGLE} is no file, or a link to none; fetch it again"
    return f"{folder}: neither {SINGLE} nor {INDEX} is there ({held}); give the folder of a whole checkpoint"
