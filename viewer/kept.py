"""What the reader wrote and set stays while another view or page is shown: Streamlit forgets what it does not draw.

    st.text_area("Text", key=kept("prompt", "Once"))

`remember` comes first on each page that has such widgets.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

_STORE = "kept"


def kept(key: str, default: Any) -> str:
    """The key of a widget whose value is what it was when it was last drawn; ``default`` the first time."""
    store = st.session_state.setdefault(_STORE, {})
    if key not in st.session_state:
        st.session_state[key] = store.get(key, default)
    store[key] = st.session_state[key]
    return key


def remember() -> None:
    """Values that came with this run of the script, also of widgets that it will not draw."""
    store = st.session_state.setdefault(_STORE, {})
    store.update({key: st.session_state[key] for key in store if key in st.session_state})
