"""The page that shows two traces side by side: both chosen from the list, neither ever a path.

`?a=NAME&b=NAME&within=TOLERANCE&step=N` opens it at a step of the two together.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from catalogue import read_catalogue, root
from plain import plain

from lilllm.tracing.comparison import compare
from lilllm.tracing.pair import prepare_pair
from lilllm.tracing.player import script, style
from lilllm.tracing.reader import Trace, TraceError, load

WITHIN = {"exactly": 0.0, "within 1e-6": 1e-6, "within 1e-3": 1e-3}  # relative: what two numbers may be apart

_CSS = (
    style("pair")
    + """
.player { --player-height: max(36rem, calc(100dvh - 10.5rem)); }
@media (max-width: 640px) { .player { --player-height: max(36rem, calc(100dvh - 6rem)); } }
"""
)
_component = st.components.v2.component("lilllm_pair", css=_CSS, js=script("streamlit", "pair"))


class Unreadable(Exception):
    """One of the two cannot be opened; the message names it."""


def _load(name: str, path: str) -> Trace:
    try:
        return load(Path(path))
    except (TraceError, OSError) as error:
        raise Unreadable(f"The trace of {name} cannot be opened: {error}.") from None


@st.cache_data(max_entries=4, show_spinner="Comparing the traces ...")
def payload(left: tuple[str, str], right: tuple[str, str], stamp: tuple[int, ...], rtol: float) -> bytes:
    """The prepared pair of two (name, path); ``stamp`` makes a new file a new entry of the cache."""
    return prepare_pair(compare(_load(*left), _load(*right), rtol=rtol))


def compare_page() -> None:
    traces = {lecture.name: lecture.trace for lecture in read_catalogue(root()) if lecture.trace}
    if len(traces) < 2:
        st.title("Compare")
        st.markdown(
            "Two traces side by side, stepped together: a naive program against a fast one, a right one against a "
            "broken one. They meet at the same statements, and the player stops where a value first differs."
        )
        st.info(f"There {'is one trace' if traces else 'is no trace'} here, and it takes two. Record two programs:")
        st.code(
            "lilllm trace record naive.py -o traces/naive.trace.jsonl.gz\n"
            "lilllm trace record fast.py -o traces/fast.trace.jsonl.gz",
            language="sh",
        )
        st.markdown("In a terminal, `lilllm trace compare naive.trace.jsonl.gz fast.trace.jsonl.gz` tells the same.")
        return
    columns = st.columns([5, 5, 3])
    names = [
        columns[i].selectbox(
            label, list(traces), index=None, key=key, bind="query-params", placeholder="Choose a trace"
        )
        for i, (label, key) in enumerate((("Left", "a"), ("Right", "b")))
    ]
    within = columns[2].selectbox("Numbers are equal", list(WITHIN), key="within", bind="query-params")
    if not names[0] or not names[1]:
        st.info("Choose two traces: they are stepped together, and stop where a value first differs.")
        return
    try:
        show_pair(*((name, traces[name]) for name in names), within=within)
    except (Unreadable, OSError) as error:
        st.error(plain(str(error)))


def show_pair(left: tuple[str, Path], right: tuple[str, Path], *, within: str = "exactly", key: str = "pair") -> None:
    """Mount the player of two (name, path), side by side.

    Raises: Unreadable, OSError.
    """
    about = [path.stat() for _, path in (left, right)]
    stamp = tuple(number for one in about for number in (one.st_size, one.st_mtime_ns))
    packed = payload((left[0], str(left[1])), (right[0], str(right[1])), stamp, WITHIN[within])
    title = f"{left[0]} | {right[0]} | {within}"
    _component(key=key, data=title.encode() + b"\n" + packed)  # bytes travel only as a whole: see streamlit.js
