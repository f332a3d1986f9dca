"""Which checkpoint is the best, whatever comes between: equal losses, resumes, kills, full disks, old ones that go."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import pytest

from lilllm.training import Evaluation, best, checkpoints
from tests.training import tiny

STEPS = 6


def run(folder: Path, losses: list[float], *, keep: int = 9, **given: Any) -> Any:
    """A run of `tiny` that saves at every step, and whose evaluations say ``losses``: before step 1, after it, ..."""
    changes = {"steps": STEPS, "save_every": 1, "eval_every": 1, "keep": keep}
    one = tiny.trainer(folder, dropout=0.0, changes=changes, **given)
    one.watch.evaluate = lambda **_: Evaluation(loss=losses[one.step], bits_per_byte=None, tokens=1)  # type: ignore[method-assign]
    return one


def named(folder: Path) -> tuple[str, float]:
    values = json.loads((folder / "checkpoints" / "best.json").read_text())
    return values["checkpoint"], values["loss"]


def names(folder: Path) -> list[int]:
    return [int(path.name[-6:]) for path in checkpoints(folder)]


def test_the_lowest_loss_and_of_equal_ones_the_first(tmp_path: Path) -> None:
    one = run(tmp_path / "run", [9.0, 3.0, 2.0, 2.0, 4.0, 2.0, 5.0])
    one.run()
    assert named(tmp_path / "run") == ("step-000002", 2.0)
    marked = [record["message"][:11] for record in one.history if record.get("event") == "best"]
    assert marked == ["step-000001", "step-000002"]


def test_a_run_that_goes_on_knows_what_it_has_to_beat(tmp_path: Path) -> None:
    """The checkpoint that it goes on from is not the best; nor is what comes, though better than that one."""
    losses = [9.0, 2.0, 5.0, 5.0, 4.0, 3.0, 3.0]
    run(tmp_path / "run", losses).run(until=3)
    again = run(tmp_path / "run", losses, resume=True)
    assert again.best_loss == 2.0
    again.run()
    assert named(tmp_path / "run") == ("step-000001", 2.0)


def test_killed_between_the_checkpoint_and_its_mark(tmp_path: Path) -> None:
    losses = [9.0, 4.0, 3.0, 2.0, 5.0, 5.0, 5.0]
    folder = tmp_path / "run"
    run(folder, losses).run(until=2)
    before = (folder / "checkpoints" / "best.json").read_bytes()
    run(folder, losses, resume=True).run(until=3)
    (folder / "checkpoints" / "best.json").write_bytes(before)
    run(folder, losses, resume=True).run()
    assert named(folder) == ("step-000003", 2.0)


def test_a_full_disk_does_not_make_a_best_of_what_was_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    one = run(folder, [9.0, 4.0, 3.0, 2.0, 2.5, 5.0, 5.0])
    one.run(until=2)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("lilllm.training.alone.save_file", full)
        with pytest.raises(OSError, match="the disk is full"):
            one.run(until=3)
    assert one.best_loss == 3.0
    one.run()  # there is room again; what could not be saved then is no more to be had
    assert named(folder) == ("step-000004", 2.5)


def test_a_checkpoint_that_was_not_evaluated_has_no_loss(tmp_path: Path) -> None:
    """Saved by hand between two evaluations, it does not go by the loss of the one before."""
    one = tiny.trainer(tmp_path / "run", changes={"steps": 9, "eval_every": 4, "save_every": 9})
    one.run(until=5)
    path = one.save()
    assert path is not None
    assert json.loads((path / "trainer.json").read_text())["loss"] is None
    assert not (tmp_path / "run" / "checkpoints" / "best.json").exists()


@pytest.mark.parametrize("keep", [1, 2])
def test_what_is_kept_is_the_newest_and_the_best_at_every_step(tmp_path: Path, keep: int) -> None:
    losses = [9.0, 4.0, 3.0, 5.0, 2.0, 6.0, 7.0]
    one = run(tmp_path / "run", losses, keep=keep)
    for step in range(1, STEPS + 1):
        one.run(until=step)
        first = min(range(1, step + 1), key=lambda at: losses[at])
        newest = set(range(max(1, step - keep + 1), step + 1))
        assert names(tmp_path / "run") == sorted(newest | {first})
        assert best(tmp_path / "run") == tmp_path / "run" / "checkpoints" / f"step-{first:06}"


def test_a_finished_run_that_is_resumed_writes_nothing_anew(tmp_path: Path) -> None:
    one = run(tmp_path / "run", [9.0, 4.0, 3.0, 5.0, 2.0, 6.0, 7.0])
    one.run()
    one.run()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "run" / "checkpoints").rglob("*")}
    again = run(tmp_path / "run", [], resume=True)
    assert again.run().ended == "done"
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "run" / "checkpoints").rglob("*")} == before
    assert tiny.events(one).count("done") == 1  # though it was run twice


def test_gone_on_with_from_before_the_last_a_step_is_written_again(tmp_path: Path) -> None:
    """Steps 5 and 6 lie there when they are reached a second time: what is there then is of the second time."""
    folder = tmp_path / "run"
    run(folder, [9.0, 4.0, 3.0, 5.0, 2.0, 6.0, 7.0]).run()
    one = run(folder, [9.0, 4.0, 3.0, 5.0, 2.0, 1.0, 7.0], resume=True)
    one.resume(folder / "checkpoints" / "step-000004")
    one.run()
    assert named(folder) == ("step-000005", 1.0)
    assert json.loads((folder / "checkpoints" / "step-000005" / "trainer.json").read_text())["loss"] == 1.0
    assert names(folder) == [1, 2, 3, 4, 5, 6]
