"""The home page: the map of the course, the list of what can be opened, and the player on the one that is chosen."""

from __future__ import annotations

from collections import Counter

import streamlit as st
from catalogue import Lecture, read_catalogue, root
from course_map import show_map
from museum_page import museum
from plain import plain
from player_component import show_player

from lilllm.course.museum import names
from lilllm.course.progress import Standing, read_course
from lilllm.tracing.reader import TraceError


def _card(lecture: Lecture, standing: Standing | None, broken: int) -> None:
    with st.container(border=True, key=f"card-{lecture.name}"):
        number = f"{lecture.number:02d}  " if lecture.number is not None else ""
        left, right = st.columns([5, 1], vertical_alignment="center")
        with left:
            st.markdown(f"#### {number}{plain(lecture.title)}")
            if lecture.problem:
                st.warning(f"The source cannot be read: {lecture.problem}", icon=None)
            if lecture.summary:
                st.markdown(lecture.summary)
            if lecture.build:
                st.markdown(f"**You will build** {lecture.build}")
            if lecture.facts:
                st.caption(lecture.facts)
            _link_to_cases(broken)
            if standing and standing.marks:
                st.caption("You: " + ", ".join(standing.marks))
        with right:
            if lecture.trace is None:
                st.caption("not built yet")
            else:
                # Not a page link: those leave the address without the trace (Streamlit 1.67).
                st.button("Open", key=f"open-{lecture.name}", on_click=_choose, args=(lecture.name,), width="stretch")


def _link_to_cases(broken: int) -> None:
    if broken:
        st.page_link(museum(), label=f"{broken} broken on purpose, in the museum")


def _choose(name: str) -> None:
    st.session_state["trace"] = name  # the bound choice: the address follows it


def _broken() -> Counter[int | None]:
    """How many cases the museum has of each lecture."""
    return Counter(int(name[:2]) for name in names(root()))


def _home(lectures: list[Lecture]) -> None:
    course = read_course(root())
    with st.container(key="home"):
        st.title("lilllm")
        st.markdown(
            "Every component of a language model, built in a notebook and replayed here line by line, value by value."
        )
        show_map(
            course,
            traces={lecture.name: lecture.trace for lecture in lectures if lecture.trace},
            minutes={lecture.name: lecture.minutes for lecture in lectures},
            facts={lecture.name: lecture.facts for lecture in lectures},
            choose=_choose,
        )
    with st.container(key="list"):
        if not lectures:
            st.info("There is no lecture and no trace yet. `lilllm lectures build` makes them.")
            return
        st.markdown("## What there is")
        standings = {one.lecture.name: one for one in course.lectures}
        broken = _broken()
        for lecture in lectures:
            _card(lecture, standings.get(lecture.name), broken[lecture.number])


def lectures_page() -> None:
    lectures = read_catalogue(root())
    traces = {lecture.name: lecture for lecture in lectures if lecture.trace}
    asked = st.query_params.get("trace")  # before the choice, which takes out of the address what it does not know
    name = st.selectbox(
        "Lecture",
        list(traces),
        index=None,
        key="trace",
        bind="query-params",  # the address holds the label of an option, so labels are the names
        placeholder="Choose a lecture",
        label_visibility="collapsed",
        width=420,
    )
    if asked and asked not in traces:
        st.warning(f"There is no trace called {plain(asked[:80])} here. These are the ones there are:")
    if name is None:
        st.html("<style>.st-key-trace { display: none; }</style>")  # the page itself is the choice
        _home(lectures)
        return
    path = traces[name].trace
    assert path is not None
    try:
        show_player(name, path)
        with st.container(key="cases"):  # in the head of a wide page, below the player on a narrow one
            _link_to_cases(_broken()[traces[name].number])
    except (TraceError, OSError) as error:
        st.error(f"The trace of {plain(name)} cannot be opened: {plain(str(error))}.")
        st.markdown(f"`lilllm lectures build {name[:2]}` makes it again. The other lectures are not affected.")
