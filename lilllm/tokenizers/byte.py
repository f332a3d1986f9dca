"""Bytes as tokens: 256 ids for every text there is, and the longest sequences.

The id of a byte is its value, so the compression ratio is exactly 1 byte a token. Nothing is ever unknown.

Read in order:  ByteTokenizer.encode, decode
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from lilllm.tokenizers.byte_chars import CHAR_TO_BYTE
from lilllm.tokenizers.protocol import AllowedSpecial
from lilllm.tokenizers.vocabulary import Vocabulary, all_ids


class ByteTokenizer:
    """One token a byte of UTF-8; special tokens come after id 255.

    >>> t = ByteTokenizer(["<|endoftext|>"])
    >>> t.encode("é<|endoftext|>", allowed_special="all"), t.vocab_size
    ([195, 169, 256], 257)
    >>> t.decode([195])
    '\\ufffd'
    """

    lossless = True

    def __init__(self, special_tokens: Sequence[str] = ()) -> None:
        self.vocabulary = Vocabulary(CHAR_TO_BYTE, special_tokens)
        if len(self.vocabulary.ordinary) != 256:
            clash = next(name for name in self.vocabulary.special if name in CHAR_TO_BYTE)
            raise ValueError(f"special token {clash!r} is also the printed form of a byte; use a longer name")

    @property
    def vocab_size(self) -> int:
        return len(self.vocabulary)

    @property
    def special_tokens(self) -> dict[str, int]:
        return dict(self.vocabulary.special)

    def encode(self, text: str, *, allowed_special: AllowedSpecial = "none") -> list[int]:
        ids: list[int] = []
        for part, special in self.vocabulary.parts(text, allowed_special):
            ids.extend([special] if special is not None else part.encode("utf-8"))
        return ids

    def encode_batch(self, texts: Iterable[str], *, allowed_special: AllowedSpecial = "none") -> list[list[int]]:
        return [self.encode(text, allowed_special=allowed_special) for text in texts]

    def decode(self, ids: Iterable[int], *, errors: str = "replace") -> str:
        return b"".join(self.token_bytes(token_id) for token_id in all_ids(ids)).decode("utf-8", errors=errors)

    def token_bytes(self, token_id: int) -> bytes:
        token = self.vocabulary.token(token_id)
        return token.encode("utf-8") if token in self.vocabulary.special else bytes([token_id])

    def save(self, path: str | Path) -> None:
        """Write a Hugging Face ``tokenizer.json``: byte-level BPE without merges."""
        from lilllm.tokenizers import hf_json

        hf_json.save(self, path)

    @classmethod
    def load(cls, path: str | Path) -> ByteTokenizer:
        """Read a ``tokenizer.json`` that holds a byte tokenizer."""
        from lilllm.tokenizers import hf_json

        return hf_json.load_as(cls, path)
