"""Samplers side by side: the same text and seed under each, and what each leaves of the model's distribution."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st
from chart_text import CONFIG
from kept import kept
from plain import plain, written
from token_marks import label

if TYPE_CHECKING:
    from lilllm.inference import Speaker

PROMPT = "On Tuesday, Noah was in the"
_BARS = 12
_ENDED = {"stop": "then the end of its text", "length": "as many as asked for"}


def _asked() -> dict[str, dict[str, Any]]:
    """Each sampler's options, as the reader has set them."""
    columns = st.columns(4)
    t = columns[0].slider("Temperature", 0.1, 2.0, step=0.05, key=kept("temperature", 0.7))
    k = columns[1].slider("Top-k", 1, 100, key=kept("top_k", 10))
    p = columns[2].slider("Top-p", 0.05, 1.0, step=0.05, key=kept("top_p", 0.9))
    m = columns[3].slider("Min-p", 0.0, 1.0, step=0.01, key=kept("min_p", 0.1))
    return {
        "The model itself": {},
        "Greedy": {"temperature": 0.0},
        f"Temperature {t:g}": {"temperature": t},
        f"Top-k {k}": {"top_k": k},
        f"Top-p {p:g}": {"top_p": p},
        f"Min-p {m:g}": {"min_p": m},
    }


@st.cache_data(max_entries=200, show_spinner="Writing ...")
def _written(
    owner: tuple[Any, ...],
    _speaker: Speaker,
    prompt: str,
    max_new: int,
    seed: int,
    options: tuple[tuple[str, Any], ...],
) -> tuple[str, int, str]:
    """What one sampler writes; kept by the model's files (``owner``), the text and the options."""
    talk = _speaker.stream(prompt, max_new=max_new, seed=seed, **dict(options))
    return "".join(talk), len(talk.tokens), "its context is full" if talk.full else _ENDED[talk.ended or "length"]


def rows_of(names: list[str], before: list[float], after: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"token": names, "model": before, "left": after})


def chart(names: list[str], top: float) -> dict[str, Any]:
    """Bars of what is left over the outlines of what the model gave, the likeliest token first."""
    y = {
        "field": "token",
        "type": "nominal",
        "sort": names,
        "scale": {"domain": names},
        "title": None,
        "axis": {"labelOverlap": False, "labelFlush": False},
    }
    x = {
        "type": "quantitative",
        "title": "Probability",
        "scale": {"domain": [0, top]},
        "axis": {"format": "~%", "tickCount": 3},
    }
    told = [
        {"field": "token", "title": "Token"},
        {"field": "model", "title": "Of the model", "format": ".2%"},
        {"field": "left", "title": "After the sampler", "format": ".2%"},
    ]
    bar = {"type": "bar", "aria": False}
    return {
        "description": "Probabilities of the next token: of the model as outlines, after the sampler as bars.",
        "layer": [
            {"mark": bar | {"color": "#0072b2"}, "encoding": {"y": y, "x": x | {"field": "left"}, "tooltip": told}},
            {
                "mark": bar | {"filled": False, "stroke": "#808080", "strokeWidth": 1.5},
                "encoding": {"y": y, "x": x | {"field": "model"}, "tooltip": told},
            },
        ],
        "height": 20 * len(names) + 30,
        "padding": {"left": 4, "right": 4, "top": 4, "bottom": 4},
        "config": CONFIG,
    }


def samplers_view(speaker: Speaker, owner: tuple[Any, ...]) -> None:
    from scores import choice_of, fitting, left_by, next_logits

    prompt = st.text_area("Text", key=kept("sampled", PROMPT), max_chars=2000, height=80) or ""
    asked = _asked()
    columns = st.columns([2, 2, 4], vertical_alignment="bottom")
    max_new = columns[0].number_input("Tokens to write", 1, 200, key=kept("sampled_tokens", 50))
    seed = columns[1].number_input("Seed", 0, 2**31 - 1, key=kept("sampled_seed", 0))
    ids = fitting(speaker, speaker.encode(prompt), min(int(max_new), speaker.context_len // 2))
    if len(ids) < len(speaker.encode(prompt)):
        prompt = speaker.tokenizer.decode(ids)
        st.caption(f"The last {len(ids):,} tokens of the text: more, and there is no room to write.")
    logits = next_logits(speaker, ids)
    shown = choice_of(logits, _BARS)
    names = _names(speaker, [token for token, _ in shown.top])
    given = [chance for _, chance in shown.top]
    lefts = {}
    for name, options in asked.items():
        after = left_by(speaker.sampler(**options), logits, ids)
        chances = after.double().softmax(-1)
        lefts[name] = ([float(chances[token]) for token, _ in shown.top], choice_of(after, 1).kept)
    items = list(asked.items())
    for first in range(0, len(items), 3):
        for column, (name, options) in zip(st.columns(3), items[first : first + 3], strict=True):
            values, n_left = lefts[name]
            text, count, ended = _written(owner, speaker, prompt, int(max_new), int(seed), tuple(options.items()))
            with column, st.container(border=True, key=f"sampler-{items.index((name, options))}"):
                st.markdown(f"**{plain(name)}** · leaves {n_left:,} of {speaker.tokenizer.vocab_size:,} tokens")
                top = max(*given, *values)  # its own scale: greedy gives all to one, and the others would be slivers
                st.vega_lite_chart(rows_of(names, given, values), chart(names, top), width="stretch")
                st.html(f'<div class="written"><b>{_lines(prompt[-80:])}</b>{_lines(text)}</div>')
                st.caption(f"{count} token{'' if count == 1 else 's'}, {plain(ended)}")


def _lines(text: str) -> str:
    """HTML of a text with its newlines marked; empty lines make one break together, or fifty would make a tower."""
    return re.sub(r"\n(?:\s*\n)*", lambda run: run[0].replace("\n", "↵") + "\n", written(text))


def _names(speaker: Speaker, tokens: list[int]) -> list[str]:
    """A name for each token, no two alike: an axis would make one of them."""
    labels = [label(speaker.tokenizer.token_bytes(token), 14) for token in tokens]
    return [
        text if labels.count(text) == 1 else f"{text} ({token})" for text, token in zip(labels, tokens, strict=True)
    ]
