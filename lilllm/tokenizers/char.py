"""Characters as tokens: the simplest tokenizer that can write any word it has seen the letters of.

The vocabulary is the set of characters of the training text. A character outside it becomes ``[UNK]``, and is lost.

Read in order:  CharTokenizer.train, encode, decode
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from lilllm.tokenizers.protocol import AllowedSpecial
from lilllm.tokenizers.vocabulary import Vocabulary, all_ids, first_ids, training_texts

UNK = "[UNK]"


class CharTokenizer:
    """One token a character (a Unicode code point).

    Args:
        vocab: id of each character; may hold ``unk_token`` too.
        unk_token: what stands for a character that is not in ``vocab``; None: such a character is a ValueError.
        special_tokens: id of each special token, or names.

    >>> t = CharTokenizer.train(["abba"])
    >>> t.encode("bac"), t.decode([2, 1, 0])
    ([2, 1, 0], 'ba[UNK]')
    """

    lossless = False

    def __init__(
        self,
        vocab: Mapping[str, int],
        *,
        unk_token: str | None = UNK,
        special_tokens: Mapping[str, int] | Sequence[str] = (UNK,),
    ) -> None:
        self.vocabulary = Vocabulary(vocab, special_tokens)
        long = [t for t in self.vocabulary.ordinary if len(t) != 1 and t != unk_token]
        if long:
            raise ValueError(f"{long[0]!r} is not one character; make it a special token or use WordTokenizer")
        if unk_token is not None and unk_token not in self.vocabulary.ids:
            raise ValueError(f"unk_token {unk_token!r} is not in the vocabulary; add it to special_tokens")
        self.unk_token = unk_token
        self._of_text = {t: i for t, i in self.vocabulary.ordinary.items() if t != unk_token}

    @classmethod
    def train(
        cls, texts: str | Iterable[str], *, special_tokens: Sequence[str] = (), unk_token: str | None = UNK
    ) -> CharTokenizer:
        """Every character of ``texts`` in code point order, after ``unk_token`` and before the special tokens."""
        characters: set[str] = set()
        for text in training_texts(texts):
            characters.update(text)
        if not characters:
            raise ValueError("there is no text to train on: every text is empty")
        special = list(dict.fromkeys([*([unk_token] if unk_token else []), *special_tokens]))
        return cls(
            first_ids([*special[: unk_token is not None], *sorted(characters)]),
            unk_token=unk_token,
            special_tokens=special,
        )

    @property
    def vocab_size(self) -> int:
        return len(self.vocabulary)

    @property
    def special_tokens(self) -> dict[str, int]:
        return dict(self.vocabulary.special)

    def encode(self, text: str, *, allowed_special: AllowedSpecial = "none") -> list[int]:
        ids: list[int] = []
        for part, special in self.vocabulary.parts(text, allowed_special):
            ids.extend([special] if special is not None else (self._id(character) for character in part))
        return ids

    def _id(self, character: str) -> int:
        token_id = self._of_text.get(character)
        if token_id is not None:
            return token_id
        if self.unk_token is None:
            raise ValueError(f"character {character!r} is not in the vocabulary and this tokenizer has no unk_token")
        return self.vocabulary.ids[self.unk_token]

    def encode_batch(self, texts: Iterable[str], *, allowed_special: AllowedSpecial = "none") -> list[list[int]]:
        return [self.encode(text, allowed_special=allowed_special) for text in texts]

    def decode(self, ids: Iterable[int], *, errors: str = "replace") -> str:
        return "".join(self.vocabulary.token(token_id) for token_id in all_ids(ids))

    def token_bytes(self, token_id: int) -> bytes:
        return self.vocabulary.token(token_id).encode("utf-8")

    def save(self, path: str | Path) -> None:
        """Write a Hugging Face ``tokenizer.json``."""
        from lilllm.tokenizers import hf_json

        hf_json.save(self, path)

    @classmethod
    def load(cls, path: str | Path) -> CharTokenizer:
        """Read a ``tokenizer.json`` that holds a character tokenizer."""
        from lilllm.tokenizers import hf_json

        return hf_json.load_as(cls, path)
