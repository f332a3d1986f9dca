"""Hugging Face's ``tokenizer.json``: every tokenizer here is written as one, and read from one.

    BPETokenizer        BPE over bytes: pre_tokenizer ByteLevel, or a Split by its pattern before it
    ByteTokenizer       BPE without merges, where the id of a byte is its value
    WordPieceTokenizer  WordPiece
    UnigramTokenizer    Unigram
    WordTokenizer       WordLevel
    CharTokenizer       WordLevel behind a Split at every character

``tokenizers.Tokenizer.from_file`` reads the same file and gives the same ids, with one difference on purpose: by
default it finds special tokens in any text (as ``allowed_special="all"`` does here; with its
``encode_special_tokens = True`` it is our "none"). What a file asks for that is not built here, a component or an
option, is a ValueError that names it.

Read in order:  save, load, load_as
                hf_write.to_json   a tokenizer as the bytes of a file
                hf_read.from_json  the other way: file -> parts -> the class that has them
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from lilllm.tokenizers.files import read_limited, write_whole
from lilllm.tokenizers.hf_read import from_json
from lilllm.tokenizers.hf_write import to_json

if TYPE_CHECKING:
    from lilllm.tokenizers.bpe import BPETokenizer
    from lilllm.tokenizers.byte import ByteTokenizer
    from lilllm.tokenizers.char import CharTokenizer
    from lilllm.tokenizers.unigram import UnigramTokenizer
    from lilllm.tokenizers.word import WordTokenizer
    from lilllm.tokenizers.wordpiece import WordPieceTokenizer

    AnyTokenizer: TypeAlias = (
        BPETokenizer | ByteTokenizer | CharTokenizer | UnigramTokenizer | WordPieceTokenizer | WordTokenizer
    )

T = TypeVar("T")

__all__ = ["from_json", "load", "load_as", "save", "to_json"]


def save(tokenizer: AnyTokenizer, path: str | Path) -> None:
    """Write ``tokenizer`` as a ``tokenizer.json``; an old file stays whole until the new one is complete."""
    write_whole(path, to_json(tokenizer))


def load(path: str | Path) -> AnyTokenizer:
    """The tokenizer in a ``tokenizer.json``, whichever it is.

    Raises:
        ValueError: names the file, the place in it and what is wrong there.
        OSError: the file is missing or cannot be read.
    """
    return from_json(read_limited(path), name=str(path))


def load_as(kind: type[T], path: str | Path) -> T:
    """The tokenizer in a ``tokenizer.json``; ValueError if it is not a ``kind``."""
    tokenizer = load(path)
    if not isinstance(tokenizer, kind):
        raise ValueError(
            f"{path}: holds a {type(tokenizer).__name__}, not a {kind.__name__}; use lilllm.tokenizers.load"
        )
    return tokenizer
