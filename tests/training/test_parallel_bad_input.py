"""Ranks that cannot be, batches that cannot be shared, sharded files that are not what they were."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from lilllm.training import CheckpointError, checkpoint, parallel
from lilllm.training.checkpoint import digest
from lilllm.training.parallel import DataParallel, World
from tests.training import rank_scenarios as scenarios
from tests.training import ranks, tiny


def test_alone_without_torchrun(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    assert parallel.here() is None
    with pytest.raises(ValueError, match=r"call parallel\.join first"):
        DataParallel()


@pytest.mark.parametrize(
    ("rank", "size", "local"), [("2", "2", "0"), ("-1", "2", "0"), ("0", "2", "2"), ("a", "2", "0")]
)
def test_ranks_that_cannot_be(monkeypatch: pytest.MonkeyPatch, rank: str, size: str, local: str) -> None:
    for name, value in (("RANK", rank), ("WORLD_SIZE", size), ("LOCAL_RANK", local), ("LOCAL_WORLD_SIZE", size)):
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match="start with torchrun"):
        parallel.here()


def test_a_batch_that_ranks_cannot_share() -> None:
    assert World(0, 4, 0, 4).share_of(8) == 2
    with pytest.raises(ValueError, match="a batch of 10 rows is no multiple of 4 processes; give 8 or 12"):
        World(0, 4, 0, 4).share_of(10)
    with pytest.raises(ValueError, match="give 4"):
        World(0, 4, 0, 4).share_of(3)


def test_more_ranks_than_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ValueError, match="2 processes were started here, and torch sees 1 GPUs"):
        parallel.join(World(0, 2, 0, 2), "cuda")
    with pytest.raises(ValueError, match="cpu or cuda"):
        parallel.join(World(0, 2, 0, 2), "mps")


def test_what_is_said_of_a_rank_that_is_gone() -> None:
    assert parallel.lost(RuntimeError("[pair.cc:538] Connection closed by peer [127.0.0.1]:5016"))
    assert parallel.lost(torch.distributed.DistBackendError("remote process exited"))
    assert not parallel.lost(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not parallel.lost(ValueError("Connection closed by peer"))


def test_a_model_without_numbers_is_for_fsdp() -> None:
    with pytest.raises(ValueError, match="on the meta device and has no numbers"):
        tiny.trainer(None, model=tiny.model(device="meta"))


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two ranks with FSDP."""
    folder = tmp_path_factory.mktemp("begun")
    ranks.together(2, "begin", folder)
    return folder / "fsdp"


@pytest.mark.parametrize("what", ["missing", "too many", "changed", "cut", "pickle", "shape", "another rank's twice"])
def test_sharded_files_that_are_not_what_they_were(begun: Path, tmp_path: Path, what: str) -> None:
    """A checkpoint without its hashes' consent is not read; nor one whose hashes fit and whose tensors do not."""
    scenarios.copy(begun, tmp_path / "run")
    path = checkpoint.latest(tmp_path / "run")
    assert path is not None
    first, second = sorted((path / "sharded").iterdir())
    if what == "missing":
        second.unlink()
    elif what == "too many":
        (path / "sharded" / "more.safetensors").write_bytes(first.read_bytes())
    elif what == "changed":
        data = bytearray(second.read_bytes())
        data[-1] ^= 1
        second.write_bytes(data)
    elif what == "cut":
        second.write_bytes(second.read_bytes()[:100])
        sign(path)
    elif what == "pickle":
        second.unlink()
        (path / "sharded" / ".metadata").write_bytes(b"cos\nsystem\n(S'echo no'\ntR.")
        sign(path)
    elif what == "shape":
        save_file({name: value[:1] if value.ndim else value for name, value in load_file(second).items()}, second)
        sign(path)
    else:
        second.write_bytes(first.read_bytes())
        sign(path)
    with pytest.raises(CheckpointError):
        scenarios.trainer("alone", tmp_path / "run", resume=True)


def sign(path: Path) -> None:
    """Make the hashes fit, as who wants to deceive would."""
    state = json.loads((path / "trainer.json").read_text())
    files = [one for one in path.rglob("*") if one.is_file() and one.name != "trainer.json"]
    state["files"] = {one.relative_to(path).as_posix(): digest(one) for one in files}
    (path / "trainer.json").write_text(json.dumps(state))
