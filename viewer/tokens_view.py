"""Any text under each tokenizer: what its tokens are, how many, and whether the text comes back."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import streamlit as st
from kept import kept
from plain import plain
from token_marks import marked, pieces

from lilllm import tokenizers
from lilllm.data import python_docs

MOST_TEXT = 5000
_VOCABULARY = 2000
_EXAMPLE = "Noah gave the baker 3 coins.\n  naïve café — 你好 👩‍🚀"
# All but bytes learn from the same English, so that what differs is the method.
_KINDS: dict[str, str] = {
    "Bytes": "256 tokens for every text there is",
    "Characters": "one token a character it has seen",
    "Words": "the commonest words",
    "BPE": "byte pairs, merged; GPT-2's way of splitting",
    "WordPiece": "the longest piece first, as in BERT",
    "Unigram": "the likeliest pieces, as in T5",
}


@st.cache_resource(show_spinner="Training the tokenizer ...")
def _trained(kind: str) -> Any:
    if kind == "Bytes":
        return tokenizers.ByteTokenizer()
    text = python_docs()
    train: dict[str, Callable[[], Any]] = {
        "Characters": lambda: tokenizers.CharTokenizer.train(text),
        "Words": lambda: tokenizers.WordTokenizer.train(text, vocab_size=_VOCABULARY),
        "BPE": lambda: tokenizers.BPETokenizer.train([text], vocab_size=_VOCABULARY),
        "WordPiece": lambda: tokenizers.WordPieceTokenizer.train(text, vocab_size=_VOCABULARY),
        "Unigram": lambda: tokenizers.UnigramTokenizer.train(text, vocab_size=_VOCABULARY),
    }
    return train[kind]()


def tokens_view(own: Callable[[], Any] | None, name: str | None) -> None:
    """``own`` loads the tokenizer of the chosen checkpoint, called ``name``."""
    text = st.text_area("Text", key=kept("text", _EXAMPLE), max_chars=MOST_TEXT, height=110)
    kinds = [*_KINDS, *([f"Of {name}"] if own is not None and name else [])]
    chosen = st.pills("Tokenizers", kinds, selection_mode="multi", default=[kinds[0], "BPE", *kinds[6:]], key="kinds")
    numbers = st.toggle("Ids and bytes below each token", key=kept("numbers", True))
    if not chosen:
        st.info("Choose a tokenizer or several.")
    for kind in kinds:
        if kind in chosen:
            load = own if kind not in _KINDS and own is not None else partial(_trained, kind)
            _one(kind, load, text or "", numbers)
    st.caption(
        f"Characters to Unigram learned at most {_VOCABULARY:,} tokens from the prose of Python's own manual. · is a "
        "blank, ↵ an end of line; bytes that are no character by themselves stand in hexadecimal."
    )


def _one(kind: str, load: Callable[[], Any], text: str, numbers: bool) -> None:
    with st.container(border=True, key=f"tokenizer-{kind.partition(' ')[0]}"):
        try:
            tokenizer = load()
            ids = tokenizer.encode(text)
        except (ValueError, OSError, RuntimeError) as error:
            st.warning(f"{plain(kind)}: {plain(str(error))}")
            return
        about = _KINDS.get(kind, "learned by the checkpoint")
        size = len(text.encode("utf-8", "replace"))
        rate = f", {size / len(ids):.2f} bytes a token" if ids else ""
        back = "" if tokenizer.decode(ids) == text else "; **the text does not come back from them**"
        st.markdown(
            f"**{plain(kind)}** · {about} · vocabulary {tokenizer.vocab_size:,} · "
            f"**{len(ids):,} token{'' if len(ids) == 1 else 's'}**{rate}{back}"
        )
        st.html(marked(pieces(tokenizer, ids), numbers=numbers))
