"""Our Decoder as a folder that transformers, and what reads its format (vLLM, llama.cpp's converter), can load.

    export(model, "folder")  ->  folder/config.json, folder/model.safetensors (or shards and their index)
    AutoModelForCausalLM.from_pretrained("folder")          no code of ours is needed

All is written beside the folder first and renamed when it is whole: a full disk or Ctrl-C leaves what was there before.

Read in order: export, _shards (which tensor goes to which file), _place (the renaming).

Leaves out: tokenizer files. Whoever loads the folder brings token ids, or puts a tokenizer's files beside the weights.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
from pathlib import Path
from typing import Literal

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from lilllm.models import config_write
from lilllm.models.decoder import Decoder
from lilllm.models.families import pieces
from lilllm.models.shards import DTYPES, INDEX, SINGLE

SHARD_SIZE = 4 * 10**9  # bytes: below FAT32's limit, and few enough to fetch again when one is cut short
_WRITTEN = re.compile(r"config\.json|model(-\d{5}-of-\d{5})?\.safetensors|model\.safetensors\.index\.json")


def export(
    model: Decoder,
    folder: str | os.PathLike[str],
    *,
    format: Literal["hf"] = "hf",
    shard_size: int = SHARD_SIZE,
    overwrite: bool = False,
    bos_token_id: int | None = None,
    eos_token_id: int | None = None,
) -> Path:
    """Write ``model`` to ``folder`` as a GPT-2, Llama, Qwen3, Qwen2 or Mistral: the first of them that it is.

    Args:
        folder: made if needed; it must be empty, or ``overwrite`` given.
        format: "hf", Hugging Face's.
        shard_size: bytes; weights above are split into files of at most this, and an index.
        overwrite: replace an earlier checkpoint there. Other files in the folder, a tokenizer's for one, stay.
        bos_token_id, eos_token_id: for config.json; transformers' generate stops at the second.
    Returns:
        The folder.
    Raises:
        ValueError: no family can hold such a model, it is none, it has no numbers, or the format is unknown.
        FileExistsError: the folder is not empty, and ``overwrite`` is not given.
        OSError: the disk is full, or cannot be written to.
    Holds: what from_pretrained then reads has the same parameters, bit for bit.
    """
    if format != "hf":
        raise ValueError(f"format is {format!r}; give 'hf', the only one that is written")
    if not isinstance(model, Decoder):
        raise ValueError(f"{type(model).__name__} cannot be exported; give the Decoder itself, not what wraps it")
    if model.cross:
        raise ValueError("a decoder with cross-attention is half of a model; no family that is written here has that")
    if shard_size < 1:
        raise ValueError(f"shard_size is {shard_size}; give a number of bytes of at least 1")
    family = config_write.family_of(model.config)
    ours = {name: parameter.detach() for name, parameter in model.named_parameters()}
    theirs = {piece.theirs: piece.of(ours[piece.ours]) for piece in pieces(family, model.config, ours)}
    _check_numbers(ours)
    target = Path(folder).expanduser().resolve()
    if target.exists() and not target.is_dir():
        raise FileExistsError(f"{target} is a file; give a folder")
    if target.exists() and any(target.iterdir()) and not overwrite:
        raise FileExistsError(f"{target} is not empty; give another folder, or overwrite=True for the model there")
    if target.exists() and any(target.iterdir()) and not (target / "config.json").exists():
        raise FileExistsError(f"{target} holds other things than a checkpoint and stays as it is; give another folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    config = config_write.write(
        model.config, family, model.embed.weight.dtype, bos_token_id=bos_token_id, eos_token_id=eos_token_id
    )
    new, old = _beside(target, "partial"), _beside(target, "old")
    try:
        new.mkdir()
        _write_weights(theirs, new, shard_size)
        _write_json(new / "config.json", config)
        _place(new, target, old)
    except BaseException:  # Ctrl-C too
        if old.exists() and not target.exists():
            old.rename(target)
        for rest in (new, old):
            shutil.rmtree(rest, ignore_errors=True)
        raise
    return target


def _check_numbers(ours: dict[str, Tensor]) -> None:
    for name, parameter in ours.items():
        if parameter.is_meta:
            raise ValueError(f"{name} is on the meta device and has no numbers; load or initialise the model first")
        if parameter.dtype not in DTYPES.values():
            raise ValueError(f"{name} is {parameter.dtype}; only {', '.join(map(str, DTYPES.values()))} are written")


def _write_weights(theirs: dict[str, Tensor], folder: Path, shard_size: int) -> None:
    shards = _shards(theirs, shard_size)
    files = [SINGLE]
    if len(shards) > 1:
        files = [f"model-{i:05}-of-{len(shards):05}.safetensors" for i in range(1, len(shards) + 1)]
    for file, names in zip(files, shards, strict=True):
        numbers = {name: theirs[name].cpu().contiguous() for name in names}
        try:
            save_file(numbers, folder / file, metadata={"format": "pt"})
        except SafetensorError as error:
            raise OSError(f"{folder.parent}: {file} could not be written ({error}); nothing is left of it") from None
        _to_disk(folder / file)
    if len(shards) > 1:
        places = {name: file for file, names in zip(files, shards, strict=True) for name in names}
        size = sum(tensor.nbytes for tensor in theirs.values())
        _write_json(folder / INDEX, {"metadata": {"total_size": size}, "weight_map": places})


def _shards(theirs: dict[str, Tensor], shard_size: int) -> list[list[str]]:
    """Names in order, a new file where one would grow beyond ``shard_size``; a larger tensor has a file to itself."""
    shards: list[list[str]] = [[]]
    filled = 0
    for name, tensor in theirs.items():
        if shards[-1] and filled + tensor.nbytes > shard_size:
            shards.append([])
            filled = 0
        shards[-1].append(name)
        filled += tensor.nbytes
    return shards


def _write_json(path: Path, values: dict[str, object]) -> None:
    path.write_text(json.dumps(values, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    _to_disk(path)


def _to_disk(path: Path) -> None:
    """So that a rename after it never shows an empty file, whenever power fails."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _place(new: Path, target: Path, old: Path) -> None:
    """Rename ``new`` to ``target``, and what is there to ``old``, which goes; first carry over what no export wrote."""
    if not target.exists():
        new.rename(target)
        return
    for path in target.iterdir():
        if not _WRITTEN.fullmatch(path.name):
            _carry(path, new / path.name)
    target.rename(old)
    new.rename(target)
    shutil.rmtree(old)


def _beside(target: Path, kind: str) -> Path:
    """A hidden name of its own in the same folder, hence on the same disk: a rename does not cross disks."""
    return target.parent / f".{target.name}-{secrets.token_hex(4)}.{kind}"


def _carry(path: Path, to: Path) -> None:
    """A second name for a file where the disk can do so, a copy otherwise; folders with all they hold."""
    if path.is_dir() and not path.is_symlink():
        shutil.copytree(path, to, symlinks=True, copy_function=_carry_file)
    else:
        _carry_file(path, to)


def _carry_file(path: str | Path, to: str | Path) -> str:
    try:
        os.link(path, to, follow_symlinks=False)
    except OSError:
        shutil.copy2(path, to, follow_symlinks=False)
    return str(to)
