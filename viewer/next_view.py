"""What may come next: the model's likeliest tokens with their probabilities; one click goes on with one of them.

The continuation is kept as tokens, not as text: a token may be half a character, and text cut into tokens anew may be
cut elsewhere.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import streamlit as st
from kept import kept
from plain import plain
from token_marks import label, marked, pieces

if TYPE_CHECKING:
    from lilllm.inference import Speaker

PROMPT = "On Tuesday, Noah went to the"
_MOST_PROMPT = 4000


def _take(token: int, place: int) -> None:
    """``place``: how many had been taken when the button was drawn. A click that came late was meant for another."""
    continued = st.session_state.get("continued", [])
    if len(continued) == place:
        st.session_state["continued"] = [*continued, token]


def _undo() -> None:
    st.session_state["continued"] = st.session_state.get("continued", [])[:-1]


def _over() -> None:
    st.session_state["continued"] = []


def bar(probability: float, most: float, about: str = "") -> str:
    """A probability as a bar: its length by the likeliest of those shown, with its number.

    >>> bar(0.25, 0.5).count("50.0%"), "25.0 %" in bar(0.25, 0.5)
    (1, True)
    """
    width = 100 * probability / most if most > 0 else 0.0
    said = f"{100 * probability:.1f} %" if probability >= 0.0005 else f"{100 * probability:.1g} %"
    drawn = f'<i><span style="width: {width:.1f}%"></span></i><b>{escape(said)}</b>'
    return f'<div class="chance" title="{escape(about)}">{drawn}</div>'


def next_view(speaker: Speaker) -> None:
    from scores import choice_of, fitting, next_logits

    prompt = st.text_area("Text", key=kept("prompt", PROMPT), max_chars=_MOST_PROMPT, height=80, on_change=_over)
    continued: list[int] = st.session_state.setdefault("continued", [])
    means = [speaker.tokenizer.token_bytes(token) for token in continued if token < speaker.tokenizer.vocab_size]
    known = zip(means, st.session_state.get("continued_means", []), strict=False)
    if len(means) < len(continued) or any(now != then for now, then in known):  # to this tokenizer they are others
        _over()
        continued, means = [], []
    st.session_state["continued_means"] = means
    before = speaker.encode(prompt or "")
    ids = [*before, *continued]
    st.html(marked(pieces(speaker.tokenizer, ids), numbers=False, new_from=len(before)))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Undo", key="undo", on_click=_undo, disabled=not continued)
        st.button("Start over", key="over", on_click=_over, disabled=not continued)
    if continued and continued[-1] in speaker.ends:
        st.info("The text ended here. Undo goes back.")
        return
    if len(ids) > speaker.context_len:
        st.caption(f"The model sees the last {len(fitting(speaker, ids)):,} of {len(ids):,} tokens: its context.")
    how_many = kept("how_many", 10)
    choice = choice_of(next_logits(speaker, ids), st.session_state[how_many])
    st.markdown(
        f"The choice is worth **{choice.choices:,.1f} tokens** of {speaker.tokenizer.vocab_size:,} "
        "(2 to the power of its entropy in bits). Click one to go on with it:"
    )
    most = choice.top[0][1]
    for place, (token, probability) in enumerate(choice.top):
        name = "end of text" if token in speaker.ends else label(speaker.tokenizer.token_bytes(token))
        with st.container(horizontal=True, vertical_alignment="center", key=f"candidate-{place}"):
            st.button(plain(name), key=f"take-{place}", on_click=_take, args=(token, len(continued)), width=150)
            st.html(bar(probability, most, f"token {token}"))
    st.slider("How many candidates", 3, 30, key=how_many)
