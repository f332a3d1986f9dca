"""Two processes are one: the same losses and weights, whichever way they share the model and whoever began."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file

from lilllm.commands import train
from lilllm.models import from_pretrained
from lilllm.training import Trainer, checkpoint
from tests.training import rank_scenarios as scenarios
from tests.training import ranks, tiny

# One step moves a weight by up to lr = 1e-2. Two processes sum a gradient in another order, which is 1e-7 of it; where
# it is next to nothing AdamW divides it by its own size, and it becomes a part of a step. A hundredth of one, that is.
CLOSE = 1e-4
LOSS = 1e-5  # of a loss of 3: float32's rounding, over the same few steps
BOTH = ["ddp", "fsdp"]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Trainer:
    """One process, for all that two are compared with."""
    one = scenarios.trainer("alone", tmp_path_factory.mktemp("alone") / "run", changes={"keep": 9})
    one.run()
    return one


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two ranks left of all scenarios that end well; they start once, for starting takes seconds."""
    folder = tmp_path_factory.mktemp("two")
    names = "whole,stopped,born,kinds,clipped,meetings,poisoned,asked_to_stop,full_disk"
    ranks.together(2, names, folder)
    return folder


def weights(folder: Path, name: str) -> dict[str, torch.Tensor]:
    return load_file(folder / f"{name}.safetensors")


def records(folder: Path, name: str, kind: str, value: str) -> list[float]:
    return [one[value] for one in json.loads((folder / f"{name}.json").read_text()) if one["kind"] == kind]


def noted(folder: Path, name: str) -> list[Any]:
    return [json.loads((folder / f"{name}.{rank}.json").read_text()) for rank in (0, 1)]


def furthest(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    assert a.keys() == b.keys()
    return max(float((a[name] - b[name]).abs().max()) for name in a)


@pytest.mark.parametrize("kind", BOTH)
def test_two_processes_equal_one(two: Path, alone: Trainer, kind: str) -> None:
    assert furthest(weights(two, kind), tiny.weights(alone)) < CLOSE
    for what, value in (("train", "loss"), ("train", "grad_norm"), ("eval", "loss"), ("eval", "bits_per_byte")):
        ours = [one[value] for one in alone.history if one["kind"] == what]
        assert records(two, kind, what, value) == pytest.approx(ours, rel=LOSS), (what, value)
        assert len(ours) > 2
    assert records(two, kind, "train", "tokens") == [one["tokens"] for one in alone.history if one["kind"] == "train"]


@pytest.mark.parametrize("kind", BOTH)
def test_resumed_to_the_bit(two: Path, kind: str) -> None:
    once, twice = weights(two, f"{kind}-once"), weights(two, f"{kind}-twice")
    assert tiny.same(once, twice)
    assert records(two, f"{kind}-once", "train", "loss") == records(two, f"{kind}-twice", "train", "loss")


def test_ddp_writes_what_one_process_writes(two: Path, alone: Trainer) -> None:
    assert alone.folder is not None
    ours, theirs = checkpoint.latest(alone.folder), checkpoint.latest(two / "ddp")
    assert ours is not None
    assert theirs is not None
    assert sorted(path.name for path in ours.iterdir()) == sorted(path.name for path in theirs.iterdir())
    names = load_file(ours / "trainer.safetensors").keys()
    assert load_file(theirs / "trainer.safetensors").keys() == {*names, "own/random/1/cpu"}


def test_weights_gathered_are_those_in_parts(two: Path) -> None:
    path = checkpoint.latest(two / "fsdp")
    assert path is not None
    model = from_pretrained(path, progress=False)
    gathered = {name: value.detach() for name, value in model.named_parameters()}
    assert tiny.same(gathered, weights(two, "fsdp"))
    parts: dict[str, list[torch.Tensor]] = {}
    for file in sorted((path / "sharded").iterdir()):
        for name, value in load_file(file).items():
            parts.setdefault(name, []).append(value)
    for name, value in gathered.items():
        held = parts[f"model/{name}"]
        assert len(held) == 2, "each rank has a part"
        assert torch.equal(torch.cat(held), value)


@pytest.mark.parametrize("init", ["gpt2", "glorot", "fan_in"])
def test_weights_that_begin_in_parts(two: Path, init: str) -> None:
    """Each rank draws its part of what one process draws from the same seed, and holds no more."""
    model = tiny.model(0.0, seed=5, init=init, n_kv_heads=1, qkv_bias=True)
    assert tiny.same(weights(two, f"born-{init}"), {name: p.detach() for name, p in model.named_parameters()})
    (first, all_of_it), (second, _) = noted(two, f"born-{init}")
    assert first + second == all_of_it == sum(p.numel() for p in model.parameters())
    assert abs(first - second) < all_of_it / 10


# bfloat16 has 8 bits: under FSDP the stream itself is rounded to it, under autocast only what is multiplied. Muon's
# step is the same size in every direction, also those where the gradient is mere rounding.
@pytest.mark.parametrize(("name", "close"), [("muon", 5e-3), ("bf16", 0.1)])
def test_other_optimizer_and_precision(two: Path, name: str, close: float) -> None:
    changes: dict[str, Any] = {"muon": {"optimizer": "muon"}, "bf16": {"precision": "bf16"}}[name]
    one = scenarios.trainer("alone", None, changes=changes, model=tiny.model(0.0, tied=False))
    one.run()
    ours = [record["loss"] for record in one.history if record["kind"] == "train"]
    for kind in BOTH:
        assert records(two, f"{name}-{kind}", "train", "loss") == pytest.approx(ours, abs=close), kind


@pytest.mark.parametrize("kind", BOTH)
def test_clipped_to_a_norm_of_all_parts(two: Path, alone: Trainer, kind: str) -> None:
    """AdamW divides a gradient by its size: what it does next would not tell whether it was clipped."""
    first = next(record["grad_norm"] for record in alone.history if record["kind"] == "train")
    assert first > 0.1
    assert noted(two, f"clipped-{kind}") == [[pytest.approx(first, rel=LOSS), pytest.approx(0.01, rel=1e-3)]] * 2


def test_gradients_meet_once_a_step(two: Path) -> None:
    assert noted(two, "meetings") == [3, 3]  # three steps, each of four micro-batches


@pytest.mark.parametrize("what", ["loss", "gradient"])
@pytest.mark.parametrize("kind", BOTH)
def test_one_rank_that_is_not_finite_stops_all(two: Path, kind: str, what: str) -> None:
    for told, step, unchanged in noted(two, f"poisoned-{kind}-{what}"):
        assert f"step 3: the {what} of batch 2 is n" in told
        assert (step, unchanged) == (2, True)


def test_a_signal_at_any_rank_stops_all_after_the_same_step(two: Path) -> None:
    assert noted(two, "stopping") == [["interrupted", 4]] * 2
    path = checkpoint.latest(two / "stopping")
    assert path is not None
    assert path.name == "step-000004"


@pytest.mark.parametrize("number", range(4))
def test_a_rank_that_cannot_write_fails_all(two: Path, number: int) -> None:
    """Nothing stays of what was half written, and once there is room the same state is saved."""
    for told, there in noted(two, f"full-{number}"):
        assert any(why in told for why in ("the disk is full", "another rank failed", "the first rank could not"))
        assert "Of the checkpoints before it, there is none yet" in told
        assert [name for name in there if name.startswith("step")] == []
    assert "the disk is full" in "".join(told for told, _ in noted(two, f"full-{number}"))
    path = checkpoint.latest(two / f"full-{number}")
    assert path is not None
    checkpoint.read_state(path)


def test_files_of_other_ranks_and_other_ways(two: Path, alone: Trainer, tmp_path: Path) -> None:
    """Begun by one process, by DDP and by FSDP; gone on with by any of them, over one or two processes."""
    assert alone.folder is not None
    begun = {"alone-4": alone.folder, "ddp-4": two / "ddp", "fsdp-4": two / "fsdp"}
    for name, way in (("alone-4", "ddp"), ("alone-4", "fsdp"), ("fsdp-4", "ddp"), ("ddp-4", "fsdp")):
        at_four(begun[name], tmp_path / f"{name}-{way}")
    ranks.together(2, "others", tmp_path)
    for name, way in (("alone-4", "ddp"), ("alone-4", "fsdp"), ("fsdp-4", "ddp"), ("ddp-4", "fsdp")):
        assert furthest(weights(tmp_path, f"{name}-{way}"), tiny.weights(alone)) < CLOSE, (name, way)
    for name in BOTH:
        at_four(two / name, tmp_path / name)
        one = scenarios.trainer("alone", tmp_path / name, resume=True)
        assert one.step == 4
        one.run()
        assert furthest(tiny.weights(one), tiny.weights(alone)) < CLOSE, name


def at_four(run: Path, to: Path) -> None:
    """A copy of ``run`` as it was after step 4."""
    shutil.copytree(run, to)
    for path in checkpoint.checkpoints(to):
        if path.name != "step-000004":
            shutil.rmtree(path)


@pytest.mark.parametrize("kind", BOTH)
def test_a_rank_killed_while_it_saves(tmp_path: Path, kind: str) -> None:
    """kill -9 of one rank: the other ends by itself and knows why; what has a name is whole and can be gone on with."""
    processes = ranks.start(2, "for_ever", tmp_path, kind)
    saves = tmp_path / kind / "checkpoints"
    try:
        until = time.monotonic() + ranks.SECONDS
        while time.monotonic() < until and all(one.poll() is None for one in processes):
            names = [path.name for path in saves.glob("*")] if saves.exists() else []
            if any(name.endswith("-partial") for name in names) and any(name.startswith("step") for name in names):
                break
        processes[1].kill()
    finally:
        (code, output), (killed, _) = ranks.end(processes)
    assert (code, killed) == (3, -9), output
    assert "lost" in output.splitlines()
    for path in checkpoint.checkpoints(tmp_path / kind):
        checkpoint.read_state(path)
    last = checkpoint.latest(tmp_path / kind)
    one = scenarios.trainer("alone", tmp_path / kind, changes={"steps": 100_000, "eval_every": None}, resume=True)
    assert last is not None
    assert one.step == checkpoint.step_of(last) > 0
    assert one.run(until=one.step + 1).step == one.step


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """`lilllm train` in one process: its run, and what it said of held-out text."""
    folder = tmp_path_factory.mktemp("command")
    text = (json.dumps({"text": f"the {i} cat sat on the {i % 7} mats"}) + "\n" for i in range(400))
    (folder / "text.jsonl").write_text("".join(text))
    done = CliRunner().invoke(train.command, words(folder, "alone"))
    assert done.exit_code == 0, done.output
    return folder, held_out(done.output)


def words(folder: Path, name: str, *more: str) -> list[str]:
    sizes = [
        "--steps",
        "4",
        "--lr",
        "3e-3",
        "--batch",
        "4",
        "--context",
        "16",
        "--eval-every",
        "2",
        "--save-every",
        "2",
    ]
    return [*sizes, "--data", str(folder / "text.jsonl"), "--out", str(folder / name), "--device", "cpu", *more]


def held_out(said: str) -> str:
    return "\n".join(line for line in said.splitlines() if "held-out" in line)


@pytest.mark.slow
@pytest.mark.parametrize("kind", BOTH)
def test_the_lilllm_train_of_torchrun(command: tuple[Path, str], kind: str) -> None:
    """Two processes print, write and learn what one does; also with weights that begin in parts."""
    folder, ours = command
    code, said = ranks.lilllm(2, ["train", *words(folder, kind, "--parallel", kind)])
    assert code == 0, said
    assert furthest(last_weights(folder / kind), last_weights(folder / "alone")) < CLOSE
    assert held_out(said) == ours
    assert ours.count("\n") == 3  # at steps 0, 2 and 4, and at the end
    assert said.count("talk to it with") == 1


def last_weights(run: Path) -> dict[str, torch.Tensor]:
    path = checkpoint.latest(run)
    assert path is not None
    return load_file(path / "model.safetensors")
