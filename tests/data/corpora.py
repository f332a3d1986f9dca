"""A small corpus and tokenizers for the tests of token files."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from lilllm.tokenizers import ByteTokenizer

END = "<|endoftext|>"
EOS = 256


def texts(n: int = 200, seed: int = 0) -> list[str]:
    """Documents of 0 to 60 characters; some spell the EOS token."""
    chance = random.Random(seed)
    return [
        "".join(chance.choices("abc de\n🙂é", k=chance.randrange(60))) + END * (chance.random() < 0.1) for _ in range(n)
    ]


def tokenizer() -> ByteTokenizer:
    return ByteTokenizer([END])


def expected(documents: list[str]) -> list[int]:
    """The ids of a corpus of bytes."""
    return [token_id for text in documents for token_id in [*text.encode(), EOS]]


class Given:
    """A tokenizer whose ids are the numbers in the text."""

    def __init__(self, vocab_size: int) -> None:
        self.vocab_size = vocab_size

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        return [[int(word) for word in text.split()] for text in texts]


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


class Fast:
    """Ids in no time, for tests of memory: the bytes of the text."""

    vocab_size = 257

    def encode_batch(self, texts: list[str]) -> list[Any]:
        return [list(text.encode()) for text in texts]
