"""The player as a Streamlit component, and the payload it is given. Stepping happens in the browser alone."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from lilllm.tracing.cost import CostError, cost_beside, cost_path
from lilllm.tracing.player import script, style
from lilllm.tracing.prepare import prepare
from lilllm.tracing.reader import load

# The height is the window's less the page's head; the style sheet's own variable, set where the page is known.
_CSS = (
    style()
    + """
.player { --player-height: max(28rem, calc(100dvh - 5.25rem)); }
@media (max-width: 899px) { .player { --player-height: max(28rem, calc(100dvh - 8.75rem)); } }
"""
)
_component = st.components.v2.component("lilllm_player", css=_CSS, js=script("streamlit"))


@st.cache_data(max_entries=4, show_spinner="Opening the trace ...")
def payload(path: str, changed: tuple[int, ...]) -> bytes:
    """The prepared trace of a file, with the cost beside it. ``changed`` makes a new file a new entry of the cache.

    Raises: TraceError, OSError.
    """
    trace = load(Path(path))
    try:
        return prepare(trace, cost_beside(Path(path), trace))
    except (CostError, OSError) as error:
        return prepare(trace, notes=[f"The cost of its lines is not shown: {error}."])


def stamp(path: Path) -> tuple[int, ...]:
    """Sizes and times of change (ns) of a trace and its cost."""
    about = [file.stat() for file in (path, cost_path(path)) if file == path or file.is_file()]
    return tuple(number for one in about for number in (one.st_size, one.st_mtime_ns))


def show_player(name: str, path: Path) -> None:
    """Mount the player on the trace at ``path``, whose steps the address holds; raises what ``load`` raises."""
    packed = payload(str(path), stamp(path))
    _component(key="player", data=name.encode() + b"\n" + packed)  # bytes travel only as a whole: see streamlit.js


def show_uploaded(name: str, packed: bytes) -> None:
    """Mount the player on a prepared trace that is in no list. The space before its name says that no address leads to
    it: its steps are not written there (see streamlit.js)."""
    _component(key="uploaded", data=b" " + name.replace("\n", " ").encode() + b"\n" + packed)
