"""Words as tokens: short sequences, a large vocabulary, and `[UNK]` for every word that was not in it.

Read in order:  WordTokenizer.train  the most frequent words
                encode, decode       white space is not kept: decode joins the words with blanks
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from lilllm.tokenizers.decoders import Decoder, join
from lilllm.tokenizers.normalizers import Normalizer
from lilllm.tokenizers.protocol import AllowedSpecial
from lilllm.tokenizers.splitters import Splitter, Whitespace, check_start
from lilllm.tokenizers.vocabulary import Vocabulary, all_ids, check_size, first_ids, training_texts

UNK = "[UNK]"


def count_words(texts: str | Iterable[str], normalizer: Normalizer | None, splitter: Splitter | None) -> Counter[str]:
    """How often each word stands in ``texts``; ValueError if there is none."""
    counts: Counter[str] = Counter()
    for text in training_texts(texts):
        if normalizer is not None:
            text = normalizer.apply(text)
        counts.update(splitter.split(text) if splitter is not None else [text] if text else [])
    if not counts:
        raise ValueError("there is no text to train on: every text is empty or white space")
    return counts


class WordTokenizer:
    """One token a word.

    Args:
        vocab: id of each word; may hold ``unk_token`` too.
        unk_token: what stands for a word that is not in ``vocab``.
        special_tokens: id of each special token, or names.
        normalizer, splitter, decoder: what happens before and after; None: nothing (no decoder: joined with blanks).

    >>> t = WordTokenizer.train(["the cat, the dog"], vocab_size=4)
    >>> t.encode("the bird, the cat"), t.decode([1, 0])
    ([1, 0, 2, 1, 3], 'the [UNK]')
    """

    lossless = False

    def __init__(
        self,
        vocab: Mapping[str, int],
        *,
        unk_token: str = UNK,
        special_tokens: Mapping[str, int] | Sequence[str] = (UNK,),
        normalizer: Normalizer | None = None,
        splitter: Splitter | None = Whitespace(),  # noqa: B008 -- frozen
        decoder: Decoder | None = None,
    ) -> None:
        self.vocabulary = Vocabulary(vocab, special_tokens)
        if unk_token not in self.vocabulary.ids:
            raise ValueError(f"unk_token {unk_token!r} is not in the vocabulary; add it to special_tokens")
        self.unk_token = unk_token
        check_start(normalizer, splitter)
        self.normalizer, self.splitter, self.decoder = normalizer, splitter, decoder

    @classmethod
    def train(
        cls,
        texts: str | Iterable[str],
        *,
        vocab_size: int,
        special_tokens: Sequence[str] = (),
        unk_token: str = UNK,
        normalizer: Normalizer | None = None,
        splitter: Splitter | None = Whitespace(),  # noqa: B008 -- frozen
    ) -> WordTokenizer:
        """The most frequent words (of equally frequent ones the smaller) until there are ``vocab_size`` ids.

        The ids: ``unk_token``, the words by frequency, the special tokens.
        """
        special = list(dict.fromkeys([unk_token, *special_tokens]))
        check_size(vocab_size)
        if vocab_size <= len(special):
            raise ValueError(
                f"vocab_size {vocab_size} is too small: {len(special)} special tokens leave no room for words; "
                f"give at least {len(special) + 1}"
            )
        counts = count_words(texts, normalizer, splitter)
        words = sorted((w for w in counts if w not in special), key=lambda w: (-counts[w], w))
        ids = first_ids([unk_token, *words[: vocab_size - len(special)]])
        return cls(ids, unk_token=unk_token, special_tokens=special, normalizer=normalizer, splitter=splitter)

    @property
    def vocab_size(self) -> int:
        return len(self.vocabulary)

    @property
    def special_tokens(self) -> dict[str, int]:
        return dict(self.vocabulary.special)

    def encode(self, text: str, *, allowed_special: AllowedSpecial = "none") -> list[int]:
        unknown = self.vocabulary.ids[self.unk_token]
        ids: list[int] = []
        for i, (part, special) in enumerate(self.vocabulary.parts(text, allowed_special)):
            if special is not None:
                ids.append(special)
                continue
            if self.normalizer is not None:
                part = self.normalizer.apply(part)
            words = self.splitter.split(part, i == 0) if self.splitter is not None else [part] if part else []
            ids.extend(self.vocabulary.ordinary.get(word, unknown) for word in words)
        return ids

    def encode_batch(self, texts: Iterable[str], *, allowed_special: AllowedSpecial = "none") -> list[list[int]]:
        return [self.encode(text, allowed_special=allowed_special) for text in texts]

    def decode(self, ids: Iterable[int], *, errors: str = "replace") -> str:
        return join(self.decoder, [self.vocabulary.token(token_id) for token_id in all_ids(ids)], errors)

    def token_bytes(self, token_id: int) -> bytes:
        return self.vocabulary.token(token_id).encode("utf-8")

    def save(self, path: str | Path) -> None:
        """Write a Hugging Face ``tokenizer.json`` (model WordLevel)."""
        from lilllm.tokenizers import hf_json

        hf_json.save(self, path)

    @classmethod
    def load(cls, path: str | Path) -> WordTokenizer:
        """Read a ``tokenizer.json`` with the model WordLevel."""
        from lilllm.tokenizers import hf_json

        return hf_json.load_as(cls, path)
