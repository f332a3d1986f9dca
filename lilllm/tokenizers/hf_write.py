"""A tokenizer as the text of a ``tokenizer.json`` (see hf_json.py for which becomes what).

Read in order:  to_json, and one function for each model
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from lilllm.tokenizers import hf_schema as schema
from lilllm.tokenizers.byte import ByteTokenizer
from lilllm.tokenizers.byte_chars import BYTE_TO_CHAR, to_chars
from lilllm.tokenizers.char import CharTokenizer
from lilllm.tokenizers.pretokenize import GPT2_PATTERN
from lilllm.tokenizers.unigram import UnigramTokenizer
from lilllm.tokenizers.word import WordTokenizer
from lilllm.tokenizers.wordpiece import WordPieceTokenizer

if TYPE_CHECKING:
    from lilllm.tokenizers.bpe import BPETokenizer
    from lilllm.tokenizers.hf_json import AnyTokenizer

EACH_CHARACTER = schema.Split(schema.Pattern(r"[\s\S]"), "Isolated")
_WHOLE = schema.ByteLevel(add_prefix_space=False, use_regex=False)


def to_json(tokenizer: AnyTokenizer) -> bytes:
    """``tokenizer`` as the text of a ``tokenizer.json``."""
    parts = {"normalizer": None, "pre_tokenizer": None, "post_processor": None, "decoder": None, **_parts(tokenizer)}
    added = [
        schema.AddedToken(token_id, name, normalized=False, special=True)
        for name, token_id in sorted(tokenizer.special_tokens.items(), key=lambda item: item[1])
    ]
    file = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added, **parts}
    file["model"] = file.pop("model")  # the long part last, as Hugging Face writes it
    return msgspec.json.format(msgspec.json.encode(file), indent=2) + b"\n"


def _parts(tokenizer: AnyTokenizer) -> dict[str, Any]:
    match tokenizer:
        case CharTokenizer():
            return _write_char(tokenizer)
        case ByteTokenizer():
            return _write_byte(tokenizer)
        case WordTokenizer():
            return _write_word(tokenizer)
        case WordPieceTokenizer():
            return _write_wordpiece(tokenizer)
        case UnigramTokenizer():
            return _write_unigram(tokenizer)
    from lilllm.tokenizers.bpe import BPETokenizer  # late: it brings tiktoken

    if not isinstance(tokenizer, BPETokenizer):
        raise TypeError(f"{type(tokenizer).__name__} has no form as a tokenizer.json")
    return _write_bpe(tokenizer)


def _write_bpe(t: BPETokenizer) -> dict[str, Any]:
    vocab = {to_chars(token): token_id for token, token_id in t.vocab.items()}
    pattern = t.pattern
    split: Any = schema.ByteLevel(add_prefix_space=False, use_regex=pattern is not None)
    if pattern is not None and pattern != GPT2_PATTERN:
        split = schema.ByteLevelSequence([schema.Split(schema.Pattern(pattern), "Isolated"), _WHOLE])
    merges: list[tuple[str, str] | str] = [(to_chars(a), to_chars(b)) for a, b in t.merges]
    model = schema.BPE(_head(vocab, t.special_tokens), merges)
    return {"pre_tokenizer": split, "decoder": schema.ByteLevel(), "model": model}


def _write_byte(t: ByteTokenizer) -> dict[str, Any]:
    model = schema.BPE({char: byte for byte, char in enumerate(BYTE_TO_CHAR)}, [])
    return {"pre_tokenizer": _WHOLE, "decoder": schema.ByteLevel(), "model": model}


def _write_char(t: CharTokenizer) -> dict[str, Any]:
    model = schema.WordLevel(_head(t.vocabulary.ordinary, t.special_tokens, t.unk_token), t.unk_token or "")
    return {"pre_tokenizer": EACH_CHARACTER, "decoder": {"type": "Fuse"}, "model": model}


def _write_word(t: WordTokenizer) -> dict[str, Any]:
    model = schema.WordLevel(_head(t.vocabulary.ordinary, t.special_tokens, t.unk_token), t.unk_token)
    return {**_around(t), "model": model}


def _write_wordpiece(t: WordPieceTokenizer) -> dict[str, Any]:
    vocab = _head(t.vocabulary.ordinary, t.special_tokens, t.unk_token)
    return {**_around(t), "model": schema.WordPiece(t.unk_token, vocab, t.prefix, t.max_word_length)}


def _write_unigram(t: UnigramTokenizer) -> dict[str, Any]:
    model = schema.Unigram(t.vocabulary.ids[t.unk_token], t.vocab, t.byte_fallback)
    return {**_around(t), "model": model}


def _around(t: WordTokenizer | WordPieceTokenizer | UnigramTokenizer) -> dict[str, Any]:
    return {"normalizer": t.normalizer, "pre_tokenizer": t.splitter, "decoder": t.decoder}


def _head(ordinary: dict[str, int], special: dict[str, int], unk_token: str | None = None) -> dict[str, int]:
    """The model's vocabulary, without special tokens at its end: those it cannot find in a text by itself then.

    Hugging Face gives added tokens that the model does not hold the ids after the model's.
    """
    needed = [*ordinary.values(), *([special[unk_token]] if unk_token in special else [])]
    length = max(needed, default=-1) + 1
    ids = {**ordinary, **{name: i for name, i in special.items() if i < length}}
    return dict(sorted(ids.items(), key=lambda item: item[1]))
