"""What no CPU run shows, as far as it can be shown without a GPU: devices that do not mix, and what GPUs are asked."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from lilllm.commands import train
from lilllm.data.loader import sequential
from lilllm.training import evaluate, parallel
from lilllm.training.alone import ALONE
from lilllm.training.mfu import gpu_peak
from lilllm.training.parallel import World
from lilllm.training.recipes import recipe
from tests.training import tiny


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    """All scenarios of `elsewhere`, in a process of their own."""
    names = ["mixing", "training", "generation", "resuming"]
    command = [sys.executable, "-m", "tests.training.elsewhere", *names]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    return dict(zip(names, map(json.loads, done.stdout.splitlines()), strict=True))


def test_the_pretended_device_refuses_what_a_gpu_refuses(told: dict[str, Any]) -> None:
    sum_of_two, drawn = told["mixing"]
    assert "[(2,)] on the CPU, the rest there" in sum_of_two
    assert "a generator of the CPU" in drawn


def test_training_mixes_no_devices_and_waits_twice_a_step(told: dict[str, Any]) -> None:
    """For the loss and for the gradient's norm; Muon, whose rules are ours, looks at its gradients once more. Losses
    agree to the rounding of other kernels, five steps of Adam after it came in."""
    for what, here, there, reads in told["training"]:
        assert [step for step, _ in here] == [step for step, _ in there]
        assert [loss for _, loss in there] == pytest.approx([loss for _, loss in here], rel=1e-4), what
        assert reads == (3 if "optimizer" in what else 2), what


def test_generation_mixes_no_devices(told: dict[str, Any]) -> None:
    for what, here, there in told["generation"]:
        assert here == there, what


def test_a_resumed_optimizer_is_where_its_parameters_are(told: dict[str, Any]) -> None:
    for what, equal, there in told["resuming"]:
        assert equal, what
        assert there, what


@pytest.mark.parametrize(
    ("name", "tera"),
    [
        ("NVIDIA H100 80GB HBM3", 989.4),
        ("NVIDIA H100 PCIe", 756.5),
        ("NVIDIA H100 NVL", 835.5),
        ("NVIDIA H200", 989.4),
        ("NVIDIA GH200 480GB", 989.4),
        ("NVIDIA A100-SXM4-80GB", 312),
        ("NVIDIA A100-PCIE-40GB", 312),
        ("NVIDIA L4", 121),
        ("NVIDIA L40S", 362),
        ("NVIDIA A10", 125),
        ("NVIDIA GeForce RTX 4090", 165.2),
        ("Tesla V100-SXM2-16GB", 125),
        ("Tesla V100-PCIE-32GB", 112),
        ("Tesla T4", 65),
    ],
)
def test_peaks_by_the_names_of_cuda(name: str, tera: float) -> None:
    assert gpu_peak(name) == pytest.approx(tera * 1e12)


@pytest.mark.parametrize(
    "name",
    [
        *("NVIDIA H100 80GB HBM3 MIG 1g.10gb", "NVIDIA GeForce RTX 4090 Laptop GPU", "NVIDIA GeForce RTX 4090 D"),
        *("NVIDIA T400 4GB", "NVIDIA A10G", "NVIDIA L40", "NVIDIA H20", "NVIDIA RTX 4000 Ada Generation", ""),
    ],
)
def test_no_peak_of_a_gpu_that_is_not_known(name: str) -> None:
    assert gpu_peak(name) is None


def test_each_rank_takes_the_gpu_of_its_number_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[Any] = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: called.append(device))
    monkeypatch.setattr(torch.distributed, "init_process_group", lambda *given, **named: called.append((given, named)))
    device = parallel.join(World(6, 8, 2, 4), "cuda")
    assert device == called[0] == torch.device("cuda", 2)
    (backend,), named = called[1]
    assert (backend, named["device_id"]) == ("cpu:gloo,cuda:nccl", device)
    assert (named["rank"], named["world_size"], named["timeout"]) == (6, 8, parallel.PATIENCE)


def test_no_gpu_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(ValueError, match="torch sees 0 GPUs; give --device cpu"):
        parallel.join(World(0, 2, 0, 2), "cuda")


@pytest.mark.parametrize(("native", "precision"), [(True, "bf16"), (False, "fp16")])
def test_a_gpu_without_bf16_gets_fp16(monkeypatch: pytest.MonkeyPatch, native: bool, precision: str) -> None:
    """torch says that it can, for it can imitate it; that is slow."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation or native)
    assert recipe("lillm-39m", torch.device("cuda")).precision == precision
    assert recipe("lillm-39m", torch.device("cpu")).precision == "fp32"


def test_a_full_gpu_says_what_to_give(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> int:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 1")

    monkeypatch.setattr("lilllm.commands.train._train", full)
    told = CliRunner().invoke(train.command, [])
    assert told.exit_code == 1
    assert (
        "no memory left (CUDA out of memory. Tried to allocate 2.00 GiB); give a smaller --micro-batch" in told.output
    )


def test_every_rank_runs_the_model_on_what_counts_for_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """With FSDP a model is gathered from all ranks: one that left a batch out would leave the others waiting."""
    called = 0

    class Two(type(ALONE)):  # type: ignore[misc]
        world_size = 2

    def loss(*_: Any, **__: Any) -> torch.Tensor:
        nonlocal called
        called += 1
        return torch.tensor(1.0)

    masked = sequential(tiny.corpus(size=100), 2, tiny.T)
    first = next(masked)
    first.targets.fill_(-100)
    model = tiny.model()
    monkeypatch.setattr(model, "loss", loss)
    monkeypatch.setattr("lilllm.training.evaluation.loader.sequential", lambda *_, **__: iter([first, *masked]))
    evaluate(model, tiny.corpus(size=100), batch_size=2, context_len=tiny.T, parallel=Two())
    assert called == 3  # batches of six windows
