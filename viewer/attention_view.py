"""Attention maps of a short text: all heads of all layers as small pictures, one of them large with its tokens."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import streamlit as st
from chart_text import CONFIG
from kept import kept
from token_marks import label

if TYPE_CHECKING:
    from lilllm.inference import Speaker

MOST_TOKENS = 64
PROMPT = "On Tuesday, Noah had 3 coins. He met Clara in the park. Clara said to Noah,"
_DARK, _LIGHT = (0x0B, 0x1E, 0x3C), (0xFF, 0xE9, 0x5C)  # from no weight to the most; lightness says it without colour
_SHOWN = 144  # heads in the overview, of which a large model has more


def picture(weights: np.ndarray) -> str:
    """A matrix of weights as the address of a PNG, a pixel each; the largest is the brightest."""
    from PIL import Image

    share = np.sqrt(weights / max(float(weights.max()), 1e-12))[..., None]  # the root: small weights are seen too
    pixels = (np.array(_DARK) * (1 - share) + np.array(_LIGHT) * share).round().astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()


def overview(weights: np.ndarray, chosen: tuple[int, int]) -> str:
    """HTML: a row of small pictures for each layer."""
    layers, heads = weights.shape[:2]
    rows = []
    for layer in range(min(layers, max(1, _SHOWN // heads))):
        cells = []
        for head in range(min(heads, _SHOWN)):
            here = ' class="chosen"' if (layer, head) == chosen else ""
            about = f"Attention of layer {layer + 1}, head {head + 1}"
            cells.append(f'<figure{here}><img src="{picture(weights[layer, head])}" alt="{about}"></figure>')
        rows.append(f'<div class="heads"><span>Layer {layer + 1}</span><div>{"".join(cells)}</div></div>')
    return "".join(rows)


def rows_of(weights: np.ndarray, names: list[str]) -> pd.DataFrame:
    """A row for each weight of one head (T, T): which token looks, at which, how much. What lies ahead has none."""
    looks, at = np.tril_indices(len(names))
    return pd.DataFrame(
        {"looks": [names[i] for i in looks], "at": [names[i] for i in at], "weight": weights[looks, at].astype(float)}
    )


def chart(names: list[str]) -> dict[str, Any]:
    """The large map; the order of tokens is the text's."""
    side = 190 + 20 * max(8, len(names))  # every token has its name
    axis = {"type": "ordinal", "sort": names, "scale": {"domain": names}}
    return {
        "description": "Attention weights: each row is a token that looks, each column one that it looks at.",
        "mark": {"type": "rect", "aria": False},
        "encoding": {
            "x": axis
            | {
                "field": "at",
                "title": "looked at",
                "axis": {"labelAngle": -90, "orient": "top", "labelOverlap": "greedy", "labelFlush": False},
            },
            "y": axis
            | {"field": "looks", "title": "the token that looks", "axis": {"labelOverlap": False, "labelFlush": False}},
            "color": {
                "field": "weight",
                "type": "quantitative",
                "title": "Weight",
                "legend": {"orient": "bottom", "gradientLength": 200},
                "scale": {"type": "sqrt", "range": ["#0b1e3c", "#ffe95c"], "interpolate": "rgb", "domainMin": 0},
            },
            "tooltip": [
                {"field": "looks", "title": "Token"},
                {"field": "at", "title": "looks at"},
                {"field": "weight", "title": "with weight", "format": ".3f"},
            ],
        },
        "height": side,
        "padding": {"left": 4, "right": 4, "top": 4, "bottom": 4},
        "config": CONFIG,
        "usermeta": {"embedOptions": {"renderer": "svg"}},  # a canvas, as of 2000 marks, has no currentColor
    }


def attention_view(speaker: Speaker) -> None:
    from scores import attention_weights

    prompt = st.text_area("Text", key=kept("attended", PROMPT), max_chars=1000, height=80)
    ids = speaker.encode(prompt or "")
    most = min(MOST_TOKENS, speaker.context_len)
    if len(ids) > most:
        st.caption(f"The first {most} of {len(ids):,} tokens.")
        ids = ids[:most]
    weights = attention_weights(speaker, ids)
    if not np.isfinite(weights).all():
        st.error("The weights are not numbers: the model is broken, or its training was.")
        return
    layers, heads = weights.shape[:2]
    left, right = st.columns(2)
    layer = left.selectbox(
        "Layer", range(layers), format_func=lambda i: f"{i + 1} of {layers}", key=kept(f"layer-{layers}", 0)
    )
    head = right.selectbox(
        "Head", range(heads), format_func=lambda i: f"{i + 1} of {heads}", key=kept(f"head-{heads}", 0)
    )
    names = [f"{place} {label(speaker.tokenizer.token_bytes(token), 12)}" for place, token in enumerate(ids, start=1)]
    left, right = st.columns([3, 2])
    with left:
        one = weights[layer, head]
        st.vega_lite_chart(rows_of(one, names), chart(names), width="stretch", key="map")
    with right:
        st.html(overview(weights, (layer, head)))
        st.caption("Rows look at columns, the first token at the top left. Bright: much weight; each row sums to 1.")
