"""What the page of runs reads: folders below a root and nothing else, and metrics that grow, tear and lie."""

from __future__ import annotations

import json
import math
import os
import random
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.viewer.modules import module
from tests.viewer.runs import HTML, event, hostile, made, place, records, text

asked, given = module("run_settings"), module("given")
reading, words = module("run_metrics"), module("run_words")


def read(path: Path) -> object:
    return reading.Metrics(path).refresh()


# -------------------------------------------------------------------------------------------- the folder and run.json


def test_a_link_is_not_read(tmp_path: Path) -> None:
    outside = made(tmp_path / "outside", records(3), secret=1).parent
    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("metrics.jsonl", "run.json"):
        (folder / name).symlink_to(outside / name)
    assert asked.read_about(folder) == {}
    metrics = read(folder / "metrics.jsonl")
    assert len(metrics.train) == 0  # type: ignore[attr-defined]
    assert metrics.problem  # type: ignore[attr-defined]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    os.mkfifo(tmp_path / "run" / "metrics.jsonl")
    assert "no regular file" in read(tmp_path / "run" / "metrics.jsonl").problem  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("arguments", "variable", "expected"),
    [
        ([], None, "runs"),
        ([], "elsewhere", "elsewhere"),
        (["--runs", "given"], "elsewhere", "given"),
        (["--runs"], None, "runs"),
        (["--other", "x", "--runs=given"], None, "given"),
    ],
)
def test_the_root_is_given_when_the_viewer_starts(
    arguments: list[str], variable: str | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["streamlit_app.py", *arguments])
    monkeypatch.delenv("LILLLM_RUNS", raising=False)
    if variable:
        monkeypatch.setenv("LILLLM_RUNS", variable)
    assert given.runs_root() == Path(expected)


def test_what_a_run_was_asked_for_is_rows_of_text(tmp_path: Path) -> None:
    made(tmp_path / "run", [], steps=40, lr=0.001, betas=[0.9, 0.95], eval_batches=None)
    about = asked.read_about(tmp_path / "run")
    assert about == {
        "model.d_model": "32",
        "training.steps": "40",
        "training.lr": "0.001",
        "training.betas": "[0.9,0.95]",
        "training.eval_batches": "null",
    }
    assert asked.steps_of(about) == 40
    assert asked.steps_of({"training.steps": "many", "x.steps": "9" * 40}) is None


@pytest.mark.parametrize("content", ["", "{", "[1, 2]", "3", '{"a": ' + "[" * 100_000, '"x"' * 500_000, "\x00\xff"])
def test_a_run_json_that_is_none_is_empty(tmp_path: Path, content: str) -> None:
    (tmp_path / "run.json").write_text(content, encoding="latin-1")
    assert asked.read_about(tmp_path) == {}


def test_a_large_run_json_is_cut(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({f"key {i}": "x" * 500 for i in range(1000)}))
    about = asked.read_about(tmp_path)
    assert len(about) == 300
    assert max(map(len, about.values())) == 200


# --------------------------------------------------------------------------------------------------------- the metrics


def test_numbers_samples_and_events_are_read(tmp_path: Path) -> None:
    metrics = read(made(tmp_path / "run", records(40)))
    assert len(metrics.train) == 40
    assert metrics.train.column("step").tolist() == list(range(1, 41))
    assert metrics.train.last["tokens_per_second"] == 2040
    assert math.isnan(metrics.train.last["mfu"]), "null is no number"
    assert metrics.evals.column("step").tolist() == [10, 20, 30, 40]
    assert [one.text for one in metrics.samples] == [f"words at {i}\n  and more" for i in (10, 20, 30, 40)]
    assert [(one.kind, one.step) for one in metrics.events] == [("start", 0), ("done", 40)]
    assert metrics.skipped == 0


@pytest.mark.parametrize("seed", range(5))
def test_a_file_that_grows_by_any_pieces_reads_like_the_whole(tmp_path: Path, seed: int) -> None:
    found = records(200)
    data = text(found).encode()
    path = tmp_path / "metrics.jsonl"
    whole = reading.Metrics(made(tmp_path / "whole", found)).refresh()
    growing = reading.Metrics(path)
    assert growing.refresh().problem == "No such file or directory"
    chance = random.Random(seed)
    at = 0
    while at < len(data):
        step = chance.choice([1, 7, 100, 5000])
        with path.open("ab") as file:
            file.write(data[at : at + step])
        at += step
        growing.refresh()
    for table in ("train", "evals"):
        a, b = getattr(growing, table), getattr(whole, table)
        for name in a.names:
            np.testing.assert_array_equal(a.column(name), b.column(name))
    assert (growing.samples, growing.events, growing.skipped) == (whole.samples, whole.events, 0)


def test_only_what_is_new_is_read(tmp_path: Path) -> None:
    path = made(tmp_path / "run", records(50, done=False))
    metrics = reading.Metrics(path).refresh()
    taken: list[bytes] = []
    take = metrics._take
    metrics._take = lambda line: (taken.append(line), take(line))
    metrics.refresh()
    assert taken == []
    line = {"kind": "train", **place(51), "loss": 1.5}
    with path.open("a") as file:
        file.write(text([line]))
    metrics.refresh()
    assert [json.loads(one) for one in taken] == [line]
    assert metrics.train.last["loss"] == 1.5
    with path.open("a") as file:
        file.write(text([line | {"step": 52}, line | {"step": 53}])[:-30])  # the second is torn
    metrics.refresh()
    with path.open("a") as file:
        file.write(text([line | {"step": 53}])[-30:])
    metrics.refresh()
    assert [json.loads(one)["step"] for one in taken] == [51, 52, 53]


def test_a_torn_line_waits_for_its_end_and_one_that_never_ends_is_nothing(tmp_path: Path) -> None:
    path = made(tmp_path / "run", records(5, done=False))
    with path.open("a") as file:
        file.write('{"kind": "train", "step": 6, "loss": 1')
    metrics = reading.Metrics(path).refresh()
    assert (metrics.train.last["step"], metrics.skipped) == (5, 0)
    with path.open("a") as file:
        file.write(".25}\n")
    assert metrics.refresh().train.last["loss"] == 1.25
    with path.open("a") as file:
        file.write('{"kind": "tr' + text([{"kind": "train", **place(7), "loss": 1.0}]))  # killed, then resumed
    metrics.refresh()
    assert (metrics.train.last["step"], metrics.skipped) == (6, 1)


def test_a_file_written_anew_is_read_anew(tmp_path: Path) -> None:
    path = made(tmp_path / "run", records(30))
    metrics = reading.Metrics(path).refresh()
    beside = tmp_path / "other"
    beside.write_text(text(records(40, floor=2.0)))
    beside.replace(path)  # as the trainer does when it goes back
    assert len(metrics.refresh().train) == 40
    path.write_text(text(records(50, floor=3.0)))  # the same file, cut and longer
    metrics.refresh()
    assert len(metrics.train) == 50
    assert metrics.train.last["loss"] > 3
    path.write_text(text(records(2)))
    assert len(metrics.refresh().train) == 2
    path.unlink()
    assert (len(metrics.refresh().train), metrics.problem) == (0, "No such file or directory")


def test_steps_that_come_again_replace_those_that_were(tmp_path: Path) -> None:
    first, again = records(30, done=False), records(30, floor=2.0)[1:]
    later = [one for one in again if one["step"] > 20]
    metrics = read(made(tmp_path / "run", [*first, event("resume", 20, "from step 20"), *later]))
    steps, loss = metrics.train.column("step"), metrics.train.column("loss")
    assert steps.tolist() == list(range(1, 31))
    assert loss[19] < 2 < loss[20]
    assert metrics.evals.column("step").tolist() == [10, 20, 30]
    assert metrics.evals.last["loss"] > 2
    assert [one.step for one in metrics.samples] == [10, 20, 30]


def test_steps_that_come_again_without_a_word_replace_those_that_were_too(tmp_path: Path) -> None:
    found = [*records(30, done=False), *(one for one in records(30, floor=2.0)[1:] if one["step"] > 20)]
    metrics = read(made(tmp_path / "run", found))
    for table, steps in ((metrics.train, list(range(1, 31))), (metrics.evals, [10, 20, 30])):
        assert table.column("step").tolist() == steps
        assert table.last["loss"] > 2
    assert [one.step for one in metrics.samples] == [10, 20, 30]


def test_a_resume_takes_back_what_came_after_it_at_once(tmp_path: Path) -> None:
    metrics = read(made(tmp_path / "run", [*records(30, done=False), event("resume", 12)]))
    assert metrics.train.last["step"] == 12
    assert metrics.evals.last["step"] == 10
    assert [one.step for one in metrics.samples] == [10]


def test_a_hostile_file_gives_its_good_lines_and_does_no_harm(tmp_path: Path) -> None:
    metrics = read(hostile(tmp_path / "run"))
    assert metrics.train.column("step").tolist() == list(range(1, 22))
    last = metrics.train.last
    assert all(math.isnan(last[name]) for name in ("loss", "lr", "grad_norm", "tokens"))
    assert metrics.skipped >= 9
    assert metrics.samples[-1].text == HTML
    about = asked.read_about(tmp_path / "run")
    shown = (
        words.samples(HTML, metrics)
        + words.happened({HTML: metrics})
        + words.settings({HTML: about}, only_different=False)
    )
    shown += words.summary({HTML: metrics}, {HTML: reading.standing(metrics, time.time())}, {HTML: None})
    assert "<img" not in shown
    assert "<script" not in shown
    assert "&lt;img" in shown


def test_a_line_without_end_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(text(records(3, done=False)).encode() + b"x" * (9 << 20) + b"\n" + text(records(4)[-2:]).encode())
    metrics = read(path)
    assert (metrics.train.last["step"], metrics.skipped) == (4, 1)


def test_of_a_million_lines_a_bounded_number_of_rows_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    table = module("run_table").Table(("step", "loss"), most=1000)
    for step in range(1, 100_001):
        table.add((float(step), 1 / step))
        if step % 777 == 0:
            table.flush()
    table.flush()
    steps = table.column("step")
    assert 500 <= len(table) <= 1000
    assert set(np.diff(steps)) == {float(table.stride)}
    assert steps[-1] > 100_000 - table.stride
    np.testing.assert_allclose(table.column("loss"), 1 / steps)


def test_samples_and_events_are_bounded_too(tmp_path: Path) -> None:
    found = [{"kind": "sample", **place(step), "text": "x" * 30_000} for step in range(1, 1001)]
    found += [event("best", step) for step in range(1, 1001)] + [event("odd", step) for step in range(1, 1001)]
    metrics = read(made(tmp_path / "run", found))
    assert len(metrics.samples) <= 400
    assert metrics.samples[0].step == 1
    assert metrics.samples[-1].step == 1000
    assert max(len(one.text) for one in metrics.samples) < 20_010
    assert len(metrics.events) <= 400
    assert metrics.best.step == 1000
    assert len(words.some(metrics.samples)) == 40


# ------------------------------------------------------------------------------------------------------ how a run does


@pytest.mark.parametrize(
    ("last", "silent", "expected"),
    [
        (None, 5, ("training", True)),
        (None, 300, ("silent", False)),
        (None, -3600, ("silent", False)),  # a clock that is wrong
        ("done", 5, ("done", False)),
        ("interrupted", 5, ("interrupted", False)),
        ("nan", 5, ("stopped: not a number", False)),
        ("resume", 5, ("training", True)),
        ("save", 5, ("training", True)),
    ],
)
def test_a_run_lives_while_it_speaks_and_has_not_ended(
    tmp_path: Path, last: str | None, silent: float, expected: tuple[str, bool]
) -> None:
    found = records(5, done=False) + ([event("done", 5), event("resume", 5)] if last == "resume" else [])
    found += [event(last, 5)] if last not in (None, "resume") else []
    metrics = read(made(tmp_path / "run", found, age=0))
    assert tuple(reading.standing(metrics, metrics.changed + silent)) == expected


def test_a_slow_run_is_given_four_times_its_own_pace(tmp_path: Path) -> None:
    found = [{"kind": "train", "step": i, "tokens": i, "seconds": 100.0 * i, "loss": 1.0} for i in range(1, 4)]
    metrics = read(made(tmp_path / "run", found, age=0))
    assert reading.standing(metrics, metrics.changed + 390).alive
    assert not reading.standing(metrics, metrics.changed + 410).alive


def test_the_table_of_runs_tells_the_newest_and_the_best(tmp_path: Path) -> None:
    metrics = read(made(tmp_path / "run", records(40, done=False), age=0))
    shown = words.summary({"a<b": metrics}, {"a<b": reading.standing(metrics, metrics.changed)}, {"a<b": 400})
    for part in ("a&lt;b", "training, 36 s left", "40 of 400", "at step 40", "2,040", "4 s", 'class="swatch swatch-0"'):
        assert part in shown
