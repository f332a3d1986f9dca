"""The playground: tokens of any text, what may come next, attention, samplers, and talk with any checkpoint.

`?view=...&model=NAME` opens it at one of them. A name selects from the list and is never a path.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from checkpoints import find_models, speaker, stamp, tokenizer
from given import runs_root
from kept import remember
from plain import plain
from tokens_view import tokens_view

from lilllm.inference.sources import folder_of

VIEWS = ["Tokens", "Next token", "Attention", "Samplers", "Chat"]


def playground_page() -> None:
    remember()
    st.html(Path(__file__).with_name("playground.css"))
    with st.container(key="playground"):
        st.title("Playground")
        models = find_models(runs_root())
        asked = st.query_params.get("model")
        columns = st.columns([2, 1], vertical_alignment="bottom")
        view = columns[0].segmented_control(
            "View",
            VIEWS,
            default=VIEWS[0],
            key="view",
            bind="query-params",
            label_visibility="collapsed",
            required=True,
        )
        name = None
        if models:
            name = columns[1].selectbox("Model", list(models), key="model", bind="query-params")
        if asked and asked not in models:
            st.warning(f"There is no model called {plain(asked[:80])} here.")
        _show(view or VIEWS[0], name, models)


def _show(view: str, name: str | None, models: dict[str, str]) -> None:
    try:
        folder = folder_of(models[name])[1] if name is not None else None  # a run's best may change while it trains
        if view == "Tokens":
            own = None if folder is None else lambda: tokenizer(str(folder), stamp(folder))
            tokens_view(own, name)
        elif folder is None:
            _no_model()
        else:
            _with_model(view, folder, name or "")
    except (ValueError, OSError, RuntimeError) as error:
        st.error(f"{plain(name or 'The model')} cannot be used: {plain(str(error))}")


def _no_model() -> None:
    st.info("There is no model yet. This makes one in minutes, and it can be tried here from its first checkpoint on:")
    st.code("lilllm train --preset liltown --data liltown", language="sh")
    st.markdown("Or name one as the viewer starts: `streamlit run viewer -- --model FOLDER`.")


def _with_model(view: str, folder: Path, name: str) -> None:
    from attention_view import attention_view
    from chat_view import chat_view
    from next_view import next_view
    from samplers_view import samplers_view

    changed = stamp(folder)
    model = speaker(str(folder), changed)
    if view == "Next token":
        next_view(model)
    elif view == "Attention":
        attention_view(model)
    elif view == "Samplers":
        samplers_view(model, (str(folder), changed))
    else:
        chat_view(model, name)
