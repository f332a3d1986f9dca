"""Curves of runs as Vega-Lite: one table of points and one specification a chart.

The specification depends on what the reader chose, never on the numbers: while a run goes on, only the table changes,
so the picture is not made anew and a zoom stays.

Read in order:  PANELS (what there is to draw), points (the table), thin, chart (the specification)
Colours:        lilllm.course.figures: contrast 3 on white and on black. The fifth run takes the first colour again with
                a dash; points of evaluation have a shape for each run
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from run_metrics import Metrics

from lilllm.course.figures import COLOURS

MOST_RUNS = 8
_POINTS = 600  # of a curve: more than its pixels show
_SHAPES = ("circle", "square", "triangle-up", "diamond")
_DASHES = ([1, 0], [6, 3])
_NAMED_EVENTS = {"resume": "resumed", "nan": "NaN", "interrupted": "interrupted"}
_COLUMNS = ["x", "y", "run", "line", "told"]
Range = tuple[float, float]


class Panel(NamedTuple):
    """One chart: a column of the table of training, of evaluation, or of both. ``noisy``: worth smoothing."""

    title: str
    train: str | None
    evaluation: str | None
    format: str
    noisy: bool = False


PANELS = {
    "loss": Panel("Loss (nats a token)", "loss", "loss", ".4~g", True),
    "bits_per_byte": Panel("Bits a byte", None, "bits_per_byte", ".4~g"),
    "lr": Panel("Learning rate", "lr", None, ".3~g"),
    "grad_norm": Panel("Gradient norm", "grad_norm", None, ".4~g", True),
    "tokens_per_second": Panel("Tokens a second", "tokens_per_second", None, ".3~s", True),
    "memory_bytes": Panel("Memory (bytes)", "memory_bytes", None, ".3~s"),
    "mfu": Panel("Model FLOPs utilisation (share of peak)", "mfu", None, ".3~g", True),
}


class Axis(NamedTuple):
    """What the curves are drawn against."""

    column: str
    title: str
    divide_by: float = 1.0


def axis_of(choice: str, runs: Mapping[str, Metrics]) -> Axis:
    """The axis of "steps", "tokens" or "time": time in the largest unit that the longest of the runs fills twice."""
    if choice == "tokens":
        return Axis("tokens", "Tokens seen")
    if choice != "time":
        return Axis("step", "Step")
    longest = max((one.train.last.get("seconds", 0.0) for one in runs.values()), default=0.0)
    for unit, seconds in (("hours", 3600.0), ("minutes", 60.0)):
        if longest >= 2 * seconds:
            return Axis("seconds", f"Time of training ({unit})", seconds)
    return Axis("seconds", "Time of training (seconds)")


def has(panel: Panel, metrics: Metrics) -> bool:
    """Whether a run has a number to draw there."""
    return any(
        name is not None and bool(np.isfinite(table.column(name)).any())
        for table, name in ((metrics.train, panel.train), (metrics.evals, panel.evaluation))
    )


def smoothed(y: np.ndarray, half_life: int) -> np.ndarray:
    """Mean of all numbers so far, each counting half as much as the one ``half_life`` logged steps after it.

    Without bias at the start: weights are divided by their sum. A NaN counts nothing, and stays a gap.

    >>> smoothed(np.array([3.0, 0.0]), 1)  # (3 / 2 + 0) / (1 / 2 + 1)
    array([3., 1.])
    """
    mean = pd.Series(y).ewm(halflife=half_life, ignore_na=True).mean().to_numpy()
    return np.where(np.isfinite(y), mean, np.nan)


def thin(x: np.ndarray, y: np.ndarray, most: int = _POINTS, zoom: Range | None = None) -> np.ndarray:
    """Indices, in order, of about ``most`` points that look like all: of each stretch the lowest and the highest.

    With ``zoom``, so many of what lies between its ends, and an eighth of it on either side.

    Holds: the first and the last, the largest and the smallest number stay.
    """
    if zoom is None:
        return _thin(y, np.arange(len(y)), most)
    left, right = np.searchsorted(x, zoom)
    left, right = max(0, left - 1), min(len(x), right + 1)  # the line goes on to the edge
    parts = ((0, left, most // 8), (left, right, most), (right, len(x), most // 8))
    return np.concatenate([_thin(y, np.arange(start, stop), few) for start, stop, few in parts])


def _thin(y: np.ndarray, at: np.ndarray, most: int) -> np.ndarray:
    if len(at) <= most:
        return at
    kept = [at[:1], at[-1:]]
    for stretch in np.array_split(at, max(1, most // 2)):
        values = y[stretch]
        finite = np.isfinite(values)
        if finite.any():
            kept += [stretch[[np.where(finite, values, np.inf).argmin(), np.where(finite, values, -np.inf).argmax()]]]
        if not finite.all():
            kept += [stretch[~finite][:1]]  # a gap stays one
    return np.unique(np.concatenate(kept))


def points(
    runs: Mapping[str, Metrics],
    panel: Panel,
    axis: Axis,
    *,
    half_life: int = 0,
    log_x: bool = False,
    log_y: bool = False,
    zoom: Range | None = None,
) -> pd.DataFrame:
    """The rows that `chart` draws: x, y, the run, which line they belong to, and what is told of them."""
    parts = []
    for name, metrics in runs.items():
        for table, column, line in ((metrics.train, panel.train, "train"), (metrics.evals, panel.evaluation, "eval")):
            if column is None or not len(table):
                continue
            x, y = table.column(axis.column) / axis.divide_by, table.column(column)
            drawn = {line: y}
            if half_life and line == "train" and panel.noisy:
                drawn = {"raw": y, line: smoothed(y, half_life)}
            for one, values in drawn.items():
                parts.append(_curve(name, one, x, values, log_x, log_y, zoom))
            if line == "eval" and np.isfinite(y).any():
                at = [int(np.nanargmin(y))]
                parts.append(_curve(name, "best", x[at], y[at], log_x, log_y, None))
        if panel is PANELS["loss"]:
            parts.append(_events(name, metrics, axis, log_x))
    whole = [part for part in parts if len(part)]
    return pd.concat(whole, ignore_index=True) if whole else pd.DataFrame({name: [] for name in _COLUMNS})


def _curve(
    run: str, line: str, x: np.ndarray, y: np.ndarray, log_x: bool, log_y: bool, zoom: Range | None
) -> pd.DataFrame:
    seen = np.isfinite(x) & ((x > 0) | (not log_x))
    x, y = x[seen], y[seen]
    if log_y:
        y = np.where(y > 0, y, np.nan)
    at = thin(x, y, zoom=zoom)
    return pd.DataFrame({"x": x[at], "y": y[at], "run": run, "line": line, "told": ""}, columns=_COLUMNS)


def _events(run: str, metrics: Metrics, axis: Axis, log_x: bool) -> pd.DataFrame:
    rows = []
    for word in metrics.events:
        x = getattr(word, axis.column) / axis.divide_by
        if word.kind in _NAMED_EVENTS and math.isfinite(x) and (x > 0 or not log_x):
            rows.append((x, math.nan, run, "event", _NAMED_EVENTS[word.kind]))
    return pd.DataFrame(rows, columns=_COLUMNS)


def chart(
    names: Sequence[str], panel: Panel, axis: Axis, *, log_x: bool = False, log_y: bool = False, legend: bool = False
) -> dict[str, Any]:
    """The Vega-Lite specification of a panel of these runs, for the rows of `points`."""
    domain = list(names)
    colours = [COLOURS[i % len(COLOURS)] for i in range(len(domain))]
    dashes = [_DASHES[i // len(COLOURS) % 2] for i in range(len(domain))]
    shapes = [_SHAPES[i % len(_SHAPES)] for i in range(len(domain))]
    shown = {"orient": "top", "title": None, "labelLimit": 260, "columns": 3, "symbolOpacity": 1} if legend else None
    one_run = {"field": "run", "type": "nominal", "legend": shown}
    colour = one_run | {"scale": {"domain": domain, "range": colours}}
    dash = one_run | {"scale": {"domain": domain, "range": dashes}}
    shape = one_run | {"scale": {"domain": domain, "range": shapes}}
    x = {
        "field": "x",
        "type": "quantitative",
        "title": axis.title,
        "scale": _scale(log_x),
        "axis": {"format": "~s" if axis.column != "seconds" else "~g", "grid": False, "tickCount": 6},
    }
    y = {
        "field": "y",
        "type": "quantitative",
        "title": panel.title,
        "scale": _scale(log_y) | {"padding": 8},
        "axis": {"format": panel.format, "tickCount": 5},
    }
    told = [
        {"field": "run", "title": "Run"},
        {"field": "line", "title": "Line"},
        {"field": "x", "title": axis.title, "format": ".6~g"},
        {"field": "y", "title": panel.title, "format": ".5~g"},
    ]

    def layer(line: str, mark: dict[str, Any], **encoding: Any) -> dict[str, Any]:
        return {"transform": [{"filter": f"datum.line === '{line}'"}], "mark": {"aria": False, **mark}} | (
            {"encoding": {"x": x, "color": colour} | encoding}
        )

    line = {"type": "line", "clip": True}
    point = {"type": "point", "clip": True, "filled": True, "opacity": 1}
    layers = []
    if panel.train and panel.noisy:
        layers.append(layer("raw", line | {"opacity": 0.28, "strokeWidth": 1}, y=y, strokeDash=dash))
    if panel.train:
        layers.append(layer("train", line | {"strokeWidth": 1.75}, y=y, strokeDash=dash))
    if panel.evaluation:
        layers.append(layer("eval", line | {"strokeWidth": 1, "opacity": 0.6}, y=y, strokeDash=dash))
        layers.append(layer("eval", point | {"size": 34}, y=y, shape=shape))
        layers.append(layer("best", point | {"filled": False, "size": 170, "strokeWidth": 2}, y=y))
    if panel is PANELS["loss"]:
        words = {"type": "text", "align": "left", "baseline": "top", "dx": 4, "dy": 2, "fontSize": 11, "clip": True}
        layers.append(layer("event", {"type": "rule", "clip": True, "strokeDash": [2, 3], "opacity": 0.8}))
        layers.append(layer("event", words, y={"value": 0}, text={"field": "told"}))
    layers[0]["name"] = "zoomed"  # a selection belongs to one of them; the others follow its scales
    layers.append(
        {
            "transform": [{"filter": "datum.line === 'train' || datum.line === 'eval'"}],
            "mark": {"type": "point", "filled": True, "size": 60, "clip": True, "aria": False},
            "params": [{"name": "hover", "select": _NEAREST}],
            "encoding": {
                "x": x,
                "y": y,
                "color": colour,
                "tooltip": told,
                "opacity": {"condition": {"param": "hover", "empty": False, "value": 1}, "value": 0},
            },
        }
    )
    return {
        "description": f"{panel.title} by {axis.title.lower()}; the table of runs has the newest numbers.",
        "layer": layers,
        "params": [{"name": "zoom", "views": ["zoomed"], "bind": "scales", "select": _INTERVAL}],
        "padding": {"left": 4, "right": 8, "top": 4, "bottom": 4},
    }


def _scale(log: bool) -> dict[str, Any]:
    return {"type": "log", "nice": False} if log else {"type": "linear", "nice": False, "zero": False}


_NEAREST = {"type": "point", "on": "pointermove", "nearest": True, "clear": "pointerout"}
# The wheel alone scrolls the page.
_INTERVAL = {"type": "interval", "zoom": "wheel![event.ctrlKey || event.metaKey || event.altKey]"}
