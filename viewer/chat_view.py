"""Talk with a checkpoint: its answer comes piece by piece and can be stopped; the same seed gives the same answer.

A model that only learned to go on with texts goes on with what was said: the talk is one text, turn after turn. Another
model, or a newer checkpoint of a run that trains, goes on with the same text. What was written before a stop stays, and
`?talk=NAME` brings a talk back when the page is loaded again.
"""

from __future__ import annotations

import copy
import secrets
import time
from typing import TYPE_CHECKING, Any

import streamlit as st
from kept import kept
from plain import plain, written

if TYPE_CHECKING:
    from lilllm.inference import Speaker

EVERY = 0.05  # seconds between two drawings of an answer that grows
_MOST = 4000
_ENDED = {"stop": "then the end of its text", "length": "as many as allowed"}


@st.cache_resource(max_entries=100, show_spinner=False)
def _talk(name: str) -> list[dict[str, Any]]:
    """The turns of a talk."""
    return []


def _said() -> list[dict[str, Any]]:
    """The turns of this session's talk. One from an address is copied: no two sessions write into one."""
    if "talk" not in st.session_state:
        before = copy.deepcopy(_talk(st.query_params.get("talk", "")[:40]))
        st.session_state["talk"] = secrets.token_urlsafe(9)
        _talk(st.session_state["talk"]).extend(before)
    st.query_params["talk"] = st.session_state["talk"]
    return _talk(st.session_state["talk"])


def _clear() -> None:
    _talk(st.session_state["talk"]).clear()


def _ended(said: list[dict[str, Any]]) -> None:
    """An answer on its way ended here: its run of the script was left for this one."""
    for turn in said:
        if turn["going"]:
            turn["going"], turn["note"] = False, f"{turn['by']}: stopped; seed {turn['seed']}"


def shown(text: str) -> str:
    return f'<div class="written">{written(text) if text else "<i>nothing</i>"}</div>'


def prompt_of(speaker: Speaker, said: list[dict[str, Any]], max_new: int) -> str:
    """The talk so far as one text, its last part if it is longer than the model's context less the answer."""
    text = "".join(turn["text"] for turn in said)
    ids = speaker.encode(text)
    room = max(1, speaker.context_len - max_new + 1, speaker.context_len // 2)
    return text if len(ids) <= room else speaker.tokenizer.decode(ids[-room:])


def chat_view(speaker: Speaker, name: str) -> None:
    """``name``: what the model is called in the list."""
    columns = st.columns(4, vertical_alignment="bottom")
    options: dict[str, Any] = {
        "temperature": columns[0].slider("Temperature", 0.0, 2.0, step=0.05, key=kept("chat_temperature", 0.8)),
        "top_p": columns[1].slider("Top-p", 0.05, 1.0, step=0.05, key=kept("chat_top_p", 0.95)),
    }
    max_new = int(columns[2].number_input("Tokens at most", 1, 2000, key=kept("chat_tokens", 120)))
    seed = int(columns[3].number_input("Seed", 0, 2**31 - 1, key=kept("chat_seed", 0)))
    said = _said()
    _ended(said)
    history, below = st.container(), st.container()
    asked = below.chat_input("Begin a text, or go on with it", key="asked", max_chars=_MOST)
    with history:
        if not said and not asked:
            st.info("Begin a text, and the model goes on with it. It learned no dialogue, only how texts go on.")
        for turn in said:
            with st.chat_message(turn["role"]):
                st.html(shown(turn["text"]))
                if turn["note"]:
                    st.empty()  # where Stop was: else the note would stand twice while the next answer comes
                    st.caption(plain(turn["note"]))
        if asked:
            _answer(speaker, name, said, asked, max_new, seed, options)
    if said:
        below.button("Clear", key="clear", on_click=_clear)


def _answer(
    speaker: Speaker,
    name: str,
    said: list[dict[str, Any]],
    asked: str,
    max_new: int,
    seed: int,
    options: dict[str, Any],
) -> None:
    said.append({"role": "user", "text": asked, "note": "", "going": False})
    with st.chat_message("user"):
        st.html(shown(asked))
    prompt = prompt_of(speaker, said, max_new)
    turn: dict[str, Any] = {"role": "assistant", "text": "", "note": "", "going": True, "seed": seed, "by": name}
    said.append(turn)
    with st.chat_message("assistant"):
        place, button = st.empty(), st.empty()
        button.button("Stop", key="stop")  # any run of the script ends this one
        drawn = 0.0
        talk = speaker.stream(prompt, max_new=max_new, seed=seed, **options)
        for piece in talk:
            turn["text"] += piece
            if time.monotonic() - drawn > EVERY:
                place.html(shown(turn["text"]))
                drawn = time.monotonic()
        place.html(shown(turn["text"]))
        button.empty()
        n = len(talk.tokens)
        why = "its context is full" if talk.full else _ENDED[talk.ended or "length"]
        turn["note"] = f"{name}: {n} token{'' if n == 1 else 's'}, {why}; seed {seed}"
        turn["going"] = False
        st.caption(plain(turn["note"]))
