"""What is drawn of runs: which points, on which axes, and a picture that does not change with the numbers."""

from __future__ import annotations

import doctest
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import vl_convert

from tests.viewer.modules import module
from tests.viewer.runs import event, made, place, records

curves, reading = module("curves"), module("run_metrics")
LOSS = curves.PANELS["loss"]
STEPS = curves.Axis("step", "Step")


def run(tmp_path: Path, name: str = "run", **how: Any) -> Any:
    return reading.Metrics(made(tmp_path / name, records(**how))).refresh()


@pytest.mark.parametrize("name", ["curves", "run_words", "token_marks", "next_view", "scores", "plain"])
def test_examples(name: str) -> None:
    assert doctest.testmod(module(name)).failed == 0


def test_the_points_of_a_run_are_its_numbers(tmp_path: Path) -> None:
    metrics = run(tmp_path, steps=40)
    rows = curves.points({"one": metrics}, LOSS, STEPS)
    train = rows[rows.line == "train"]
    np.testing.assert_array_equal(train.x, metrics.train.column("step"))
    np.testing.assert_array_equal(train.y, metrics.train.column("loss"))
    assert rows[rows.line == "eval"].x.tolist() == [10, 20, 30, 40]
    assert rows[rows.line == "best"].x.tolist() == [40]
    assert not (rows.line == "raw").any()
    assert set(rows.run) == {"one"}


def test_smoothing_keeps_the_unsmoothed_line_beside_it_and_leaves_evaluation_alone(tmp_path: Path) -> None:
    metrics = run(tmp_path, steps=40)
    rows = curves.points({"one": metrics}, LOSS, STEPS, half_life=5)
    raw, smooth = rows[rows.line == "raw"].y.to_numpy(), rows[rows.line == "train"].y.to_numpy()
    np.testing.assert_array_equal(raw, metrics.train.column("loss"))
    weights = 0.5 ** (np.arange(40)[::-1] / 5)  # by the definition: half as much every five steps
    assert smooth[-1] == pytest.approx((weights * raw).sum() / weights.sum(), rel=1e-12)
    np.testing.assert_array_equal(rows[rows.line == "eval"].y, metrics.evals.column("loss"))
    rate = curves.points({"one": metrics}, curves.PANELS["lr"], STEPS, half_life=5)
    np.testing.assert_array_equal(rate[rate.line == "train"].y, metrics.train.column("lr"))


def test_thinning_keeps_every_spike_the_ends_and_the_gaps() -> None:
    y = np.sin(np.arange(1_000_000) / 1e5)
    y[123_456], y[777_777], y[500_000] = 50, -50, math.nan
    at = curves.thin(np.arange(len(y)), y, 600)
    assert len(at) <= 610
    assert {0, 123_456, 500_000, 777_777, 999_999} <= set(at.tolist())
    assert (np.diff(at) > 0).all()
    few = np.arange(5.0)
    np.testing.assert_array_equal(curves.thin(few, few, 600), np.arange(5))


def test_what_is_zoomed_into_is_drawn_with_all_its_points() -> None:
    x = np.arange(1, 100_001, dtype=float)
    at = curves.thin(x, np.cos(x), 600, zoom=(40_000, 40_200))
    inside = x[at][(x[at] >= 40_000) & (x[at] <= 40_200)]
    assert inside.tolist() == list(range(40_000, 40_201))
    assert 100 < len(at) - len(inside) < 200
    assert len(curves.thin(x, np.cos(x), 600, zoom=(2e6, 3e6))) < 300


def test_what_a_logarithm_has_not_is_left_out(tmp_path: Path) -> None:
    found = [{"kind": "train", **place(step), "loss": loss} for step, loss in ((0, 3.0), (1, 0.0), (2, -1.0), (3, 2.0))]
    metrics = reading.Metrics(made(tmp_path / "run", found)).refresh()
    rows = curves.points({"one": metrics}, LOSS, STEPS, log_x=True, log_y=True)
    assert rows.x.tolist() == [1, 2, 3]
    assert rows.y.isna().tolist() == [True, True, False]


def test_time_is_in_the_unit_that_fits(tmp_path: Path) -> None:
    for seconds, unit, last in ((50, "seconds", 50), (600, "minutes", 10), (36_000, "hours", 10)):
        found = [{"kind": "train", "step": 1, "tokens": 64, "seconds": seconds, "loss": 1.0}]
        runs = {"one": reading.Metrics(made(tmp_path / unit, found)).refresh()}
        axis = curves.axis_of("time", runs)
        assert axis.title == f"Time of training ({unit})"
        assert curves.points(runs, LOSS, axis).x.tolist() == [last]
    assert curves.points(runs, LOSS, curves.axis_of("tokens", runs)).x.tolist() == [64]


def test_events_that_matter_are_marked_and_others_are_not(tmp_path: Path) -> None:
    found = [
        *records(30, done=False),
        event("interrupted", 30),
        event("resume", 30),
        event("save", 30),
        event("nan", 31),
    ]
    metrics = reading.Metrics(made(tmp_path / "run", found)).refresh()
    rows = curves.points({"one": metrics}, LOSS, STEPS)
    told = rows[rows.line == "event"]
    assert list(zip(told.x, told.told, strict=True)) == [(30, "interrupted"), (30, "resumed"), (31, "NaN")]
    assert not (curves.points({"one": metrics}, curves.PANELS["lr"], STEPS).line == "event").any()


def test_the_picture_is_the_same_whatever_the_numbers(tmp_path: Path) -> None:
    """Streamlit makes a chart anew when its specification changes, and the reader's zoom goes with the old one."""
    young, old = run(tmp_path, "a", steps=20, done=False), run(tmp_path, "b", steps=100)
    for panel in curves.PANELS.values():
        both = [
            curves.chart(["one"], panel, curves.axis_of("time", {"one": metrics}), legend=False)
            for metrics in (young, old)
        ]
        assert both[0] == both[1]


@pytest.mark.parametrize("panel", list(curves.PANELS))
@pytest.mark.parametrize("log", [False, True])
def test_vega_lite_draws_every_panel_with_titles(tmp_path: Path, panel: str, log: bool) -> None:
    runs = {name: run(tmp_path, name, steps=30 + i) for i, name in enumerate(["a", "b<c>", "d", "e", "f"])}
    one = curves.PANELS[panel]
    rows = curves.points(runs, one, STEPS, half_life=2, log_x=log, log_y=log)
    spec = curves.chart(list(runs), one, STEPS, log_x=log, log_y=log, legend=True)
    values = [{k: (None if v != v else v) for k, v in row.items()} for row in rows.to_dict("records")]
    svg = vl_convert.vegalite_to_svg(spec | {"data": {"values": values}}, vl_version="5.20", allowed_base_urls=[])
    if panel == "mfu":
        assert not curves.has(one, runs["a"])
        return
    assert curves.has(one, runs["a"])
    for word in ("Step", one.title, "b&lt;c&gt;"):
        assert f">{word}<" in svg
    for colour in ("#0072b2", "#d55e00", "#009e73", "#cc79a7"):
        assert svg.count(f'stroke="{colour}"') >= 1


def test_a_run_without_numbers_draws_nothing(tmp_path: Path) -> None:
    metrics = reading.Metrics(made(tmp_path / "run", [event("start", 0)])).refresh()
    for panel in curves.PANELS.values():
        assert not curves.has(panel, metrics)
        assert len(curves.points({"one": metrics}, panel, STEPS)) == 0
