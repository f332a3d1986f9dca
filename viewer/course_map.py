"""The map of the course on the home page: what needs what, minutes, what the reader has done, and where to go on.

One list of lectures in HTML, which a screen reader reads in order and the keyboard walks; the style sheet sets it out
as a wide map or a narrow one, over the lines that ``map_layout`` draws. A link opens a lecture without a new page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from urllib.parse import quote

import map_layout as layout
import streamlit as st

from lilllm.course.plan import LECTURES
from lilllm.course.progress import Course, Standing

_HERE = Path(__file__).parent
_component = st.components.v2.component(
    "lilllm_map",
    css=(_HERE / "course_map.css").read_text(encoding="utf-8"),
    js=(_HERE / "course_map.js").read_text(encoding="utf-8"),
)
_CHECK = '<svg class="check" viewBox="0 0 16 16" aria-hidden="true"><path d="M3 8.5l3.2 3.2L13 4.8"/></svg>'


def _state(one: Standing, *, openable: bool) -> tuple[str, str]:
    """Its class, and what is said of it in a word or two."""
    if one.done:
        return "done", f"{_CHECK}done"
    if one.begun:
        return "begun", f'{one.solved} of {one.exercises}<span class="more"> solved</span>'
    return ("open", "") if openable else ("built", "not recorded") if one.built else ("planned", "planned")


def _node(one: Standing, *, minutes: int | None, openable: bool, next_: bool) -> str:
    lecture = one.lecture
    column, row = layout.PLACES[lecture.number]
    kind, said = _state(one, openable=openable)
    parts = [
        f'<span class="number">{lecture.number}</span> <span class="title">{escape(lecture.title)}</span>',
        f'<span class="minutes">{minutes} min</span>' if minutes else "",
        f'<span class="state">{said}</span>' if said else "",
        f'<span class="needs">needs {", ".join(need[:2] for need in lecture.needs)}</span>' if lecture.needs else "",
        f'<span class="what">{escape(lecture.what)}</span>',
    ]
    if one.begun and one.exercises:
        parts.append(f'<span class="bar"><i style="width:{100 * one.solved / one.exercises:.0f}%"></i></span>')
    body, about = " ".join(filter(None, parts)), escape(": ".join([lecture.what, ", ".join(one.marks)]).rstrip(": "))
    name = quote(lecture.name)
    box = (
        f'<a class="box" href="?trace={name}" data-open="{name}" title="{about}">{body}</a>'
        if openable
        else f'<div class="box" title="{about}">{body}</div>'
    )
    place = f"--x:{column};--y:{layout.top(row):.2f}rem"
    return f'<li class="{kind}{" next" if next_ else ""}" style="{place}" data-at="{lecture.number}">{box}</li>'


def _lines(course: Course, path: Callable[[str, str], str], kind: str, width: float, height: float) -> str:
    done = {one.lecture.number for one in course.lectures if one.done}
    kinds = {True: "done", False: "ahead"}
    drawn = "".join(
        f'<path d="{path(a, b)}" data-from="{a}" data-to="{b}" class="{kinds[a in done]}"/>' for a, b in layout.edges()
    )
    return (
        f'<svg class="{kind}" viewBox="0 0 {width:g} {height:.2f}" preserveAspectRatio="none" aria-hidden="true">'
        f"{drawn}</svg>"
    )


def _go(course: Course, traces: Mapping[str, Path], facts: Mapping[str, str]) -> str:
    """Where to go on: a sentence, one button, and how far the whole is."""
    count = {
        "lectures": (sum(one.done for one in course.lectures), len(course.lectures)),
        "exercises": (sum(one.solved for one in course.lectures), sum(one.exercises for one in course.lectures)),
        "predictions": (sum(one.guessed for one in course.lectures), sum(one.questions for one in course.lectures)),
    }
    parts = ['<section class="go" aria-labelledby="go"><h2 id="go">Where to go on</h2>']
    if course.where:
        parts.append(f'<p class="where">{escape(course.where)}</p>')
    else:
        parts.append('<p class="where">No lecture is built here yet.</p>')
    at = course.go_on
    if at is not None:
        name = at.lecture.name
        if name in traces:
            parts.append(
                f'<a class="button" href="?trace={quote(name)}" data-open="{quote(name)}">'
                f"Open {at.lecture.number} {escape(at.lecture.title)}</a>"
            )
        if facts.get(name):
            parts.append(f'<p class="facts">{escape(facts[name])}</p>')
    if count["exercises"][1]:
        said = " · ".join(f"<b>{n}</b> of {all_} {what}" for what, (n, all_) in count.items() if all_)
        parts.append(f'<p class="facts">{said}</p>')
    if course.note:
        parts.append(f'<p class="note">{escape(course.note)}</p>')
    return "".join([*parts, "</section>"])


def markup(
    course: Course, *, traces: Mapping[str, Path], minutes: Mapping[str, int | None], facts: Mapping[str, str]
) -> str:
    """The map in HTML. ``traces``: the lectures that can be opened; ``minutes`` and ``facts`` by lecture's name."""
    go_on = course.go_on
    bands = []
    for i, part in enumerate(layout.PARTS):
        mine = [one for one in course.lectures if one.lecture.part == part]
        top, height = layout.band(part)
        nodes = "".join(
            _node(
                one,
                minutes=minutes.get(one.lecture.name),
                openable=one.lecture.name in traces,
                next_=go_on is not None and one.lecture == go_on.lecture,
            )
            for one in mine
        )
        numeral, _, title = part.partition(". ")
        done = sum(one.done for one in mine)
        bands.append(
            f'<section class="part part{i}" aria-labelledby="part{i}" '
            f'style="--top:{top:.2f}rem;--high:{height:.2f}rem">'
            f'<h3 id="part{i}"><span><i>{numeral}</i> {escape(title)}</span>'
            f"<small>{done} of {len(mine)} done</small></h3><ol>{nodes}</ol></section>"
        )
    wide = _lines(course, layout.line, "wide", layout.COLUMNS * layout.COLUMN, layout.WIDE_HEIGHT)
    narrow = _lines(course, layout.branch, "narrow", layout.RAIL, layout.NARROW_HEIGHT)
    sizes = (
        f"--wide:{layout.WIDE_HEIGHT:.2f}rem;--narrow:{layout.NARROW_HEIGHT:.2f}rem;--columns:{layout.COLUMNS};"
        f"--box:{layout.BOX / layout.COLUMN};--height:{layout.HEIGHT}rem;--rail:{layout.RAIL}rem;--row:{layout.ROW}rem;"
        f"--head:{layout.HEAD}rem"
    )
    return (
        f'<div class="course" style="{sizes}">{_go(course, traces, facts)}'
        f'<nav class="map" aria-label="Map of the course">{wide}{narrow}{"".join(bands)}</nav>'
        f'<p class="legend">A line leads from what a lecture needs to the lecture. A dashed box is planned.</p></div>'
    )


def show_map(
    course: Course,
    *,
    traces: Mapping[str, Path],
    minutes: Mapping[str, int | None],
    facts: Mapping[str, str],
    choose: Callable[[str], None],
) -> None:
    """Draw the map; ``choose`` is called with the name of the lecture that was clicked, which is one of ``traces``."""

    def opened() -> None:
        name = st.session_state["map"].get("open")
        if name in traces:
            choose(name)

    # Its place is kept before it is drawn, so that what stands below does not jump. In rem: 17 its head, 2.3 its foot.
    narrow, wide = layout.NARROW_HEIGHT + 17, layout.WIDE_HEIGHT + 2.3
    with st.container(key="place"):
        st.html(
            f"<style>.st-key-place {{ min-height: {narrow:.1f}rem; }}"
            f"@media (min-width: 78.5rem) {{ .st-key-place {{ min-height: {wide:.1f}rem; }} }}</style>"
        )
        sent = {"markup": markup(course, traces=traces, minutes=minutes, facts=facts)}
        _component(key="map", data=sent, on_open_change=opened)


assert set(layout.PLACES) == {lecture.number for lecture in LECTURES}
