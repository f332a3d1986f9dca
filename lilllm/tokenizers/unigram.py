"""Unigram: pieces with probabilities, and of all ways to write a text the most probable one.

SentencePiece's view: the text is one raw string. A blank is a character like others, written U+2581, so that nothing
is lost between words; a character outside the vocabulary is written as its UTF-8 bytes, ``<0xE2>`` and so on.

Read in order:  UnigramTokenizer.train   what is counted, and how the ids are given
                UnigramTokenizer.encode  Viterbi (unigram_search.py) word by word
                sample_encode            another segmentation each time: subword regularization
                unigram_train.py         EM and pruning
Source:         Kudo 2018, arXiv:1804.10959; Kudo & Richardson 2018, arXiv:1808.06226 (SentencePiece)
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Literal

from lilllm.tokenizers import decoders
from lilllm.tokenizers.decoders import BYTE_TOKEN, Decoder, join
from lilllm.tokenizers.normalizers import Normalizer
from lilllm.tokenizers.protocol import AllowedSpecial
from lilllm.tokenizers.splitters import BLANK, Metaspace, Splitter, check_start
from lilllm.tokenizers.unigram_search import Cut, n_best, sample, viterbi
from lilllm.tokenizers.vocabulary import Vocabulary, all_ids, check_size

PrependScheme = Literal["always", "first", "never"]
UNK = "<unk>"
BYTE_TOKENS = [f"<0x{byte:02X}>" for byte in range(256)]
UNKNOWN_PENALTY = 10.0  # how much less probable an unknown character is than the least probable piece, as a log


def raw_text_decoder(prepend_scheme: PrependScheme) -> Decoder:
    """Marks to blanks, byte tokens to text, all glued: what undoes ``Metaspace`` and the byte fallback."""
    return decoders.Sequence(
        [decoders.Metaspace(prepend_scheme=prepend_scheme), decoders.ByteFallback(), decoders.Fuse()]
    )


RAW_TEXT = raw_text_decoder("never")


class UnigramTokenizer:
    """The most probable segmentation under a unigram model of pieces.

    Lossless with ``byte_fallback``, without a normalizer and with ``Metaspace(prepend_scheme="never")``, the default of
    ``train``; only U+2581 itself comes back as a blank.

    Args:
        vocab: (piece, log-probability) in the order of the ids; holds ``unk_token`` and, with ``byte_fallback``, the
            256 byte tokens. Neither they nor special tokens are ever found in a text by their names.
        unk_token: what a run of unknown characters becomes.
        byte_fallback: write unknown characters as the tokens of their bytes.
        special_tokens: id of each special token, or names: those not in ``vocab`` get the next ids.
        normalizer, splitter, decoder: what happens before and after; None: nothing (no decoder: joined with blanks).

    >>> t = UnigramTokenizer([("<unk>", 0.0), ("h", -3.0), ("u", -3.0), ("g", -3.0), ("hu", -2.0)], byte_fallback=False)
    >>> t.encode("hug"), t.encode("hxyg"), t.n_best("hug", 2)
    ([4, 3], [1, 0, 3], [(-5.0, ['hu', 'g']), (-9.0, ['h', 'u', 'g'])])
    """

    def __init__(
        self,
        vocab: Sequence[tuple[str, float]],
        *,
        unk_token: str = UNK,
        byte_fallback: bool = True,
        special_tokens: Mapping[str, int] | Sequence[str] = (UNK,),
        normalizer: Normalizer | None = None,
        splitter: Splitter | None = Metaspace(prepend_scheme="never"),  # noqa: B008 -- frozen
        decoder: Decoder | None = RAW_TEXT,
    ) -> None:
        self.vocab = list(vocab)
        ids = {piece: i for i, (piece, _) in enumerate(self.vocab)}
        if len(ids) < len(self.vocab):
            twice = next(piece for i, (piece, _) in enumerate(self.vocab) if ids[piece] != i)
            raise ValueError(f"piece {twice!r} is in the vocabulary twice")
        if unk_token not in ids:
            raise ValueError(f"unk_token {unk_token!r} is not in the vocabulary; put it there, for instance as id 0")
        bad = [piece for piece, score in self.vocab if not math.isfinite(score)]
        if bad:
            raise ValueError(f"the score of piece {bad[0]!r} is not a finite number")
        self.vocabulary = Vocabulary(ids, special_tokens)
        self.unk_token, self.byte_fallback = unk_token, byte_fallback
        check_start(normalizer, splitter)
        self.normalizer, self.splitter, self.decoder = normalizer, splitter, decoder
        hidden = {unk_token, *self.vocabulary.special, *(BYTE_TOKENS if byte_fallback else ())}
        self.scores = {piece: score for piece, score in self.vocab if piece not in hidden}
        # Over all of `vocab`, as Hugging Face takes it.
        self.unknown_score = min((score for _, score in self.vocab), default=0.0) - UNKNOWN_PENALTY
        self._longest = max(map(len, self.scores), default=1)

    @classmethod
    def train(
        cls,
        texts: str | Iterable[str],
        *,
        vocab_size: int,
        special_tokens: Sequence[str] = (),
        unk_token: str = UNK,
        byte_fallback: bool = True,
        prepend_scheme: PrependScheme = "never",
        normalizer: Normalizer | None = None,
        seed_size: int = 100_000,
        longest: int = 16,
        prune: float = 0.2,
        em_steps: int = 2,
        m_step: Literal["digamma", "plain"] = "digamma",
        progress: bool = False,
    ) -> UnigramTokenizer:
        """Learn pieces by EM and pruning; see ``unigram_train.train_unigram`` for the last arguments.

        The ids: ``unk_token``, the 256 bytes with ``byte_fallback``, pieces by probability, the special tokens (last,
        so that the model part of a tokenizer.json does not hold them and cannot find them in a text).
        """
        from lilllm.tokenizers.unigram_train import train_unigram, training_runs
        from lilllm.tokenizers.word import count_words

        splitter = Metaspace(prepend_scheme=prepend_scheme)
        check_size(vocab_size)
        special = list(dict.fromkeys([unk_token, *special_tokens]))
        reserved = special + (BYTE_TOKENS if byte_fallback else [])
        runs = training_runs(count_words(texts, normalizer, splitter))
        needed = len({character for run in runs for character in run} - set(reserved))
        if vocab_size < needed + len(reserved):
            raise ValueError(
                f"vocab_size {vocab_size} is too small: {len(special)} special tokens, {len(reserved) - len(special)} "
                f"bytes and {needed} characters of the text need {needed + len(reserved)}"
            )
        trained = train_unigram(
            runs,
            n_pieces=vocab_size - len(reserved),
            seed_size=seed_size,
            longest=longest,
            prune=prune,
            em_steps=em_steps,
            m_step_kind=m_step,
            progress=progress,
        )
        pieces = [(piece, score) for piece, score in trained if piece not in reserved]
        return cls(
            [(unk_token, 0.0), *((name, 0.0) for name in reserved[len(special) :]), *pieces],
            unk_token=unk_token,
            byte_fallback=byte_fallback,
            special_tokens=special,
            normalizer=normalizer,
            splitter=splitter,
            decoder=raw_text_decoder(prepend_scheme),
        )

    @property
    def lossless(self) -> bool:
        never = isinstance(self.splitter, Metaspace) and self.splitter.prepend_scheme == "never"
        return self.normalizer is None and never and self.byte_fallback and self.vocabulary.ids.keys() >= {*BYTE_TOKENS}

    @property
    def vocab_size(self) -> int:
        return len(self.vocabulary)

    @property
    def special_tokens(self) -> dict[str, int]:
        return dict(self.vocabulary.special)

    def encode(self, text: str, *, allowed_special: AllowedSpecial = "none") -> list[int]:
        known: dict[str, list[int]] = {}

        def best(word: str) -> list[int]:
            if word not in known:
                known[word] = self._ids(viterbi(word, self.scores, self._longest, self.unknown_score)[1])
            return known[word]

        return self._encode(text, allowed_special, best)

    def sample_encode(
        self,
        text: str,
        *,
        rng: random.Random | int,
        alpha: float = 1.0,
        allowed_special: AllowedSpecial = "none",
    ) -> list[int]:
        """Ids of a segmentation drawn with probability proportional to P^alpha; ``rng`` is a generator or a seed."""
        draw = random.Random(rng) if isinstance(rng, int) else rng

        def one(word: str) -> list[int]:
            return self._ids(sample(word, self.scores, self._longest, self.unknown_score, alpha=alpha, rng=draw))

        return self._encode(text, allowed_special, one)

    def _encode(self, text: str, allowed: AllowedSpecial, ids_of_word: Callable[[str], list[int]]) -> list[int]:
        ids: list[int] = []
        for i, (part, special) in enumerate(self.vocabulary.parts(text, allowed)):
            if special is not None:
                ids.append(special)
                continue
            if self.normalizer is not None:
                part = self.normalizer.apply(part)
            for word in self.splitter.split(part, i == 0) if self.splitter is not None else [part] if part else []:
                ids.extend(ids_of_word(word))
        return ids

    def _ids(self, pieces: list[str]) -> list[int]:
        """Ids of pieces; neighbouring unknown characters are one unknown, or the bytes of all of them."""
        ids_of = self.vocabulary.ids
        ids: list[int] = []
        for known, group in groupby(pieces, key=self.scores.__contains__):
            if known:
                ids.extend(ids_of[piece] for piece in group)
                continue
            names = [f"<0x{byte:02X}>" for byte in "".join(group).encode()] if self.byte_fallback else []
            complete = bool(names) and all(name in ids_of for name in names)
            ids.extend([ids_of[name] for name in names] if complete else [ids_of[self.unk_token]])
        return ids

    def n_best(self, word: str, n: int) -> list[Cut]:
        """The ``n`` best segmentations of one word (as the splitter makes it), with their log-probabilities."""
        return n_best(word, n, self.scores, self._longest, self.unknown_score)

    def encode_batch(self, texts: Iterable[str], *, allowed_special: AllowedSpecial = "none") -> list[list[int]]:
        return [self.encode(text, allowed_special=allowed_special) for text in texts]

    def decode(self, ids: Iterable[int], *, errors: str = "replace") -> str:
        return join(self.decoder, [self.vocabulary.token(token_id) for token_id in all_ids(ids)], errors)

    def token_bytes(self, token_id: int) -> bytes:
        token = self.vocabulary.token(token_id)
        if token in self.vocabulary.special:
            return token.encode("utf-8")
        byte = BYTE_TOKEN.fullmatch(token) if self.byte_fallback else None
        return bytes([int(byte[1], 16)]) if byte else token.replace(BLANK, " ").encode("utf-8")

    def save(self, path: str | Path) -> None:
        """Write a Hugging Face ``tokenizer.json`` (model Unigram)."""
        from lilllm.tokenizers import hf_json

        hf_json.save(self, path)

    @classmethod
    def load(cls, path: str | Path) -> UnigramTokenizer:
        """Read a ``tokenizer.json`` with the model Unigram."""
        from lilllm.tokenizers import hf_json

        return hf_json.load_as(cls, path)
