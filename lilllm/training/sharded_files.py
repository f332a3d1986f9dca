"""The parts of a sharded model and its optimizers on the disk: safetensors, one file a rank.

    checkpoints/step-000500/sharded/shard-00001-model-00001-of-00001.safetensors, ...

torch.distributed.checkpoint writes and reads them, through its storage of safetensors. Its usual one keeps an index
that is read with pickle, which runs whatever code the file holds; it is not used. Where each part belongs in the whole
stands in the file's header. So they are read by any number of ranks, by one process too.

Read in order: write, read.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from lilllm.training import checkpoint as files
from lilllm.training import optimizers as optim

FOLDER = "sharded"
_LARGEST = 2**20  # numbers of a tensor that belongs to no parameter: a random state has thousands


def write(folder: Path, tensors: dict[str, Tensor], group: Any) -> None:
    """Each rank its parts, and of what all have alike one rank.

    Raises:
        OSError: one of them could not; all ranks are told.
    """
    from torch.distributed import checkpoint

    storage = checkpoint.HuggingFaceStorageWriter(str(folder / FOLDER), save_distributed=True)
    try:
        checkpoint.save(tensors, storage_writer=storage, process_group=group)
    except checkpoint.CheckpointException as error:  # no Exception: it would pass whoever cleans up
        raise _as_os_error(error, folder) from None


def read(folder: Path, model: nn.Module, optimizers: list[optim.Named], *, group: Any = None) -> dict[str, Tensor]:
    """Optimizers' state and ranks' own tensors by name, cut as this rank's parameters are.

    Weights that are there in parts go into ``model``. What one process wrote is read too, and holds none.

    Args:
        group: the ranks that read together; None: this process reads by itself.
    Raises:
        CheckpointError: a file is missing, left over or damaged; a tensor is missing or of another shape.
    """
    from torch.distributed import checkpoint

    weights = (folder / FOLDER).is_dir()
    home = folder / FOLDER if weights else folder
    if weights:
        _check_files(folder, home)
    wanted: dict[str, Tensor] = {}
    try:
        storage = checkpoint.HuggingFaceStorageReader(str(home))
        known: dict[str, Any] = storage.read_metadata().state_dict_metadata
        shapes = {name: tuple(each.size) for name, each in known.items()}
        if weights:
            wanted |= {f"model/{name}": parameter.detach() for name, parameter in model.named_parameters()}
        wanted |= _room(shapes, optimizers)
        for name, tensor in wanted.items():
            if name not in shapes or shapes[name] != tuple(tensor.shape):
                there = shapes.get(name, "missing")
                raise ValueError(f"{name} is {there} there, and {tuple(tensor.shape)} here")
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "torch.distributed is disabled")  # that is what is meant
            checkpoint.load(wanted, storage_reader=storage, process_group=group, no_dist=group is None)
    except (SafetensorError, ValueError, KeyError, TypeError, OSError, RuntimeError, AssertionError) as error:
        raise files.CheckpointError(f"{home} cannot be read: {error}") from None
    except checkpoint.CheckpointException as error:
        raise files.CheckpointError(f"{home} cannot be read: {_first(error)}") from None
    return {name: tensor for name, tensor in wanted.items() if not name.startswith("model/")}


def _room(shapes: dict[str, tuple[int, ...]], optimizers: list[optim.Named]) -> dict[str, Tensor]:
    """Empty tensors for what is stored: like their parameter, or of one number, or a rank's own."""
    parameters: dict[str, Tensor] = {}
    for one in optimizers:
        flat = [p for group in one.optimizer.param_groups for p in group["params"]]
        parameters |= {f"optimizer/{one.kind}/{name}": p for name, p in zip(one.names, flat, strict=True)}
    room: dict[str, Tensor] = {}
    for name, shape in shapes.items():
        if name.startswith("own/"):
            if len(shape) != 1 or shape[0] > _LARGEST:
                raise ValueError(f"{name} is {shape}, and no random state")
            room[name] = torch.empty(shape, dtype=torch.uint8)
        elif name.startswith("optimizer/"):
            parameter = parameters.get(name.rpartition("/")[0])
            if parameter is None:
                raise ValueError(f"it holds {name}, which none of this run's optimizers keeps")
            room[name] = torch.zeros_like(parameter.detach()) if shape else torch.zeros(())
    return room


def _check_files(folder: Path, home: Path) -> None:
    """The files are those that trainer.json names, whose hashes are checked before: none is missing, none too many."""
    named = files.read_json(folder / files.STATE).get("files", {})
    there = {f"{FOLDER}/{path.name}" for path in home.iterdir()}
    if odd := there ^ {name for name in named if str(name).startswith(f"{FOLDER}/")}:
        raise files.CheckpointError(f"{home} is not as it was written: {min(odd)} is missing or too many")


def _as_os_error(error: Any, folder: Path) -> OSError:
    first = _first(error)
    number = first.errno if isinstance(first, OSError) else None
    return OSError(number, f"{folder / FOLDER} could not be written: {first}")


def _first(error: Any) -> BaseException:
    """What went wrong on the first rank where something did."""
    return next((failure[0] for failure in error.failures.values()), error)
