"""What is drawn of runs: which points, on which axes, and a picture that does not change with the numbers."""

from __future__ import annotations

import doctest
import itertools
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import vl_convert

from tests.viewer.modules import module
from tests.viewer.runs import event, made, place, records

curves, pictures, reading = module("curves"), module("curve_chart"), module("run_metrics")
LOSS = curves.PANELS["loss"]
STEPS = curves.Axis("step", "Step")


def run(tmp_path: Path, name: str = "run", **how: Any) -> Any:
    return reading.Metrics(made(tmp_path / name, records(**how))).refresh()


def drawn(spec: dict[str, Any], rows: Any, width: int = 600) -> str:
    values = [{k: (None if v != v else v) for k, v in row.items()} for row in rows.to_dict("records")]
    whole = spec | {"data": {"values": values}, "width": width}
    return str(vl_convert.vegalite_to_svg(whole, vl_version="5.20", allowed_base_urls=[]))


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
    line = rows[rows.line == "train"]
    assert line.x.tolist() == [1, 2, 3]
    assert line.y.isna().tolist() == [True, True, False]


def test_time_is_in_the_unit_that_fits(tmp_path: Path) -> None:
    for seconds, unit, last in ((50, "seconds", 50), (600, "minutes", 10), (36_000, "hours", 10)):
        found = [{"kind": "train", "step": 1, "tokens": 64, "seconds": seconds, "loss": 1.0}]
        runs = {"one": reading.Metrics(made(tmp_path / unit, found)).refresh()}
        axis = curves.axis_of("time", runs)
        assert axis.title == f"Time of training ({unit})"
        assert set(curves.points(runs, LOSS, axis).x) == {last}
    assert set(curves.points(runs, LOSS, curves.axis_of("tokens", runs)).x) == {64}


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
    assert list(zip(told.x, told.told, strict=True)) == [(30, "resumed"), (31, "NaN")]
    assert not (curves.points({"one": metrics}, curves.PANELS["lr"], STEPS).line == "event").any()


@pytest.mark.parametrize("width", [300, 1200])
@pytest.mark.parametrize("last", [200, 203])
def test_names_of_events_never_lie_over_each_other_nor_outside(tmp_path: Path, width: int, last: int) -> None:
    at = [40, 46, 49, 53, 120, 180, 190, last]
    found = [*records(last, done=False), *(event("interrupted", step) for step in at)]
    runs = {"one": reading.Metrics(made(tmp_path / "run", found)).refresh()}
    svg = drawn(pictures.chart(["one"], LOSS, STEPS), curves.points(runs, LOSS, STEPS), width)
    words = re.findall(r'<text text-anchor="(\w+)" transform="translate\(([\d.]+),(-?[\d.]+)\)"[^>]*>interrupted<', svg)
    ends = [(float(x), float(x) + 60) if side == "start" else (float(x) - 60, float(x)) for side, x, _ in words]
    boxes = sorted((y, *box) for (*_, y), box in zip(words, ends, strict=True))
    assert len(boxes) >= 3
    assert all(one[0] != two[0] or one[2] < two[1] for one, two in itertools.pairwise(boxes))
    assert boxes[0][1] >= 0
    assert max(box[2] for box in boxes) <= width
    rules = re.findall(r'stroke-dasharray="2,3"', svg)
    assert len(rules) >= 1


def test_a_point_without_neighbours_is_drawn_as_a_point(tmp_path: Path) -> None:
    losses = (6.0, None, 4.0, None, 3.0, 2.0)
    found = [{"kind": "train", **place(step), "loss": loss} for step, loss in enumerate(losses, start=1)]
    metrics = reading.Metrics(made(tmp_path / "run", found)).refresh()
    rows = curves.points({"one": metrics}, LOSS, STEPS, half_life=5)
    dots = rows[rows.line == "dot"]
    assert list(zip(dots.x, dots.y, strict=True)) == [
        (1, 6),
        (3, rows[(rows.line == "train") & (rows.x == 3)].y.item()),
    ]


def test_ticks_of_a_flat_curve_differ(tmp_path: Path) -> None:
    metrics = run(tmp_path, steps=30)  # 2001 to 2030 tokens a second
    panel = curves.PANELS["tokens_per_second"]
    svg = drawn(pictures.chart(["one"], panel, STEPS), curves.points({"one": metrics}, panel, STEPS))
    ticks = re.findall(r">(2\.?\d*k)<", svg)
    assert len(ticks) >= 4
    assert len(set(ticks)) == len(ticks)


def test_points_at_the_ends_keep_clear_of_the_edge(tmp_path: Path) -> None:
    svg = drawn(pictures.chart(["one"], LOSS, STEPS), curves.points({"one": run(tmp_path, steps=40)}, LOSS, STEPS))
    right = re.findall(r'transform="translate\(([\d.]+),[\d.]+\)"[^>]*stroke-width="2"', svg)
    assert max(map(float, right)) == pytest.approx(592, abs=0.5), (
        "8 pixels of 600 are left, and the ring has a radius of 7.4"
    )


def test_the_picture_is_the_same_whatever_the_numbers(tmp_path: Path) -> None:
    """Streamlit makes a chart anew when its specification changes, and the reader's zoom goes with the old one."""
    young, old = run(tmp_path, "a", steps=20, done=False), run(tmp_path, "b", steps=100)
    for panel in curves.PANELS.values():
        both = [pictures.chart(["one"], panel, curves.axis_of("time", {"one": metrics})) for metrics in (young, old)]
        assert both[0] == both[1]


@pytest.mark.parametrize("panel", list(curves.PANELS))
@pytest.mark.parametrize("log", [False, True])
def test_vega_lite_draws_every_panel_with_titles(tmp_path: Path, panel: str, log: bool) -> None:
    runs = {name: run(tmp_path, name, steps=30 + i) for i, name in enumerate(["a", "b<c>", "d", "e", "f"])}
    one = curves.PANELS[panel]
    rows = curves.points(runs, one, STEPS, half_life=2, log_x=log, log_y=log)
    spec = pictures.chart(list(runs), one, STEPS, log_x=log, log_y=log)
    svg = drawn(spec, rows)
    if panel == "mfu":
        assert not curves.has(one, runs["a"])
        return
    assert curves.has(one, runs["a"])
    for word in ("Step", one.title):
        assert f">{word}<" in svg
    for colour in ("#0072b2", "#d55e00", "#009e73", "#cc79a7"):
        assert svg.count(f'stroke="{colour}"') >= 1


def test_a_run_without_numbers_draws_nothing(tmp_path: Path) -> None:
    metrics = reading.Metrics(made(tmp_path / "run", [event("start", 0)])).refresh()
    for panel in curves.PANELS.values():
        assert not curves.has(panel, metrics)
        assert len(curves.points({"one": metrics}, panel, STEPS)) == 0
