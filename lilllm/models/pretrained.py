"""Published weights into our Decoder: GPT-2, Llama 2 and 3, SmolLM2, Qwen2, Qwen3, Mistral.

    model = from_pretrained("path/to/folder")                   config.json + *.safetensors
    model = from_pretrained("HuggingFaceTB/SmolLM2-135M")       from the hub, needs the extra `hub`

No transformers is needed, and no code of a checkpoint is run. The model is built without memory (on torch's meta
device), what the files hold is compared with it by name and shape, and only then is memory taken, once: tensor by
tensor the numbers go from the files' memory map into it, cast and moved on the way. Memory peaks at the model plus one
chunk.

Read in order: from_pretrained, _compare (names and shapes), _load (the copying). Names are in `lilllm.models.families`,
config.json in `lilllm.models.config_read`, files in `lilllm.models.shards`, the hub in `lilllm.models.hub`.

Leaves out: tokenizers; a checkpoint's own tokenizer.json belongs to the library that wrote it.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from tqdm.auto import tqdm

from lilllm.models import config_read, hub
from lilllm.models.config import ModelConfig
from lilllm.models.decoder import Decoder
from lilllm.models.families import HEAD, Family, Piece, pieces
from lilllm.models.shards import DTYPES, Stored, contents, few, read_json, rows


def from_pretrained(
    path_or_id: str | os.PathLike[str],
    *,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
    revision: str | None = None,
    progress: bool = True,
) -> Decoder:
    """A decoder with the weights of a checkpoint, ready to evaluate.

    Args:
        path_or_id: a folder with config.json and safetensors; or, if there is none of that name, a model of the hub.
        dtype: of all parameters; None: that in which most of the weights are stored.
        device: where they go; None: torch's default device.
        revision: of a model on the hub: branch, tag or commit. A commit never changes.
        progress: show bars, of what is fetched and of what is read.
    Returns:
        The model in evaluation mode. Dropout is 0, whatever the checkpoint was trained with.
    Raises:
        FileNotFoundError: a folder or a file is not there.
        ValueError: config.json asks for what is not known here; tensors are missing, left over or of another shape; a
            file is damaged.
        ModuleNotFoundError, ConnectionError: see `lilllm.models.hub`.
    Holds: logits equal transformers' to 1e-5 in float32; peak memory is at most 1.2 times the weights.
    """
    if dtype is not None and dtype not in DTYPES.values():
        raise ValueError(f"dtype is {dtype!r}; give one of: {', '.join(map(str, DTYPES.values()))}, or None")
    folder = _folder(path_or_id, revision, progress)
    family, config = config_read.read(read_json(folder / "config.json"), str(folder / "config.json"))
    stored = _weights(family, contents(folder))
    model = _without_memory(config, stored, folder)
    most = _most(stored)
    plan = _compare(family, config, model, stored, folder)
    room = {
        name: torch.empty(parameter.shape, dtype=dtype or most, device=device)
        for name, parameter in model.named_parameters()
    }
    model.load_state_dict(room, assign=True)
    _load(model, plan, progress)
    if config.tied and HEAD in stored:
        _same_as_embedding(model, stored[HEAD])
    return model.eval()


def _folder(path_or_id: str | os.PathLike[str], revision: str | None, progress: bool) -> Path:
    path = Path(path_or_id).expanduser()
    if path.is_dir():
        if revision is not None:
            raise ValueError(
                f"{path} is a folder here; a revision ({revision!r}) is for models on the hub, leave it out"
            )
        return path
    if path.exists():
        raise ValueError(f"{path} is a file; give the folder that holds it and config.json")
    text = os.fspath(path_or_id)
    if not isinstance(path_or_id, str) or text.startswith((".", "~", os.sep)) or path.is_absolute():
        raise FileNotFoundError(f"there is no folder {path}; give that of config.json and *.safetensors")
    return hub.fetch(text, revision=revision, progress=progress)


def _weights(family: Family, stored: dict[str, Stored]) -> dict[str, Stored]:
    """By full names, for files that leave out what stands before all of them; without what holds no weights."""
    if not any(name.startswith(family.prefix) for name in stored):
        stored = {name if name == HEAD else family.prefix + name: each for name, each in stored.items()}
    return {name: each for name, each in stored.items() if not family.spare.fullmatch(name)}


def _without_memory(config: ModelConfig, stored: Mapping[str, Stored], folder: Path) -> Decoder:
    """The model on the meta device: shapes without numbers."""
    if config.n_layers > len(stored):
        raise ValueError(
            f"{folder}: config.json has {config.n_layers} layers and the files only {len(stored)} tensors; the two "
            "are not of one checkpoint, or the download is not whole"
        )
    try:
        with torch.device("meta"), _Undrawn():
            model = Decoder(config)
    except (RuntimeError, OverflowError) as error:
        raise ValueError(f"{folder}: no model has the sizes of config.json ({error})") from None
    assert not list(model.buffers()), "a buffer would be left without its numbers"
    return model


class _Undrawn(TorchFunctionMode):
    """Nothing is drawn at random: it has no place yet, and to pretend torch would import its compiler (1.3 s)."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in _DRAWS:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


_DRAWS = {nn.init.uniform_, nn.init.normal_, nn.init.kaiming_uniform_, Tensor.uniform_, Tensor.normal_}


def _compare(
    family: Family, config: ModelConfig, model: Decoder, stored: Mapping[str, Stored], folder: Path
) -> list[tuple[Piece, Stored]]:
    """What goes where; or ValueError that lists all that does not fit."""
    ours = dict(model.named_parameters())
    wanted = {piece.theirs: piece for piece in pieces(family, config, ours)}
    assert {piece.ours for piece in wanted.values()} == set(ours), "a parameter has no line in the table of names"
    missing = [name for name in wanted if name not in stored]
    spare = {HEAD} if config.tied else set()
    left = [name for name in stored if name not in wanted and name not in spare]
    shapes = {name: tuple(piece.of(ours[piece.ours]).shape) for name, piece in wanted.items()}
    odd = [
        f"{name} is {stored[name].shape} and should be {shape}"
        for name, shape in shapes.items()
        if name in stored and stored[name].shape != shape
    ]
    faults = [f"{len(missing)} of {len(wanted)} tensors are missing: {few(missing)}"] if missing else []
    faults += [f"{len(left)} are left over: {few(left)}"] if left else []
    faults += [f"{len(odd)} have another shape than config.json gives: {few(odd)}"] if odd else []
    if faults:
        raise ValueError(f"{folder}: these are not the weights that config.json describes. {'; '.join(faults)}")
    return [(piece, stored[name]) for name, piece in wanted.items()]


def _most(stored: Mapping[str, Stored]) -> torch.dtype:
    """The dtype that most of the weights' bytes are in. ValueError if one is not of floating-point numbers."""
    sizes: Counter[torch.dtype] = Counter()
    for each in stored.values():
        sizes[each.dtype] += each.n_bytes
    return sizes.most_common(1)[0][0]


@torch.no_grad()
def _load(model: Decoder, plan: list[tuple[Piece, Stored]], progress: bool) -> None:
    ours = dict(model.named_parameters())
    total = sum(stored.n_bytes for _, stored in plan)
    with tqdm(total=total, unit="B", unit_scale=True, desc="weights", disable=not progress) as bar:
        for piece, stored in plan:
            target = piece.of(ours[piece.ours])
            for run, numbers in rows(stored):
                target[run].copy_(numbers)
                bar.update(numbers.nbytes)


@torch.no_grad()
def _same_as_embedding(model: Decoder, head: Stored) -> None:
    """config.json has output and embedding tied, yet the file holds both: then they must be the same numbers."""
    embed = model.embed.weight
    if head.shape != tuple(embed.shape) or not all(
        torch.equal(numbers.to(embed.device, embed.dtype), embed[run]) for run, numbers in rows(head)
    ):
        raise ValueError(
            f"{head.file}: tie_word_embeddings is on in config.json (or by default), but {head.name} is not the "
            "embedding; set it to false there if the model has an output matrix of its own"
        )
