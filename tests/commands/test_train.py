"""`lilllm train`, as a program: to the end, stopped, gone on with, and refused in words."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lilllm import __main__ as program
from lilllm import models
from lilllm.commands import together, train
from lilllm.models import ModelConfig, export
from lilllm.training.lock import locked

SMALL = ModelConfig(vocab_size=300, n_layers=1, d_model=16, n_heads=2, context_len=32)


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """Run the program in an empty folder, `liltown` being tiny; (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(models, "preset", lambda name: SMALL, raising=False)

    def call(*args):
        with pytest.raises(SystemExit) as end:
            program.main(["train", *map(str, args)])
        out = capsys.readouterr()
        return end.value.code, out.out, out.err

    return call


def records(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_from_nothing_to_a_model_that_speaks(run, tmp_path):
    code, out, err = run("--steps", 4, "--eval-every", 2, "--device", "cpu")
    assert code in (0, None), err
    folder = tmp_path / "runs" / "liltown"
    assert "4 steps, 1,024 tokens" in out  # 8 rows of 32
    assert "the entropy of that text is 0.24" in out
    assert "lilllm chat" in out
    kinds = [record["kind"] for record in records(folder)]
    assert kinds.count("train") == 4
    assert kinds.count("sample") == 2
    from lilllm.inference import load

    assert isinstance(load(folder).write("The", max_new=4, seed=0), str)
    code, _, err = run("--steps", 4)
    assert code == 2
    assert "holds a run already; go on with it (--resume), or give another folder (--out)" in err


def test_held_out_documents_are_none_of_those_trained_on(run, tmp_path):
    run("--steps", 2, "--device", "cpu", "--out", "here")
    from lilllm.data import LilTown, TokenFiles
    from lilllm.tokenizers import load

    tokens = tmp_path / "here" / "tokens"
    made = load(tmp_path / "here" / "tokenizer.json")
    held = TokenFiles(tokens / "held-out")
    town = LilTown(0)
    first = made.encode(town.document(10**9))
    assert held.read(0, len(first)).tolist() == first
    assert TokenFiles(tokens / "training").n_documents < 10**9
    assert held.n_documents == 1000


def test_the_same_command_gives_the_same_model(run, tmp_path):
    for name in ("a", "b"):
        assert run("--steps", 3, "--device", "cpu", "--out", name)[0] in (0, None)
    files = [tmp_path / name / "checkpoints" / "step-000003" / "model.safetensors" for name in ("a", "b")]
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize(("given", "documents"), [((), 1), (("--separator", r"\n\n"), 300)])
def test_what_stands_between_documents(run, tmp_path, given, documents):
    text = tmp_path / "mine.txt"
    text.write_text("one two three four five\nsix seven eight nine ten\n\n" * 300)
    code, out, err = run("--data", text, *given, "--steps", 1, "--batch", 2, "--device", "cpu", "--out", "r")
    assert code in (0, None), err
    assert "lilllm chat --model r" in out
    assert json.loads((tmp_path / "r" / "tokens" / "index.json").read_text())["documents"] == documents
    assert "was done already" in run("--resume", "--out", "r")[1]


def test_own_text_and_resume(run, tmp_path):
    text = tmp_path / "mine.txt"
    text.write_text("one two three four five six seven eight nine ten\n" * 2000)
    flat = ("--schedule", "constant", "--warmup", 1, "--batch", 2, "--device", "cpu", "--lr", 0.01)
    code, out, err = run("--data", text, "--steps", 3, "--out", "r", *flat)
    assert code in (0, None), err
    assert "entropy" not in out
    assert "fp32, adamw" in run("--resume", "--out", "r", "--dry-run", "--gpu", "h100-80gb")[1]  # as it was begun
    code, _, err = run("--resume", "--out", "r", "--steps", 5)
    assert code in (0, None), err
    assert run("--data", text, "--steps", 5, "--out", "whole", *flat)[0] in (0, None)
    files = [tmp_path / name / "checkpoints" / "step-000005" / "model.safetensors" for name in ("r", "whole")]
    assert files[0].read_bytes() == files[1].read_bytes()
    run_json = json.loads((tmp_path / "r" / "run.json").read_text())
    assert run_json["about"]["data"] == str(text)
    assert run_json["training"]["steps"] == 5
    code, out, err = run("--resume", "--out", "r")
    assert code in (0, None), err
    assert "r was done already, after 5 steps" in out


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--preset", "gpt9"], "there is no preset 'gpt9'"),
        (["--data", "no-such-thing"], "no-such-thing"),
        (["--resume", "--out", "nothing"], "nothing holds no run to go on with; leave out --resume"),
        (["--steps", "5", "--minutes", "1"], "--steps and --minutes both say how long"),
        (["--steps", "5", "--warmup", "9"], "warmup is 9; give a whole number from 0, below the 5 steps"),
        (["--batch", "6", "--micro-batch", "4"], "batch_size 6 is no multiple of micro_batch 4"),
        (["--precision", "fp8"], "'fp8' is not one of"),
        (["--device", "warp"], "torch cannot use here"),
        (["--log", "wandb", "--steps", "2"], "to log to wandb, install it: pip install wandb"),
        (["--dry-run", "--gpu", "h100-80gb", "--gpus", "3"], "no multiple of 3 GPUs"),
        (["--dry-run", "--gpu", "t4-16gb", "--precision", "bf16"], "t4-16gb has no bf16"),
        (["--dry-run", "--gpu", "h100-80gb", "--minutes", "5"], "--minutes measures this CPU"),
        (["--dry-run", "--preset", "lillm-39m", "--minutes", "5"], "--minutes measures this CPU"),
    ],
)
def test_errors_are_one_line(args, said, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(SystemExit) as end:
        program.main(["train", *args])
    err = capsys.readouterr().err
    assert end.value.code == 2
    assert said in err.splitlines()[-1]
    assert "Traceback" not in err


def test_a_resumed_run_is_that_run(run, tmp_path):
    assert run("--steps", 2, "--device", "cpu", "--out", "r")[0] in (0, None)
    for args, said in (
        (["--lr", 0.5], "was begun with lr 0.003, not 0.5"),
        (["--data", "python_docs"], "was begun with data liltown, not python_docs"),
        (["--preset", "gpt2"], "was begun with preset liltown, not gpt2"),
    ):
        code, _, err = run("--resume", "--out", "r", *args)
        assert code == 2
        assert said in err
    (tmp_path / "r" / "run.json").write_text("{")
    code, _, err = run("--resume", "--out", "r")
    assert code == 2
    assert "run.json is damaged" in err


@pytest.fixture
def text(tmp_path):
    (tmp_path / "mine.txt").write_text("one two three four five six seven eight nine ten\n" * 2000)
    return ["--data", "mine.txt", "--batch", 2, "--device", "cpu", "--steps", 3]


def last(folder):
    return sorted((folder / "checkpoints").glob("step-*"))[-1]


def weights(folder):
    return (last(folder) / "model.safetensors").read_bytes()


def test_a_longer_context_is_the_models_too_and_one_that_has_learned_keeps_its_own(run, text, tmp_path):
    """Or who generates would be refused what was trained."""
    code, _, err = run(*text, "--context", 48, "--out", "first")
    assert code in (0, None), err
    assert json.loads((last(tmp_path / "first") / "config.json").read_text())["max_position_embeddings"] == 48
    assert run("--resume", "--out", "first")[0] in (0, None)
    code, _, err = run(*text, "--from", "first", "--context", 64, "--out", "second")
    assert code == 2
    assert "--context 64 is longer than the 48 tokens that --from" in err


def test_from_a_run_or_a_hugging_face_folder(run, text, tmp_path):
    """The weights, the tokenizer and the config come along; run.json says from where, and --resume knows."""
    assert run(*text, "--out", "first")[0] in (0, None)
    export(models.from_pretrained(last(tmp_path / "first"), progress=False), tmp_path / "hf", eos_token_id=None)
    shutil.copy(tmp_path / "first" / "tokenizer.json", tmp_path / "hf")
    for source, name in (("first", "second"), (str(last(tmp_path / "first")), "third"), ("hf", "fourth")):
        code, _, err = run(*text, "--from", source, "--out", name, "--lr", 0.01)
        assert code in (0, None), err
    made = json.loads((tmp_path / "second" / "run.json").read_text())
    assert made["about"]["source"] == str(last(tmp_path / "first"))
    assert made["about"]["preset"] is None
    loss = {name: [r["loss"] for r in records(tmp_path / name) if r["kind"] == "eval"] for name in ("first", "second")}
    assert loss["second"][0] == pytest.approx(loss["first"][-1], abs=1e-5)
    assert weights(tmp_path / "second") == weights(tmp_path / "third") == weights(tmp_path / "fourth")
    assert weights(tmp_path / "second") != weights(tmp_path / "first")
    for name in ("first", "second"):
        assert (tmp_path / name / "tokenizer.json").read_bytes() == (tmp_path / "hf" / "tokenizer.json").read_bytes()
    # Killed before it saved anything, it begins from there again.
    wanted = weights(tmp_path / "second")
    shutil.rmtree(tmp_path / "second" / "checkpoints")
    assert run("--resume", "--out", "second")[0] in (0, None)
    assert weights(tmp_path / "second") == wanted
    # With a checkpoint of its own it needs the other no more; without one it says so.
    shutil.rmtree(tmp_path / "first")
    assert "was done already" in run("--resume", "--out", "second")[1]
    shutil.rmtree(tmp_path / "second" / "checkpoints")
    assert "which it began from, cannot be read" in run("--resume", "--out", "second")[2]
    for args, said in (
        (
            ["--preset", "liltown"],
            "--from hf brings its own model and tokenizer, and --preset liltown asks",
        ),
        (["--tokenizer", "hf/tokenizer.json"], "--tokenizer hf/tokenizer.json asks for another"),
    ):
        assert said in run(*text, "--from", "hf", "--out", "fifth", *args)[2]
    assert "was begun with from" in run("--resume", "--out", "second", "--from", "hf")[2]
    assert not (tmp_path / "fifth").exists()


def test_a_run_that_was_moved_goes_on_without_its_text(run, text, tmp_path, monkeypatch):
    assert run(*text, "--schedule", "constant", "--warmup", 1, "--out", "a")[0] in (0, None)
    (tmp_path / "mine.txt").unlink()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "a").rename(tmp_path / "elsewhere" / "b")
    monkeypatch.chdir(tmp_path / "elsewhere")
    code, _, err = run("--resume", "--out", "b", "--steps", 5)
    assert code in (0, None), err
    assert last(tmp_path / "elsewhere" / "b").name == "step-000005"


def test_a_start_that_fails_leaves_nothing_behind(run, text, tmp_path):
    (tmp_path / "empty.txt").write_text("")
    for data in ("empty.txt", "liltwon"):
        code, _, err = run("--data", data, "--out", "deep/r", "--device", "cpu")
        assert code == 2
        assert ("did you mean liltown?" if data == "liltwon" else "empty.txt is empty; give a file that has") in err
        assert "learning" not in err
        assert not (tmp_path / "deep").exists(), data
    code, _, err = run(*text, "--context", 30_000, "--out", "r")
    assert code == 2
    assert re.search(r"a row of --context 30000 takes 30001 of each; give --context \d+ or less", err)
    assert not (tmp_path / "r").exists()


def test_a_text_that_was_too_short_may_be_made_longer(run, text, tmp_path):
    whole = (tmp_path / "mine.txt").read_text()
    (tmp_path / "mine.txt").write_text("hello world\n")
    code, _, err = run(*text, "--out", "r")
    assert (code, "give more text" in err) == (2, True), err
    (tmp_path / "mine.txt").write_text(whole)
    code, _, err = run(*text, "--out", "r")
    assert code in (0, None), err


def test_a_folder_that_is_taken_or_cannot_be_is_told_at_once(run, text, tmp_path):
    """Before a tokenizer is learned; the other process may be at its tokens, and has no run.json yet."""
    with locked(tmp_path / "r"):
        code, _, err = run(*text, "--out", "r")
    assert (code, "another process trains in r" in err) == (2, True), err
    assert "learning a tokenizer" not in err
    code, _, err = run(*text, "--out", "mine.txt/r")
    assert code == 2
    assert err.splitlines() == ["lilllm: mine.txt/r: Not a directory"]


def test_a_dry_run_takes_the_micro_batch_of_the_gpu(capsys):
    """On a CPU four rows at once would be the recipe's; priced are the 32 of a GPU."""
    told = {}
    for rows in ((), ("--micro-batch", "32"), ("--micro-batch", "4")):
        given = ("--preset", "lillm-39m", "--gpus", "8", "--gpu", "h100-80gb", "--device", "cpu", *rows)
        with pytest.raises(SystemExit):
            program.main(["train", "--dry-run", *given])
        told[rows] = capsys.readouterr().out
    assert "activations" in told[()]
    assert told[()] == told["--micro-batch", "32"] != told["--micro-batch", "4"]


def test_dry_run_prices_and_writes_nothing(run, tmp_path):
    code, out, _ = run("--dry-run", "--gpu", "h100-80gb", "--gpus", 8, "--dollars", 2, "--steps", 100)
    assert code in (0, None)
    assert "memory" in out
    assert "dollars" in out
    assert "assumed  40% of 8 x 989 TFLOP/s" in out
    code, out, _ = run("--dry-run", "--device", "cpu", "--steps", 100)
    assert "on this CPU" in out
    assert "that were tried on this CPU" in out
    assert not list(tmp_path.iterdir())


def test_a_dry_run_is_of_what_would_run_there(run):
    _, out, _ = run("--dry-run", "--gpu", "t4-16gb")
    assert "fp16, adamw" in out
    assert "65 TFLOP/s (its maker's figure, fp16)" in out
    _, out, _ = run("--dry-run", "--gpu", "h100-80gb", "--precision", "fp32")
    assert "66.9 TFLOP/s (its maker's figure, fp32 outside tensor cores)" in out
    _, out, _ = run("--dry-run", "--gpu", "h100-80gb", "--gpus", 8, "--parallel", "fsdp")
    assert "FSDP: each GPU holds 1 / 8 of the state" in out


def test_minutes_are_as_many_steps_as_fit(run, monkeypatch):
    from lilllm.training import pricing

    monkeypatch.setattr(pricing, "price_here", lambda *_, **__: type("P", (), {"hours": 3.0}))
    code, out, _ = run("--minutes", 1.8, "--dry-run", "--device", "cpu", "--gpus", 1)
    assert code in (0, None)
    assert "30 steps" in out  # 3000 take 180 minutes


# A process of its own, stopped from outside. It trains a tiny model in a corner of the test's folder.
STOPPED = """
import sys
sys.path.insert(0, sys.argv.pop(1))
from lilllm import models
from lilllm import __main__ as program
from lilllm.models import ModelConfig
models.preset = lambda name: ModelConfig(vocab_size=300, n_layers=1, d_model=16, n_heads=2, context_len=32)
program.main(sys.argv[1:])
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_from_outside_it_saves_and_says_how_to_go_on(tmp_path, number, code):
    root = str(Path(__file__).parents[2])
    command = [sys.executable, "-c", STOPPED, root, "train", "--device", "cpu", "--out", "r"]
    options = ["--batch", "2", "--lr", "0.01", "--steps", "100000", "--schedule", "constant", "--warmup", "1"]
    process = subprocess.Popen([*command, *options], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    metrics = tmp_path / "r" / "metrics.jsonl"
    until = time.monotonic() + 120
    while time.monotonic() < until and not (metrics.exists() and metrics.read_text().count('"train"') > 20):
        time.sleep(0.05)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    stopped = [record for record in records(tmp_path / "r") if record.get("event") == "interrupted"]
    assert "go on with: lilllm train --resume --out r" in err
    assert "go on with: lilllm train --resume --out r" in stopped[-1]["message"]
    step = stopped[-1]["step"]
    assert (tmp_path / "r" / "checkpoints" / f"step-{step:06}" / "trainer.json").exists()
    done = subprocess.run(
        [*command, "--resume", "--steps", str(step + 3)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    steps = [record["step"] for record in records(tmp_path / "r") if record["kind"] == "train"]
    assert steps == list(range(1, step + 4))


def test_another_rank_that_is_gone_is_told_without_gloos_advice(monkeypatch):
    gone = RuntimeError("[/a/pair.cc:537] Read error [127.0.0.1]:42: Connection reset by peer. This is typically\nmore")
    assert together.lost(gone) is None  # alone
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    said = (
        "rank 0: another rank has ended, or does not answer (Read error [127.0.0.1]:42: Connection reset by peer). The"
    )
    assert together.lost(gone).startswith(said)


@pytest.mark.parametrize("source", ["liltwon", "runs/liltwon"])
def test_a_mistyped_model_is_told_without_asking_the_hub(source, run, monkeypatch):
    monkeypatch.setattr("lilllm.models.hub.fetch", lambda *_, **__: pytest.fail("the hub was asked"))
    code, _, err = run("--from", source, "--device", "cpu")
    assert code == 2
    assert f"there is no folder '{source}'; did you mean 'liltown'?" in err


def test_names_of_runs():
    names = {("liltown", "liltown"): "liltown", ("lillm-39m", "openwebtext"): "lillm-39m-openwebtext"}
    names |= {("liltown", "/a/mine.txt"): "liltown-mine", ("liltown", "liltown:3"): "liltown-liltown-3"}
    for (preset, data), name in names.items():
        assert train._name({"preset": preset, "data": data, "source": None}) == name
