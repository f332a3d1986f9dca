"""Checkpoints: whole or not there, found out when damaged, refused when of something else."""

import errno
import json
import shutil
import stat
from pathlib import Path

import pytest
import torch

from lilllm.models import from_pretrained
from lilllm.tokenizers import ByteTokenizer
from lilllm.training import CheckpointError, best, checkpoints, latest
from lilllm.training import checkpoint as files
from tests.training import tiny


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "run"
    tiny.trainer(folder).run()
    return folder


@pytest.fixture
def run(made, tmp_path):
    """A run of 12 steps with checkpoints of 4, 8 and 12, for this test alone; resumed from 8."""
    folder = Path(shutil.copytree(made, tmp_path / "run"))
    shutil.rmtree(folder / "checkpoints" / "step-000012")
    return folder


def test_what_is_in_a_run_folder(made):
    assert [path.name for path in checkpoints(made)] == ["step-000004", "step-000008", "step-000012"]
    assert latest(made) == made / "checkpoints" / "step-000012"
    run = json.loads((made / "run.json").read_text())
    assert run["training"] == tiny.config().to_dict()
    assert run["model"] == tiny.model().config.to_dict()
    assert run["data"]["digest"] == tiny.corpus().digest
    assert run["parameters"] == sum(p.numel() for p in tiny.model().parameters())
    named = json.loads((made / "checkpoints" / "best.json").read_text())
    losses = [json.loads(line) for line in (made / "metrics.jsonl").read_text().splitlines()]
    evals = {record["step"]: record["loss"] for record in losses if record["kind"] == "eval" and record["step"]}
    assert named["loss"] == min(evals.values())
    assert evals[named["step"]] == named["loss"]
    assert best(made).name == named["checkpoint"]
    for path in latest(made).iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE((made / "run.json").stat().st_mode)


def test_the_model_in_it_is_the_model(made, tmp_path):
    one = tiny.trainer(tmp_path / "run", tokenizer=ByteTokenizer(), model=tiny.model(vocab_size=256))
    one.run()
    stored = from_pretrained(latest(tmp_path / "run"), progress=False)
    assert tiny.same(dict(stored.named_parameters()), tiny.weights(one))
    assert json.loads((latest(tmp_path / "run") / "config.json").read_text())["eos_token_id"] == 0
    assert (latest(tmp_path / "run") / "tokenizer.json").exists()


def test_keep_and_best(tmp_path):
    """The best stays, however old."""
    one = tiny.trainer(tmp_path / "run", changes={"steps": 8, "save_every": 1, "keep": 2})
    one.run(until=2)
    one.best_loss = 0.0  # nothing will be better
    files.mark_best(tmp_path / "run", checkpoints(tmp_path / "run")[0], 0.0)
    one.run()
    assert [path.name for path in checkpoints(tmp_path / "run")] == ["step-000001", "step-000007", "step-000008"]
    assert best(tmp_path / "run").name == "step-000001"


def test_resumed_from_any_checkpoint_it_is_the_undisturbed_run(made, tmp_path):
    whole = tiny.trainer()
    whole.run()
    for step in (4, 8):
        folder = Path(shutil.copytree(made, tmp_path / str(step)))
        for path in checkpoints(folder):
            if files.step_of(path) > step:
                shutil.rmtree(path)
        one = tiny.trainer(folder, resume=True, model=tiny.model(seed=7))
        assert (one.step, one.tokens) == (step, step * 64)
        one.run()
        assert tiny.same(tiny.weights(whole), tiny.weights(one))
        steps = [record["step"] for record in one.history if record["kind"] == "train"]
        assert steps == list(range(1, 13))  # none twice
        theirs = (made / "checkpoints" / "step-000012" / "trainer.safetensors").read_bytes()
        assert (folder / "checkpoints" / "step-000012" / "trainer.safetensors").read_bytes() == theirs


def test_a_run_that_never_saved_begins_again(tmp_path):
    first = tiny.trainer(tmp_path / "run", changes={"save_every": None})
    first.run(until=3)
    second = tiny.trainer(tmp_path / "run", changes={"save_every": None}, resume=True)
    assert second.step == 0
    second.run()
    steps = [record["step"] for record in second.history if record["kind"] == "train"]
    assert steps == list(range(1, 13))


def test_what_a_kill_left_is_swept(run):
    rest = [
        run / "checkpoints" / name
        for name in (".step-000012-partial", "..step-000012-partial-1f.old", ".step-000004-ab")
    ]
    for path in rest:
        path.mkdir()
        (path / "model.safetensors").write_bytes(b"half")
    torn = run / ".metrics.jsonl.12ab"
    torn.write_text("{")
    mine = run / ".notes"
    mine.write_text("stays")
    assert latest(run).name == "step-000008"
    tiny.trainer(run, resume=True)
    assert not any(path.exists() for path in [*rest, torn])
    assert mine.exists()


def test_a_full_disk_is_said_and_costs_nothing(run, monkeypatch):
    """Whatever file it is that cannot be written: what was there stays, nothing half stays, and the run can go on."""
    one = tiny.trainer(run, resume=True)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and "checkpoints" in path.parts}

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    for target in (
        "lilllm.training.alone.export",
        "lilllm.training.alone.save_file",
        "lilllm.training.checkpoint.to_disk",
    ):
        with monkeypatch.context() as patched:
            patched.setattr(target, lambda *_, **__: full())
            with pytest.raises(
                OSError, match=r"step \d+ could not be written .*the disk is full.*step-000008 is whole"
            ):
                one.run()
        after = {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and "checkpoints" in path.parts}
        assert after == before
    one.save()  # there is room again
    assert latest(run).name == "step-000012"
    whole = tiny.trainer()
    whole.run()
    assert tiny.same(tiny.weights(whole), dict(from_pretrained(latest(run), progress=False).named_parameters()))


def test_a_full_disk_for_metrics_leaves_whole_lines(run, monkeypatch):
    import os

    from lilllm.training import metrics

    real = os.write

    def half(handle, data):
        if len(data) > 20:
            real(handle, data[:20])
        raise OSError(errno.ENOSPC, "No space left on device")

    one = tiny.trainer(run, resume=True)
    monkeypatch.setattr(metrics.os, "write", half)
    with pytest.raises(OSError, match=r"metrics.jsonl could not be written: No space left"):
        one.run()
    monkeypatch.undo()
    assert [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def damage(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("hurt", "said"),
    [
        (lambda c: damage(c / "model.safetensors"), r"model.safetensors is damaged: .*delete the folder .*step-000008"),
        (lambda c: damage(c / "trainer.safetensors"), "trainer.safetensors is damaged"),
        (lambda c: damage(c / "config.json"), "config.json is damaged"),
        (lambda c: (c / "trainer.json").write_text('{"format": 1'), r"trainer.json is damaged \(.*delete the folder"),
        (lambda c: (c / "trainer.json").write_text("[]"), "holds no JSON object"),
        (lambda c: (c / "trainer.json").write_text("[" * 100_000), "trainer.json is damaged"),
        (lambda c: (c / "trainer.json").write_text('{"format": 7, "files": {}}'), "of format 7; this reads 1"),
        (lambda c: (c / "trainer.json").unlink(), "trainer.json is not there"),
        (lambda c: (c / "trainer.safetensors").unlink(), "lacks trainer.safetensors"),
        (lambda c: rewritten(c, files={"../../run.json": "0"}), "outside of its folder"),
        (lambda c: rewritten(c, loader={"batch": -1}), "no loader's state"),
        (lambda c: rewritten(c, step="x"), "says step 'x', and its folder another"),
        (lambda c: rewritten(c, optimizer=7), "cannot be resumed"),
        (lambda c: rewritten(c, model=[]), "cannot be resumed"),
    ],
)
def test_damage_is_found_out(run, hurt, said):
    checkpoint = run / "checkpoints" / "step-000008"
    hurt(checkpoint)
    with pytest.raises(CheckpointError, match=said):
        tiny.trainer(run, resume=True)
    shutil.rmtree(checkpoint)  # as it says
    assert tiny.trainer(run, resume=True).step == 4


def rewritten(checkpoint, **changes):
    path = checkpoint / "trainer.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"model": tiny.model(n_layers=1)}, r"of another model \(n_layers 2 -> 1\)"),
        ({"loader": tiny.loader(tokens=tiny.corpus(seed=5))}, "trained on another corpus"),
        ({"loader": tiny.loader(seed=5)}, "seed was 0 and is 5"),
        ({"changes": {"lr": 0.5}}, r"of another training \(lr 0.01 -> 0.5\)"),
        ({"changes": {"steps": 24}}, "steps 12 -> 24"),
        ({"changes": {"optimizer": "muon"}}, "'adamw' -> 'muon'"),
    ],
)
def test_bad_input_of_another_run_is_refused(run, given, said):
    with pytest.raises(CheckpointError, match=said):
        tiny.trainer(run, resume=True, **given)


def test_what_may_change_may_change(run):
    one = tiny.trainer(run, resume=True, changes={"micro_batch": 2, "keep": 1, "save_every": 3, "eval_every": None})
    assert one.run().ended == "done"
    assert len(checkpoints(run)) <= 2


def test_a_constant_rate_goes_on_for_longer(tmp_path):
    flat = {"schedule": "constant", "warmup": 2}
    short = tiny.trainer(tmp_path / "run", changes={**flat, "steps": 5})
    short.run()
    long = tiny.trainer(tmp_path / "run", changes={**flat, "steps": 9}, resume=True)
    long.run()
    whole = tiny.trainer(changes={**flat, "steps": 9})
    whole.run()
    assert tiny.same(tiny.weights(whole), tiny.weights(long))


def test_bad_input_a_folder_that_is_taken(run):
    with pytest.raises(FileExistsError, match=r"holds a run already; go on with it \(--resume\), or .* \(--out\)"):
        tiny.trainer(run)


def test_bad_input_checkpoints_that_lie_elsewhere(run, tmp_path):
    """As if there were none, it would begin again, and the record of what was done would go."""
    (run / "checkpoints").rename(tmp_path / "elsewhere")
    (run / "checkpoints").symlink_to(tmp_path / "elsewhere")
    for resume in (True, False):
        with pytest.raises(ValueError, match=r"is a link, and links inside .* not followed; make .*run the link"):
            tiny.trainer(run, resume=resume)
    (run / "checkpoints").unlink()
    (tmp_path / "elsewhere").rename(run / "checkpoints")
    run.rename(tmp_path / "there")
    run.symlink_to(tmp_path / "there")  # as it says
    assert tiny.trainer(run, resume=True).step == 8


def test_bad_input_two_at_a_time(run):
    from lilllm.training.lock import locked

    one = tiny.trainer(run, resume=True)
    with locked(run), pytest.raises(ValueError, match="another process trains in"):
        one.run()


def test_bad_input_a_model_that_no_family_holds(tmp_path):
    with pytest.raises(ValueError, match="no family of transformers"):
        tiny.trainer(tmp_path / "run", model=tiny.model(positions="none"))
    assert not (tmp_path / "run").exists()


def test_nothing_that_is_read_can_run_code():
    for path in Path(files.__file__).parent.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "torch.load(" not in text.replace("weights_only=True", ""), path
        assert "import pickle" not in text, path


def test_random_states_are_kept(made):
    """Dropout of the steps after a checkpoint is that of the undisturbed run: the state is in the file."""
    from safetensors.torch import load_file

    kept = load_file(latest(made) / "trainer.safetensors")
    assert kept["own/random/0/cpu"].dtype == torch.uint8


def test_bad_input_a_step_that_is_not_the_folders(run):
    state = latest(run) / "trainer.json"
    state.write_text(json.dumps(json.loads(state.read_text()) | {"step": 10**9}))
    with pytest.raises(CheckpointError, match="says step 1000000000, and its folder another"):
        tiny.trainer(run, resume=True)


def test_a_checkpoint_of_another_folder_is_taken_over(tmp_path):
    """Its run stays as it is, and this one has a record, checkpoints and a best of its own."""
    whole = tiny.trainer(tmp_path / "whole")
    whole.run()
    before = {path: path.read_bytes() for path in (tmp_path / "whole").rglob("*") if path.is_file()}
    source = tmp_path / "whole" / "checkpoints" / "step-000004"
    assert best(tmp_path / "whole") != source  # it was when it was written
    for folder in (tmp_path / "other", None):
        one = tiny.trainer(folder, model=tiny.model(seed=9)).resume(str(source))
        assert one.step == 4
        one.run()
        assert tiny.same(tiny.weights(one), tiny.weights(whole))
    assert {path: path.read_bytes() for path in (tmp_path / "whole").rglob("*") if path.is_file()} == before
    assert [path.name for path in checkpoints(tmp_path / "other")] == ["step-000008", "step-000012"]
    assert best(tmp_path / "other").parents[1] == tmp_path / "other"
    again = tiny.trainer(tmp_path / "other", resume=True)
    assert again.step == 12
    with pytest.raises(ValueError, match="nothing to resume without a folder"):
        tiny.trainer().resume()
