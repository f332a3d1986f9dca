"""What every tokenizer here can do."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Literal, Protocol, runtime_checkable

AllowedSpecial = Literal["all", "none"] | Collection[str]
# What the special token that ends a text is called; of several that a tokenizer has, the first here.
END_NAMES = ("<|endoftext|>", "</s>", "<|end_of_text|>", "<|im_end|>", "<|eot_id|>", "<eos>")


@runtime_checkable
class Tokenizer(Protocol):
    """Text to integers and back.

    Holds: ``decode(encode(text)) == text`` for every tokenizer that says it is lossless.
    """

    @property
    def vocab_size(self) -> int:
        """How many ids there are, special tokens included; every id is in ``range(vocab_size)``."""
        ...

    @property
    def special_tokens(self) -> dict[str, int]:
        """Special tokens and their ids."""
        ...

    def encode(self, text: str, *, allowed_special: AllowedSpecial = "none") -> list[int]:
        """Ids of ``text``. A special token in the text is text unless it is allowed here, by name or with "all"."""
        ...

    def encode_batch(self, texts: Iterable[str], *, allowed_special: AllowedSpecial = "none") -> list[list[int]]:
        """``encode`` of each text."""
        ...

    def decode(self, ids: Iterable[int], *, errors: str = "replace") -> str:
        """Text of ``ids``; bytes that are not UTF-8 become U+FFFD, as with ``bytes.decode(errors="replace")``."""
        ...

    def token_bytes(self, token_id: int) -> bytes:
        """The bytes that one id stands for (of a lossy tokenizer: of its printed form)."""
        ...
