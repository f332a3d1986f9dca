"""Text to integers and back: six tokenizers behind one protocol (protocol.py).

Read in order:  byte.py, char.py, word.py          the simple ones and what each costs
                pretokenize.py, bpe_train.py, bpe.py   byte-pair encoding
                wordpiece.py, wordpiece_train.py   longest match first
                unigram.py, unigram_search.py, unigram_train.py   the most probable pieces
                hf_json.py                         files: tokenizer.json
                measure.py                         bytes a token, tokens a word
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lilllm.tokenizers.bpe import BPETokenizer
    from lilllm.tokenizers.bpe_train import merge, pair_counts, train_bpe, train_naive
    from lilllm.tokenizers.byte import ByteTokenizer
    from lilllm.tokenizers.char import CharTokenizer
    from lilllm.tokenizers.hf_json import load
    from lilllm.tokenizers.measure import compression_ratio, fertility
    from lilllm.tokenizers.pretokenize import GPT2_PATTERN, GPT4_PATTERN, pretokens
    from lilllm.tokenizers.protocol import AllowedSpecial, Tokenizer
    from lilllm.tokenizers.unigram import UnigramTokenizer
    from lilllm.tokenizers.word import WordTokenizer
    from lilllm.tokenizers.wordpiece import WordPieceTokenizer


_HOME = {
    "AllowedSpecial": "protocol",
    "BPETokenizer": "bpe",
    "ByteTokenizer": "byte",
    "CharTokenizer": "char",
    "GPT2_PATTERN": "pretokenize",
    "GPT4_PATTERN": "pretokenize",
    "Tokenizer": "protocol",
    "UnigramTokenizer": "unigram",
    "WordPieceTokenizer": "wordpiece",
    "WordTokenizer": "word",
    "compression_ratio": "measure",
    "fertility": "measure",
    "load": "hf_json",
    "merge": "bpe_train",
    "pair_counts": "bpe_train",
    "pretokens": "pretokenize",
    "train_bpe": "bpe_train",
    "train_naive": "bpe_train",
}

__all__ = [
    "GPT2_PATTERN",
    "GPT4_PATTERN",
    "AllowedSpecial",
    "BPETokenizer",
    "ByteTokenizer",
    "CharTokenizer",
    "Tokenizer",
    "UnigramTokenizer",
    "WordPieceTokenizer",
    "WordTokenizer",
    "compression_ratio",
    "fertility",
    "load",
    "merge",
    "pair_counts",
    "pretokens",
    "train_bpe",
    "train_naive",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
