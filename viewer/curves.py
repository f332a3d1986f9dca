"""Curves of runs as tables of points: what there is to draw, against what, and which points of many.

Read in order:  PANELS (what there is to draw), points (the table), thin; then curve_chart (the picture of it)
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from run_metrics import Metrics

MOST_RUNS = 8
_POINTS = 600  # of a curve: more than its pixels show
_NAMED_EVENTS = {"resume": "resumed", "nan": "NaN", "interrupted": "interrupted"}
_COLUMNS = ["x", "y", "run", "line", "told"]
Range = tuple[float, float]


class Panel(NamedTuple):
    """One chart: a column of the table of training, of evaluation, or of both. ``noisy``: worth smoothing.

    ``format`` rounds no two ticks to one: a curve may be flat.
    """

    title: str
    train: str | None
    evaluation: str | None
    format: str = "~g"
    noisy: bool = False


PANELS = {
    "loss": Panel("Loss (nats a token)", "loss", "loss", noisy=True),
    "bits_per_byte": Panel("Bits a byte", None, "bits_per_byte"),
    "lr": Panel("Learning rate", "lr", None),
    "grad_norm": Panel("Gradient norm", "grad_norm", None, noisy=True),
    "tokens_per_second": Panel("Tokens a second", "tokens_per_second", None, "~s", noisy=True),
    "memory_bytes": Panel("Memory (bytes)", "memory_bytes", None, "~s"),
    "mfu": Panel("MFU (share of peak FLOP/s)", "mfu", None, noisy=True),
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
            if line == "train":
                parts.append(parts[-1][_alone(parts[-1].y.to_numpy())].assign(line="dot"))
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


def _alone(y: np.ndarray) -> np.ndarray:
    """Which numbers have none on either side: a line through one point cannot be seen."""
    seen = np.isfinite(np.concatenate([[math.nan], y, [math.nan]]))
    return seen[1:-1] & ~seen[:-2] & ~seen[2:]


def _events(run: str, metrics: Metrics, axis: Axis, log_x: bool) -> pd.DataFrame:
    """One a step: a run that went on where it was interrupted was resumed there."""
    rows = {}
    for word in metrics.events:
        x = getattr(word, axis.column) / axis.divide_by
        if word.kind in _NAMED_EVENTS and math.isfinite(x) and (x > 0 or not log_x):
            rows[word.step] = (x, math.nan, run, "event", _NAMED_EVENTS[word.kind])
    return pd.DataFrame(rows.values(), columns=_COLUMNS)
