"""What stands beside the curves, as HTML: how the runs do, their samples along the way, what happened, what differs.

All text of a run's files is escaped; of long lists the first, the newest and some between are shown, and it is said.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
from plain import written
from run_metrics import Metrics, Standing, Word
from run_table import Table

SAMPLES = 40  # shown of one run
_SHOWN_TEXT = 1500


def number(value: float | None, digits: int = 4) -> str:
    """
    >>> number(1.23456), number(1234567.0), number(float("nan")), number(None)
    ('1.235', '1,234,567', '–', '–')
    """
    if value is None or not math.isfinite(value):
        return "–"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def duration(seconds: float | None) -> str:
    """
    >>> duration(3.2), duration(200), duration(9000)
    ('3 s', '3 min 20 s', '2 h 30 min')
    """
    if seconds is None or not math.isfinite(seconds):
        return "–"
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600:,} h {whole % 3600 // 60} min"


def lowest(table: Table, name: str) -> tuple[float, float] | None:
    """The step of the lowest number of a column, and the number."""
    values = table.column(name)
    if not np.isfinite(values).any():
        return None
    at = int(np.nanargmin(values))
    return float(table.column("step")[at]), float(values[at])


def summary(runs: Mapping[str, Metrics], standings: Mapping[str, Standing], planned: Mapping[str, int | None]) -> str:
    """A table of runs: one row each, with the colour of its curves."""
    head = ("Run", "State", "Step", "Loss", "Lowest evaluation", "Bits a byte", "Tokens a second", "Trained")
    rows = []
    for at, (name, metrics) in enumerate(runs.items()):
        last, best, bits = metrics.train.last, lowest(metrics.evals, "loss"), lowest(metrics.evals, "bits_per_byte")
        newest = max(last.get("step", 0.0), metrics.evals.last.get("step", 0.0))
        of = f" of {planned[name]:,}" if planned.get(name) else ""
        state = standings[name].state
        if standings[name].alive:
            state += _left(last, planned.get(name))
        rows.append(
            (
                f'<i class="swatch swatch-{at % 4}{" dashed" if at >= 4 else ""}"></i>{escape(name)}',
                escape(state),
                f"{newest:,.0f}{of}",
                number(last.get("loss")),
                "–" if best is None else f"{number(best[1])} at step {best[0]:,.0f}",
                "–" if bits is None else number(bits[1]),
                number(last.get("tokens_per_second")),
                duration(last.get("seconds")),
            )
        )
    return _table("How the runs do", head, rows, kind="summary")


def _left(last: Mapping[str, float], planned: int | None) -> str:
    step, seconds = last.get("step", 0.0), last.get("seconds", math.nan)
    if not planned or step < 1 or not math.isfinite(seconds) or step >= planned:
        return ""
    return f", {duration(seconds / step * (planned - step))} left"


def _table(label: str, head: Sequence[str], rows: Sequence[Sequence[str]], *, kind: str = "") -> str:
    """``rows`` are HTML. The keyboard reaches a table, to scroll it where it is wider than the page.

    kind: "summary", whose columns stay where they are while its numbers change; "told", with sentences last.
    """
    top = "".join(f'<th scope="col">{one}</th>' for one in head)
    body = "".join(
        f'<tr><th scope="row">{row[0]}</th>{"".join(f"<td>{cell}</td>" for cell in row[1:])}</tr>' for row in rows
    )
    return (
        f'<table class="facts {kind}" tabindex="0" aria-label="{escape(label)}">'
        f"<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
    )


def some(words: Sequence[Word], most: int = SAMPLES) -> list[Word]:
    """All, or the first, the newest and others evenly between."""
    if len(words) <= most:
        return list(words)
    return [words[round(i * (len(words) - 1) / (most - 1))] for i in range(most)]


def samples(name: str, metrics: Metrics) -> str:
    """The samples of a run in the order in which they were written. The keyboard reaches them, to scroll."""
    shown = some(metrics.samples)
    parts = [f'<p class="note">{len(shown)} of {len(metrics.samples)}</p>'] if len(shown) < len(metrics.samples) else []
    for word in shown:
        text = word.text if len(word.text) <= _SHOWN_TEXT else word.text[:_SHOWN_TEXT] + " ..."
        parts.append(f'<section class="sample"><h4>Step {word.step:,}</h4><pre>{written(text)}</pre></section>')
    return f'<div role="group" tabindex="0" aria-label="Samples of {escape(name)}">{"".join(parts)}</div>'


def happened(runs: Mapping[str, Metrics]) -> str:
    """Starts, resumes, ends; the newest best and the newest checkpoint. Empty if there is none."""
    rows = []
    for name, metrics in runs.items():
        words = [word for word in (metrics.saved, metrics.best, *metrics.events) if word is not None]
        for word in sorted(words, key=lambda one: one.step):
            rows.append((escape(name), f"{word.step:,}", escape(word.kind), escape(word.text[:500])))
    return _table("What happened", ("Run", "Step", "Event", "Message"), rows, kind="told") if rows else ""


def settings(abouts: Mapping[str, Mapping[str, str]], *, only_different: bool) -> str:
    """The settings of runs side by side; empty if there is none to show."""
    names = list(dict.fromkeys(key for about in abouts.values() for key in about))
    rows = []
    for key in names:
        values = [about.get(key, "–") for about in abouts.values()]
        if not only_different or len(set(values)) > 1:
            rows.append((escape(key), *(escape(value) for value in values)))
    head = ("Setting", *(escape(name) for name in abouts))
    return _table("Settings that differ" if only_different else "All settings", head, rows) if rows else ""
