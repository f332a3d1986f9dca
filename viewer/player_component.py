"""The player as a Streamlit component, and the payload it is given. Stepping happens in the browser alone."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

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
def payload(path: str, stamp: tuple[int, int]) -> bytes:
    """The prepared trace of a file. ``stamp`` (size, mtime in ns) makes a rebuilt file a new entry of the cache.

    Raises: TraceError, OSError.
    """
    return prepare(load(Path(path)))


def show_player(name: str, path: Path) -> None:
    """Mount the player on the trace at ``path``; raises what ``load`` raises."""
    about = path.stat()
    packed = payload(str(path), (about.st_size, about.st_mtime_ns))
    _component(key="player", data=name.encode() + b"\n" + packed)  # bytes travel only as a whole: see streamlit.js
