"""What lies in run folders: the same to training, inference and the viewer, whoever made it."""

from __future__ import annotations

import doctest
import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lilllm import training
from lilllm.inference import sources
from lilllm.runtime import run_folders
from lilllm.runtime.run_folders import best, checkpoints, find_runs, lacking, last_written, latest, read_json
from tests.viewer.modules import VIEWER, module

FILES = ("config.json", "model.safetensors", "tokenizer.json")


def checkpoint(folder: Path, *, without: str = "") -> Path:
    folder.mkdir(parents=True)
    for name in FILES:
        if name != without:
            (folder / name).write_text("{}")
    return folder


def run(folder: Path, *steps: int, written: int = 1000, named: str | None = None) -> Path:
    """A run folder with checkpoints of these steps, all of it ``written`` seconds after the beginning of 1970."""
    folder.mkdir(parents=True)
    (folder / "run.json").write_text("{}")
    (folder / "metrics.jsonl").write_text("")
    for step in steps:
        checkpoint(folder / "checkpoints" / f"step-{step:06}")
    if named is not None:
        (folder / "checkpoints" / "best.json").write_text(json.dumps({"checkpoint": named}))
    return at(folder, written)


def at(folder: Path, written: float) -> Path:
    for path in (*folder.rglob("*"), folder):
        os.utime(path, (written, written))
    return folder


def test_examples() -> None:
    assert doctest.testmod(run_folders).failed == 0


# ------------------------------------------------------------------------------------------------------ the newest run


def spoken_with(root: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What `lilllm generate`, `chat` and `load()` take where nothing is named, and what the playground has first."""
    monkeypatch.chdir(root.parent)
    monkeypatch.setattr(sys, "argv", ["app"])
    name, folder = sources.folder_of()
    first, source = next(iter(module("checkpoints").find_models(module("given").runs_root()).items()))
    assert name == first
    assert folder.resolve() == sources.folder_of(source)[1].resolve()
    if name != "liltown":
        assert folder.resolve() == training.best(root / name)
    return name


def test_every_reader_means_the_same_newest_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LILLLM_RUNS", raising=False)
    monkeypatch.setattr(sources, "LILTOWN", checkpoint(tmp_path / "liltown"))
    monkeypatch.setattr(module("checkpoints"), "LILTOWN", tmp_path / "liltown")
    root = tmp_path / "runs"

    def newest() -> tuple[str, str]:
        """On the page of runs, and to speak with."""
        return next(iter(find_runs(root)), ""), spoken_with(root, monkeypatch)

    assert newest() == ("", "liltown"), "no folder"
    root.mkdir()
    assert newest() == ("", "liltown"), "an empty one"
    run(root / "begun", written=9000)
    assert newest() == ("begun", "liltown"), "no checkpoint yet"
    run(root / "b", 10, 20, written=1000, named="step-000010")
    run(root / "a", 5, written=900)
    assert newest() == ("begun", "b")
    os.utime(root / "a" / "checkpoints" / "step-000005", (5000, 5000))
    assert newest() == ("begun", "b"), "it is metrics.jsonl that tells"
    os.utime(root / "a" / "metrics.jsonl", (1001, 1001))
    assert newest() == ("begun", "a"), "an older run goes on"
    (root / "a").rename(root / "z")
    assert newest() == ("begun", "z"), "renamed"
    shutil.copytree(root / "b", root / "copied")  # with times, as cp -a; of a folder alone as well
    assert newest() == ("begun", "z")
    for name in ("begun", "b", "copied", "z"):
        at(root / name, 7000)
    assert newest() == ("b", "b"), "all times equal: by name"
    shutil.rmtree(root / "b" / "checkpoints" / "step-000010")
    assert newest() == ("b", "b"), "best.json names what is gone"
    torn = checkpoint(root / "torn" / "checkpoints" / "step-000700", without="tokenizer.json")
    (root / "torn" / "metrics.jsonl").write_text("")
    assert newest() == ("torn", "b"), "it is being copied"
    (torn / "tokenizer.json").write_text("{}")
    assert newest() == ("torn", "torn")
    (root / "torn" / "metrics.jsonl").unlink()
    os.utime(torn, (8000, 8000))
    assert newest() == ("torn", "torn"), "checkpoints alone: the newest tells"
    run(root / "sweep" / "third", 3, written=8001)
    run(root / ".hidden", 3, written=9999)
    assert newest() == ("sweep/third", "sweep/third")


def test_runs_are_found_a_few_folders_deep_and_no_deeper(tmp_path: Path) -> None:
    run(tmp_path / "old", written=100)
    run(tmp_path / "sweep" / "new", written=900)
    run(tmp_path / "a" / "b" / "deep", written=500)
    run(tmp_path / "a" / "b" / "c" / "too deep")
    run(tmp_path / ".hidden")
    run(tmp_path / "two\nlines")
    run(tmp_path / "old" / "checkpoints" / "inside")
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    assert list(find_runs(tmp_path)) == ["sweep/new", "a/b/deep", "old"]
    assert find_runs(tmp_path / "nowhere") == find_runs(tmp_path / "file") == {}


def test_the_newest_of_very_many_are_kept_and_of_equals_the_first_by_name(tmp_path: Path) -> None:
    drawn = random.Random(0)
    written = {f"run-{number}": drawn.randrange(1000, 1100) for number in range(520)}
    for name, seconds in written.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text("")
        os.utime(tmp_path / name / "run.json", (seconds, seconds))
    assert list(find_runs(tmp_path)) == sorted(written, key=lambda name: (-written[name], name))[:500]


# -------------------------------------------------------------------------------------------------------- checkpoints


def test_checkpoints_are_those_of_a_name_in_the_order_of_steps(tmp_path: Path) -> None:
    one = run(tmp_path / "one", 1_000_000, 500, 20)
    for name in (".step-000600-partial", "step-5", "step-x", "step-0000000000000001", "step-٠٠٠٥٠٠", "other"):
        checkpoint(one / "checkpoints" / name)
    (one / "checkpoints" / "step-000700").write_text("a file")
    assert [path.name for path in checkpoints(one)] == ["step-000020", "step-000500", "step-1000000"]
    assert latest(one) == latest(str(one)) == one / "checkpoints" / "step-1000000"
    assert checkpoints(tmp_path / "nowhere") == checkpoints(one / "run.json") == []
    assert latest(tmp_path) is best(tmp_path) is None


@pytest.mark.parametrize("missing", FILES)
def test_one_that_is_not_whole_is_passed_over_by_who_would_speak_and_told_to_who_would_train(
    tmp_path: Path, missing: str
) -> None:
    one = run(tmp_path / "one", 10, named="step-000020")
    torn = checkpoint(one / "checkpoints" / "step-000020", without=missing)
    assert lacking(torn) == missing
    assert latest(one) == best(one) == torn, "training says what is damaged, and goes back only when told"
    assert latest(one, speaking=True) == best(one, speaking=True) == one / "checkpoints" / "step-000010"
    shutil.rmtree(one / "checkpoints" / "step-000010")
    with pytest.raises(FileNotFoundError, match=f"step-000020 has no {missing}"):
        sources.folder_of(one)


def test_weights_in_parts_are_whole_with_their_index(tmp_path: Path) -> None:
    path = checkpoint(tmp_path / "step-000010", without="model.safetensors")
    (path / "model.safetensors.index.json").write_text("{}")
    assert lacking(path) is None


@pytest.mark.parametrize("said", ["../../../outside", "step-000030", "step-000010/../step-000010", "", None, 7, ["x"]])
def test_what_best_json_says_only_selects(tmp_path: Path, said: object) -> None:
    checkpoint(tmp_path / "outside")
    one = run(tmp_path / "one", 10, 20)
    (one / "checkpoints" / "best.json").write_text(json.dumps({"checkpoint": said, "loss": 0}))
    assert best(one) == best(one, speaking=True) == latest(one)


@pytest.mark.parametrize("content", ["", "{", "[]", "\xff", "[" * 100_000, '{"checkpoint": "' + "x" * (1 << 20) + '"}'])
def test_a_best_json_that_is_damaged_is_told_by_all(tmp_path: Path, content: str) -> None:
    one = run(tmp_path / "one", 10, 20)
    (one / "checkpoints" / "best.json").write_text(content, encoding="latin-1")
    for ask in (best, training.best, sources.folder_of):
        with pytest.raises(ValueError, match=r"best\.json is damaged.*; delete it, and the newest"):
            ask(one)


# ------------------------------------------------------------------------------------------------------------- safety


def test_no_link_is_followed_below_what_was_named(tmp_path: Path) -> None:
    outside = run(tmp_path / "outside", 10)
    root = tmp_path / "runs"
    one = run(root / "one", 10)
    (root / "linked").symlink_to(outside)
    for name in ("metrics.jsonl", "run.json", "checkpoints"):
        (root / f"linked-{name}").mkdir()
        (root / f"linked-{name}" / name).symlink_to(outside / name)
    (one / "checkpoints" / "step-000030").symlink_to(outside / "checkpoints" / "step-000010")
    part = one / "checkpoints" / "step-000020"
    part.mkdir()
    for name in FILES:
        (part / name).symlink_to(outside / "checkpoints" / "step-000010" / name)
    assert list(find_runs(root)) == ["one"]
    assert [path.name for path in checkpoints(one, speaking=True)] == ["step-000010"]
    assert checkpoints(root / "linked-checkpoints") == []
    with pytest.raises(ValueError, match="is a link, and links inside a run are not followed"):
        sources.folder_of(root / "linked-checkpoints")
    (one / "checkpoints" / "best.json").symlink_to(outside / "run.json")
    with pytest.raises(OSError, match=r"best\.json is a link"):
        best(one)
    (tmp_path / "elsewhere").symlink_to(root)
    assert list(find_runs(tmp_path / "elsewhere")) == ["one"], "what is named may be one"
    assert sources.folder_of(root / "linked")[1].name == "step-000010"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    checkpoint(tmp_path / "run" / "checkpoints" / "step-000010")
    os.mkfifo(tmp_path / "run" / "metrics.jsonl")
    os.mkfifo(tmp_path / "run" / "checkpoints" / "best.json")
    assert last_written(tmp_path / "run") is not None, "by its checkpoint"
    for name in ("metrics.jsonl", "checkpoints/best.json"):
        with pytest.raises(OSError, match="no regular file"):
            read_json(tmp_path / "run" / name)


@pytest.mark.skipif(os.name == "nt", reason="files with holes are another matter there")
def test_no_more_is_read_than_a_bound(tmp_path: Path) -> None:
    path = tmp_path / "best.json"
    path.write_text("{}")
    os.truncate(path, 1 << 40)  # all hole: to read it whole would be a MemoryError
    with pytest.raises(ValueError, match=r"is damaged \(more than 1,048,576 bytes\)"):
        read_json(path)


def test_pages_that_need_no_model_import_no_torch() -> None:
    """Nor does asking which run is the newest."""
    code = """
import sys
import runs_page, playground_page, checkpoints, home_page
from lilllm.inference.sources import folder_of
list(checkpoints.find_models(runs_page.runs_root()).values())
folder_of("liltown")
assert "torch" not in sys.modules
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(VIEWER), str(VIEWER.parent)])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
