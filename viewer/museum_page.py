"""The failure museum: programs with a bug that people really make, by lecture. The symptom first, the cause on request.

`?case=NAME&step=N` opens a case at a step of its broken run. NAME selects from the list and is never a path.
"""

from __future__ import annotations

from html import escape

import streamlit as st
from catalogue import root
from compare_page import Unreadable, show_pair
from plain import plain, sentence
from player_component import show_player
from streamlit.navigation.page import StreamlitPage

from lilllm.course.museum import Case, read_cases
from lilllm.course.plan import LECTURES
from lilllm.tracing.reader import TraceError

_TITLES = {lecture.number: f"{lecture.number} {lecture.title}" for lecture in LECTURES}


def museum() -> StreamlitPage:
    """The page, for the navigation and for links to it."""
    return st.Page(museum_page, title="Museum", url_path="museum")


def _choose(name: str | None) -> None:
    st.session_state["case"] = name
    st.session_state["revealed"] = False


def _hide() -> None:
    st.session_state["revealed"] = False


def coloured(diff: str) -> str:
    """A unified diff in HTML, without its names of files: what goes and what comes by sign and by colour."""
    kinds = {"-": "del", "+": "ins"}
    lines = [(kinds.get(line[:1], "span"), escape(line)) for line in diff.splitlines()[2:] if not line.startswith("@@")]
    return f'<pre class="diff">{"".join(f"<{kind}>{line}</{kind}>" for kind, line in lines)}</pre>'


def _list(cases: dict[str, Case], problems: dict[str, str]) -> None:
    with st.container(key="museum"):
        st.title("Museum")
        st.markdown(
            "Programs with a bug that people really make. Each shows its symptom; find the cause in the trace, step by "
            "step, before you ask for it."
        )
        for name, problem in problems.items():
            st.warning(f"{plain(name)} cannot be shown: {plain(problem)}.")
        if not cases:
            st.info("There is no case yet. They are programs in `lectures/broken`.")
        number = ""
        for name, case in cases.items():
            if case.lecture != number:
                number = case.lecture
                st.markdown(f"### {plain(_TITLES.get(number, number))}")
            with st.container(border=True, key=f"case-{name}"):
                left, right = st.columns([5, 1], vertical_alignment="center")
                left.markdown(f"#### {plain(case.title)}")
                left.markdown(sentence(case.symptom))
                left.caption(f"**Where to look** {sentence(case.look)}")
                right.button("Look into it", key=f"look-{name}", on_click=_choose, args=(name,), width="stretch")


def _show(case: Case) -> None:
    with st.container(key="told"):
        left, right = st.columns([6, 1], vertical_alignment="top")
        left.markdown(f"### {plain(case.title)}")
        lecture = plain(_TITLES.get(case.lecture, case.lecture))
        built = (case.root / "traces" / f"{case.of_lecture}.trace.jsonl.gz").is_file()
        left.markdown(f"Lecture [{lecture}](./?trace={case.of_lecture})" if built else f"Lecture {lecture}")
        left.markdown(f"{sentence(case.symptom)}  \n**Where to look** {sentence(case.look)}")
        right.button("All cases", key="back", on_click=_choose, args=(None,), width="stretch")
        revealed = right.toggle("Reveal", key="revealed", help="The cause, the fix, and both runs side by side")
        if revealed:
            st.markdown(f"**The cause** {sentence(case.cause)}")
            st.markdown(f"**The fix** {sentence(case.fix)}")
            st.html(coloured(case.diff()))
    broken, fixed = case.trace(), case.trace(fixed=True)
    try:
        if revealed and broken.is_file() and fixed.is_file():
            show_pair(("broken", broken), ("fixed", fixed))
        elif broken.is_file():
            show_player(case.name, broken)
        else:
            st.info(f"Its trace is not built yet: `lilllm lectures build {case.lecture}` makes it.")
    except (TraceError, Unreadable, OSError) as error:
        st.error(f"The trace of {plain(case.name)} cannot be opened: {plain(str(error))}.")


def museum_page() -> None:
    cases, problems = read_cases(root())
    asked = st.query_params.get("case")
    name = st.selectbox(
        "Case",
        list(cases),
        index=None,
        key="case",
        bind="query-params",  # as in the list of lectures: the labels are the names
        on_change=_hide,
        placeholder="Choose a case",
        label_visibility="collapsed",
    )
    if asked and asked not in cases:
        st.warning(f"There is no case called {plain(asked[:80])} here. These are the ones there are:")
    if name is None:
        st.html("<style>.st-key-case { display: none; }</style>")
        _list(cases, problems)
    else:
        _show(cases[name])
