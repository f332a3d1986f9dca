"""The page of training runs: curves of one or several, live while they train, samples along the way, what happened.

`?run=NAME&run=OTHER` opens it on runs of the list. A name selects from the list and is never a path.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import streamlit as st
from curve_chart import chart
from curves import MOST_RUNS, PANELS, Axis, Panel, Range, axis_of, has, points
from given import runs_root
from kept import kept, remember
from plain import plain
from run_metrics import PAUSE, Metrics, Standing, standing
from run_settings import read_about, steps_of
from run_words import happened, samples, settings, summary

from lilllm.runtime.run_folders import METRICS, find_runs

EVERY = 2.0  # seconds between two looks at runs that go on
LOOK_FOR_NEW = 5.0
_AXES = {"steps": "Steps", "tokens": "Tokens", "time": "Time"}


@st.cache_resource(max_entries=64, show_spinner=False)
def _metrics(path: str) -> Metrics:
    """One reader a file for all who look, which goes on where it was."""
    return Metrics(Path(path))


def runs_page() -> None:
    remember()
    root = runs_root()
    runs = find_runs(root)
    asked = st.query_params.get_all("run")
    st.html(Path(__file__).with_name("runs.css"))
    with st.container(key="runs"):
        st.title("Runs")
        if not runs:
            _nothing(root)
        else:
            unknown = [name for name in asked if name not in runs]
            if unknown:
                st.warning(f"There is no run called {plain(unknown[0][:80])} here. These are the ones there are:")
            _shown(runs)
    st.fragment(_watch, run_every=LOOK_FOR_NEW)(root, _signature(runs))


def _nothing(root: Path) -> None:
    st.markdown(
        "Curves of every run: loss, learning rate, gradients, throughput, and what the model writes as it learns."
    )
    st.info(f"There is no run in {plain(str(root))} yet. This one takes minutes, and shows here while it trains:")
    st.code("lilllm train --preset liltown --data liltown", language="sh")
    st.markdown("Runs of another folder: `streamlit run viewer -- --runs FOLDER`.")


def _signature(runs: dict[str, Path]) -> tuple[str, ...]:
    """What the page stands on: the runs there are, and which of them were written to within a minute."""
    now = time.time()
    marks = []
    for name, folder in sorted(runs.items()):
        try:
            fresh = abs(now - (folder / METRICS).lstat().st_mtime) < PAUSE
        except OSError:
            fresh = False
        marks.append(f"{name}{'*' * fresh}")
    return tuple(marks)


def _watch(root: Path, seen: tuple[str, ...]) -> None:
    """Draws nothing: a run that begins, or goes on, brings the page anew."""
    if _signature(find_runs(root)) != seen:
        st.rerun()


def _shown(runs: dict[str, Path]) -> None:
    names = st.multiselect(
        f"Runs to compare, at most {MOST_RUNS}",
        list(runs),
        default=list(runs)[:1],
        key="run",
        bind="query-params",
        max_selections=MOST_RUNS,
        placeholder="Choose runs",
    )
    chosen = {name: runs[name] for name in names if name in runs}
    if not chosen:
        st.info("Choose one run or several.")
        return
    columns = st.columns([3, 3, 2], vertical_alignment="bottom")
    against = columns[0].segmented_control(
        "Against", list(_AXES), format_func=lambda one: _AXES[one], key=kept("against", "steps"), required=True
    )
    half_life = columns[1].select_slider(
        "Smoothing: half-life, in logged steps",
        [0, 1, 2, 5, 10, 20, 50, 100, 200, 500],
        key=kept("half_life", 5),
        format_func=lambda one: "none" if one == 0 else str(one),
    )
    with columns[2]:
        logs = st.pills("Logarithmic", ["x", "y"], selection_mode="multi", key=kept("log", []))
    look = _Look(str(against or "steps"), int(half_life), "x" in logs, "y" in logs)
    alive = any(_standings(chosen).values())
    st.fragment(_panels, run_every=EVERY if alive else None)(chosen, look, alive)
    _configured(chosen)


class _Look:
    """What the reader chose."""

    def __init__(self, against: str, half_life: int, log_x: bool, log_y: bool) -> None:
        self.against, self.half_life, self.log_x, self.log_y = against, half_life, log_x, log_y


def _read(chosen: dict[str, Path]) -> dict[str, Metrics]:
    return {name: _metrics(str(folder / METRICS)).refresh() for name, folder in chosen.items()}


def _standings(chosen: dict[str, Path]) -> dict[str, bool]:
    now = time.time()
    with st.spinner("Reading the runs ...", show_time=False):
        return {name: standing(metrics, now).alive for name, metrics in _read(chosen).items()}


def _panels(chosen: dict[str, Path], look: _Look, alive: bool) -> None:
    metrics = _read(chosen)
    now = time.time()
    standings: dict[str, Standing] = {name: standing(one, now) for name, one in metrics.items()}
    if any(one.alive for one in standings.values()) != alive:
        st.rerun()  # the last one ended, or one goes on again: with another pace, or none
    abouts = {name: read_about(folder) for name, folder in chosen.items()}
    _table("summary", summary(metrics, standings, {name: steps_of(about) for name, about in abouts.items()}))
    for name, one in metrics.items():
        if one.problem:
            st.warning(f"metrics.jsonl of {plain(name)} cannot be read: {plain(one.problem)}.")
        elif one.skipped:
            st.caption(f"{one.skipped:,} lines of {plain(name)} are no metrics, and were skipped.")
    drawn = {name: panel for name, panel in PANELS.items() if any(has(panel, one) for one in metrics.values())}
    if not drawn:
        st.info("There is no number to draw yet.")
    axis = axis_of(look.against, metrics)
    if "loss" in drawn:
        _draw("loss", drawn.pop("loss"), metrics, axis, look)
        st.caption(
            "Lines: training; points: evaluation; a ring: its lowest. Drag to move, Ctrl and the wheel (or a pinch) to "
            "zoom, double-click to see all again."
        )
    rest = list(drawn.items())
    for first in range(0, len(rest), 2):
        for column, (name, panel) in zip(st.columns(2), rest[first : first + 2], strict=False):
            with column:
                _draw(name, panel, metrics, axis, look)
    _words(metrics)


def _draw(name: str, panel: Panel, metrics: dict[str, Metrics], axis: Axis, look: _Look) -> None:
    logs: dict[str, bool] = {"log_x": look.log_x, "log_y": look.log_y and name != "lr"}
    whole = name == "loss"
    # The reader's zoom comes back to the page, for two reasons: Streamlit then keeps it when the numbers change, and
    # what is zoomed into is drawn with all its points.
    key = f"chart-{name}-{axis.title}-{look.log_x}-{look.log_y}"
    rows = points(metrics, panel, axis, half_life=look.half_life, zoom=_zoom(st.session_state.get(key)), **logs)
    st.vega_lite_chart(
        rows,
        chart(list(metrics), panel, axis, **logs),
        key=key,
        on_select="rerun",
        selection_mode=["zoom"],
        height=380 if whole else 220,
        width="stretch",
    )


def _zoom(state: Any) -> Range | None:
    """From where to where on x the reader has zoomed, as the chart says it."""
    try:
        low, high = state["selection"]["zoom"]["x"]
        return (float(low), float(high)) if low < high else None
    except (KeyError, TypeError, ValueError):
        return None


def _words(metrics: dict[str, Metrics]) -> None:
    told = {name: one for name, one in metrics.items() if one.samples}
    if told:
        st.markdown("### What it writes as it learns")
        for column, (name, one) in zip(st.columns(min(3, len(told))) * 3, told.items(), strict=False):
            with column:
                if len(metrics) > 1:
                    st.markdown(f"**{plain(name)}**")
                with st.container(border=True, key=f"samples-{list(metrics).index(name)}"):
                    st.html(samples(name, one))
    events = happened(metrics)
    if events:
        st.markdown("### What happened")
        _table("events", events)


def _configured(chosen: dict[str, Path]) -> None:
    abouts = {name: read_about(folder) for name, folder in chosen.items()}
    different = settings(abouts, only_different=True) if len(abouts) > 1 else ""
    if different:
        st.markdown("### In what they differ")
        _table("different", different)
    whole = settings(abouts, only_different=False)
    if whole:
        with st.expander("All settings"):
            _table("settings", whole)


def _table(key: str, html: str) -> None:
    """In a container that scrolls: it stays, with its place, when the page puts newer numbers into it."""
    with st.container(key=f"table-{key}"):
        st.html(html)
