"""The picture of curves, as a Vega-Lite specification.

It depends on what the reader chose, never on the numbers: while a run goes on, only the table changes, so the picture
is not made anew and a zoom stays.

Colours:  lilllm.course.figures: contrast 3 on white and on black. The fifth run takes the first colour again with a
          dash; points of evaluation have a shape for each run. The table of runs is the legend
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chart_text import CONFIG
from curves import PANELS, Axis, Panel

from lilllm.course.figures import COLOURS

_SHAPES = ("circle", "square", "triangle-up", "diamond")
_DASHES = ([1, 0], [6, 3])


def chart(
    names: Sequence[str], panel: Panel, axis: Axis, *, log_x: bool = False, log_y: bool = False
) -> dict[str, Any]:
    """The Vega-Lite specification of a panel of these runs, for the rows of `points`."""
    domain = list(names)
    colours = [COLOURS[i % len(COLOURS)] for i in range(len(domain))]
    dashes = [_DASHES[i // len(COLOURS) % 2] for i in range(len(domain))]
    shapes = [_SHAPES[i % len(_SHAPES)] for i in range(len(domain))]
    one_run = {"field": "run", "type": "nominal", "legend": None}
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
        "scale": _scale(log_y),
        "axis": {"format": panel.format, "tickCount": 5},
    }
    told = [
        {"field": "run", "title": "Run"},
        {"field": "kind", "title": "Line"},
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
        layers.append(layer("dot", point | {"size": 20}, y=y))
    if panel.evaluation:
        layers.append(layer("eval", line | {"strokeWidth": 1, "opacity": 0.6}, y=y, strokeDash=dash))
        layers.append(layer("eval", point | {"size": 34}, y=y, shape=shape))
        layers.append(layer("best", point | {"filled": False, "size": 170, "strokeWidth": 2}, y=y))
    if panel is PANELS["loss"]:
        layers.append(layer("event", {"type": "rule", "clip": True, "strokeDash": [2, 3], "opacity": 0.8}))
        layers += [_labels(x, "left", 4, -3, _RIGHT_OF_IT), _labels(x, "right", -4, -15, _LEFT_OF_IT)]
    layers[0]["name"] = "zoomed"  # a selection belongs to one of them; the others follow its scales
    layers.append(
        {
            "transform": [
                {"filter": "datum.line === 'train' || datum.line === 'eval'"},
                {"calculate": "datum.line === 'eval' ? 'evaluation' : 'training'", "as": "kind"},
            ],
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
        "padding": {"left": 4, "right": 8, "top": 30 if panel is PANELS["loss"] else 4, "bottom": 4},
        "config": CONFIG,
    }


def _labels(x: dict[str, Any], align: str, dx: int, y: int, where: str) -> dict[str, Any]:
    """The names of events above the plot, of those that have room there."""
    text = {"condition": {"test": where, "field": "told"}, "value": ""}
    return {
        "transform": [
            {"filter": "datum.line === 'event'"},
            {"window": [{"op": "lead", "field": "x", "as": "next"}], "sort": [{"field": "x"}]},
        ],
        "mark": {"type": "text", "align": align, "baseline": "bottom", "dx": dx, "fontSize": 11}
        | {"color": "currentColor", "clip": False, "aria": False},
        "encoding": {"x": x, "y": {"value": y}, "text": text},
    }


# In pixels, whatever the zoom and the width: the longest word takes 60 of them. The last event at the right edge has
# its name on its left, in a row of its own.
_AT, _NEXT = "scale('x', datum.x)", "scale('x', datum.next)"
_RIGHT_OF_IT = f"{_AT} >= 0 && {_AT} + 64 <= width && (datum.next === null || {_NEXT} - {_AT} > 66)"
_LEFT_OF_IT = f"{_AT} <= width && {_AT} + 64 > width && (datum.next === null || {_NEXT} > width)"


def _scale(log: bool) -> dict[str, Any]:
    """``padding``: pixels between the first and last points and the edge, which would cut them."""
    kind = {"type": "log"} if log else {"type": "linear", "zero": False}
    return kind | {"nice": False, "padding": 8}


_NEAREST = {"type": "point", "on": "pointermove", "nearest": True, "clear": "pointerout"}
# The wheel alone scrolls the page.
_INTERVAL = {"type": "interval", "zoom": "wheel![event.ctrlKey || event.metaKey || event.altKey]"}
