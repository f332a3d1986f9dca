"""WordPiece: pieces of words, the longest known piece first, as BERT has them.

A word is cut greedily: the longest piece of the vocabulary that starts the word, then the longest that continues it
(continuations are written with ``##``). Where no piece fits, the whole word becomes ``[UNK]``, and all of it is lost:
that is where BPE would lose one character.

Read in order:  WordPieceTokenizer.pieces  the greedy cut of one word
                wordpiece_train.py         how the vocabulary is found
Source:         Schuster & Nakajima 2012, "Japanese and Korean voice search"; Wu et al. 2016, arXiv:1609.08144, 4.1
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from lilllm.tokenizers.decoders import Decoder, join
from lilllm.tokenizers.decoders import WordPiece as WordPieceDecoder
from lilllm.tokenizers.normalizers import Normalizer
from lilllm.tokenizers.protocol import AllowedSpecial
from lilllm.tokenizers.splitters import BertPreTokenizer, Splitter, check_start
from lilllm.tokenizers.vocabulary import Vocabulary, all_ids, check_size

UNK = "[UNK]"


class WordPieceTokenizer:
    """Greedy longest match inside words.

    Args:
        vocab: id of each piece; continuations start with ``prefix``; may hold ``unk_token`` too.
        unk_token: what a word becomes that cannot be cut into pieces of ``vocab``.
        prefix: how a piece is marked that does not start a word.
        max_word_length: a word of more characters is ``unk_token`` at once (greedy search is quadratic).
        special_tokens: id of each special token, or names.
        normalizer, splitter, decoder: what happens before and after; None: nothing (no decoder: joined with blanks).

    >>> t = WordPieceTokenizer({"b": 0, "hu": 1, "##g": 2, "##u": 3, "hug": 4, "##s": 5})
    >>> t.pieces("hugs"), t.pieces("bug"), t.pieces("bum")
    (['hug', '##s'], ['b', '##u', '##g'], None)
    """

    lossless = False

    def __init__(
        self,
        vocab: Mapping[str, int],
        *,
        unk_token: str = UNK,
        prefix: str = "##",
        max_word_length: int = 100,
        special_tokens: Mapping[str, int] | Sequence[str] = (UNK,),
        normalizer: Normalizer | None = None,
        splitter: Splitter | None = BertPreTokenizer(),  # noqa: B008 -- frozen
        decoder: Decoder | None = WordPieceDecoder(),  # noqa: B008 -- frozen
    ) -> None:
        self.vocabulary = Vocabulary(vocab, special_tokens)
        if unk_token not in self.vocabulary.ids:
            raise ValueError(f"unk_token {unk_token!r} is not in the vocabulary; add it to special_tokens")
        self.unk_token, self.prefix, self.max_word_length = unk_token, prefix, max_word_length
        check_start(normalizer, splitter)
        self.normalizer, self.splitter, self.decoder = normalizer, splitter, decoder
        self._longest = max(map(len, self.vocabulary.ordinary), default=0)

    @classmethod
    def train(
        cls,
        texts: str | Iterable[str],
        *,
        vocab_size: int,
        special_tokens: Sequence[str] = (),
        unk_token: str = UNK,
        prefix: str = "##",
        min_frequency: int = 2,
        normalizer: Normalizer | None = None,
        splitter: Splitter | None = BertPreTokenizer(),  # noqa: B008 -- frozen
        progress: bool = False,
    ) -> WordPieceTokenizer:
        """Learn the pieces by the score f(ab) / (f(a) f(b)); see ``wordpiece_train.train_pieces``.

        The ids: ``unk_token``, the letters, the merges in their order, the special tokens.
        """
        from lilllm.tokenizers.vocabulary import first_ids
        from lilllm.tokenizers.word import count_words
        from lilllm.tokenizers.wordpiece_train import train_pieces

        check_size(vocab_size)
        special = list(dict.fromkeys([unk_token, *special_tokens]))
        counts = count_words(texts, normalizer, splitter)
        pieces = train_pieces(
            counts,
            vocab_size=vocab_size - len(special),
            reserved=len(special),
            prefix=prefix,
            min_frequency=min_frequency,
            progress=progress,
        )
        return cls(
            first_ids([unk_token, *pieces]),
            unk_token=unk_token,
            prefix=prefix,
            special_tokens=special,
            normalizer=normalizer,
            splitter=splitter,
            decoder=WordPieceDecoder(prefix=prefix),
        )

    @property
    def vocab_size(self) -> int:
        return len(self.vocabulary)

    @property
    def special_tokens(self) -> dict[str, int]:
        return dict(self.vocabulary.special)

    def pieces(self, word: str) -> list[str] | None:
        """The longest piece first, again and again; None where none fits or the word is too long."""
        if len(word) > self.max_word_length:
            return None
        vocab = self.vocabulary.ordinary
        pieces: list[str] = []
        start = 0
        while start < len(word):
            prefix = self.prefix if start else ""
            for end in range(min(len(word), start + self._longest), start, -1):
                piece = prefix + word[start:end]
                if piece in vocab and piece != self.unk_token:
                    break
            else:
                return None
            pieces.append(piece)
            start = end
        return pieces

    def encode(self, text: str, *, allowed_special: AllowedSpecial = "none") -> list[int]:
        ids_of, unknown = self.vocabulary.ids, self.vocabulary.ids[self.unk_token]
        known: dict[str, list[int]] = {}
        ids: list[int] = []
        for i, (part, special) in enumerate(self.vocabulary.parts(text, allowed_special)):
            if special is not None:
                ids.append(special)
                continue
            if self.normalizer is not None:
                part = self.normalizer.apply(part)
            words = self.splitter.split(part, i == 0) if self.splitter is not None else [part] if part else []
            for word in words:
                if word not in known:
                    pieces = self.pieces(word)
                    known[word] = [unknown] if pieces is None else [ids_of[piece] for piece in pieces]
                ids.extend(known[word])
        return ids

    def encode_batch(self, texts: Iterable[str], *, allowed_special: AllowedSpecial = "none") -> list[list[int]]:
        return [self.encode(text, allowed_special=allowed_special) for text in texts]

    def decode(self, ids: Iterable[int], *, errors: str = "replace") -> str:
        return join(self.decoder, [self.vocabulary.token(token_id) for token_id in all_ids(ids)], errors)

    def token_bytes(self, token_id: int) -> bytes:
        return self.vocabulary.token(token_id).encode("utf-8")

    def save(self, path: str | Path) -> None:
        """Write a Hugging Face ``tokenizer.json`` (model WordPiece)."""
        from lilllm.tokenizers import hf_json

        hf_json.save(self, path)

    @classmethod
    def load(cls, path: str | Path) -> WordPieceTokenizer:
        """Read a ``tokenizer.json`` with the model WordPiece."""
        from lilllm.tokenizers import hf_json

        return hf_json.load_as(cls, path)
