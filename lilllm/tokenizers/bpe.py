"""Byte-pair encoding: any text in tokens learned from text, nothing ever unknown.

Text is split into pre-tokens (pretokenize.py), each is taken as its UTF-8 bytes, and merges are applied in the order in
which they were learned (bpe_train.py).

Read in order:  BPETokenizer.encode_reference (Python, as the algorithm reads)
                encode (the same ids through tiktoken), encode_iterable (a stream in constant memory)
                decode_bytes, decode
                train, save, load and the other files
Convention:     ids 0 to 255 are the bytes in order, then one id a merge, then the special tokens. GPT-2 numbers the
                bytes by their printable stand-ins, and Hugging Face's trainer puts special tokens first: ``vocab``.
Source:         Sennrich, Haddow & Birch 2016, arXiv:1508.07909; over bytes: Radford et al. 2019, section 2.2
"""

from __future__ import annotations

import heapq
import operator
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import tiktoken

from lilllm.tokenizers.bpe_train import Tie, check_training, train_bpe
from lilllm.tokenizers.bpe_vocab import check_merges, check_special, check_vocab, default_vocab, hugging_face_vocab
from lilllm.tokenizers.pretoken_counts import count_pretokens
from lilllm.tokenizers.pretokenize import GPT2_PATTERN, pretokens, split_special
from lilllm.tokenizers.protocol import AllowedSpecial
from lilllm.tokenizers.stream import cut_stream
from lilllm.tokenizers.tiktoken_bridge import (
    BytePair,
    FastPath,
    apply_merges,
    build_encoding,
    merges_of_ranks,
    python_pattern,
    read_ranks,
)
from lilllm.tokenizers.vocabulary import all_ids, plain_text

_SHOWN = 12  # tokens whose merges a trace shows
_DEEPEST = 12


class BPETokenizer:
    """Byte-level BPE from a list of merges.

    Args:
        merges: pairs of tokens, as bytes, in the order in which they were learned.
        pattern: how text is split before merging; None keeps it whole.
        special_tokens: their names, which get the ids after all others, or a mapping name -> id.
        vocab: id of each token, for another order than bytes, merges, special tokens.
    Raises:
        ValueError: a merge of tokens that are unknown, a merge twice, an id twice, a byte without an id.
    Holds: ``decode(encode(text)) == text``; ``encode == encode_reference``.

    >>> t = BPETokenizer([(b"a", b"b"), (b"ab", b"c")], special_tokens=["<|end|>"])
    >>> t.encode("abcab<|end|>", allowed_special="all"), t.vocab_size
    ([257, 256, 258], 259)
    >>> t.decode([257, 256, 258]), t.decode_bytes([195])
    ('abcab<|end|>', b'\\xc3')
    """

    lossless = True

    def __init__(
        self,
        merges: Sequence[BytePair],
        *,
        pattern: str | None = GPT2_PATTERN,
        special_tokens: Sequence[str] | Mapping[str, int] = (),
        vocab: Mapping[bytes, int] | None = None,
    ) -> None:
        self.merges = check_merges(merges, vocab)
        self.vocab = default_vocab(self.merges) if vocab is None else check_vocab(vocab)
        self.special_tokens = check_special(special_tokens, self.vocab)
        self.pattern = pattern
        pretokens("", pattern)  # a pattern that does not compile is an error here, not at the first text
        self._rank = {pair: index for index, pair in enumerate(self.merges)}
        self._bytes = {token_id: token for token, token_id in self.vocab.items()}
        self._bytes |= {token_id: name.encode() for name, token_id in self.special_tokens.items()}
        self._fast: FastPath | None = None
        self._shown: dict[str, Any] | None = None

    @property
    def vocab_size(self) -> int:
        """One more than the largest id: an id that a file leaves out counts too, as in tiktoken's ``n_vocab``."""
        return max(self._bytes) + 1

    def __repr__(self) -> str:
        return f"BPETokenizer({len(self.merges)} merges, vocab_size={self.vocab_size})"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_fast": None}  # tiktoken's part does not pickle; it is built again when needed

    def _trace_repr_(self) -> tuple[str, dict[str, Any]]:
        """For a player of traces: the longest tokens, each down to the bytes that it was merged from."""
        if self._shown is None:
            made = {left + right: (index, (left, right)) for index, (left, right) in enumerate(self.merges)}

            def node(token: bytes, depth: int) -> dict[str, Any]:
                if token not in made or depth > _DEEPEST:
                    return {"label": token}
                index, pair = made[token]
                parts = [node(part, depth + 1) for part in pair]
                return {"label": token, "note": f"merge {index + 1:,}", "children": parts}

            longest = heapq.nlargest(_SHOWN, made, key=len)
            self._shown = {
                "label": repr(self),
                "children": [
                    {"label": "split", "note": "whole texts" if self.pattern is None else self.pattern},
                    {"label": "special tokens", "note": ", ".join(self.special_tokens) or "none"},
                    {"label": "longest tokens", "children": [node(token, 0) for token in longest]},
                ],
            }
        return "tree", self._shown

    def encode_reference(self, text: str, *, allowed_special: AllowedSpecial = "none") -> list[int]:
        """Ids of ``text``, by the algorithm as it reads."""
        ids = []
        for is_special, part in split_special(plain_text(text), self._allowed(allowed_special)):
            if is_special:
                ids.append(self.special_tokens[part])
                continue
            for word in pretokens(part, self.pattern):
                ids += [self.vocab[token] for token in apply_merges(word.encode(), self._rank)]
        return ids

    def encode(self, text: str, *, allowed_special: AllowedSpecial = "none") -> list[int]:
        """Ids of ``text``. A special token in it is text unless it is allowed, by name or with "all".

        Raises:
            ValueError: an unknown special token is allowed; a lone surrogate, which has no UTF-8 form.
        """
        allowed = self._allowed(allowed_special)
        if not allowed:
            return self._fast_path().encode(plain_text(text))
        ids: list[int] = []
        for is_special, part in split_special(plain_text(text), allowed):
            if is_special:
                ids.append(self.special_tokens[part])
            else:
                ids += self._fast_path().encode(part)
        return ids

    def encode_batch(self, texts: Iterable[str], *, allowed_special: AllowedSpecial = "none") -> list[list[int]]:
        """``encode`` of each text."""
        return [self.encode(text, allowed_special=allowed_special) for text in texts]

    def encode_iterable(self, texts: Iterable[str], *, allowed_special: AllowedSpecial = "none") -> Iterator[int]:
        """Ids of the texts joined together, one by one: for a file that does not fit into memory.

        With GPT2_PATTERN or GPT4_PATTERN no more is held than about a megabyte, or the longest run without a place to
        cut (a word, a run of blanks). Another pattern may look anywhere, so the text is held whole.

        Holds: ``list(encode_iterable(texts)) == encode("".join(texts))``.

        >>> list(BPETokenizer([(b"a", b"b")]).encode_iterable(["xa", "b"]))
        [120, 256]
        """
        allowed = self._allowed(allowed_special)
        for part in cut_stream(map(plain_text, texts), self.pattern, allowed):
            yield from self.encode(part, allowed_special=allowed)

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The bytes of ``ids``, which need not be UTF-8.

        Raises:
            ValueError: an id that no token has.
        """
        ids = all_ids(ids)
        try:
            return b"".join([self._bytes[token_id] for token_id in ids])
        except (KeyError, TypeError):  # a wrong id, or an integer of another kind: a tensor's, for instance
            return b"".join([self.token_bytes(token_id) for token_id in ids])

    def decode(self, ids: Iterable[int], *, errors: str = "replace") -> str:
        """Text of ``ids``; bytes that are not UTF-8 become U+FFFD, or as ``bytes.decode(errors=...)`` has it."""
        return self.decode_bytes(ids).decode("utf-8", errors)

    def token_bytes(self, token_id: int) -> bytes:
        """The bytes of one token."""
        try:
            index = operator.index(token_id)
        except TypeError:
            raise TypeError(f"a token id is an integer, got {type(token_id).__name__}: {token_id!r}") from None
        if index not in self._bytes:
            raise ValueError(
                f"token id {index} is out of range: this vocabulary has ids 0 to {self.vocab_size - 1}"
                + (", not all of them used" if 0 <= index < self.vocab_size else "")
                + "; were the ids made by another tokenizer?"
            )
        return self._bytes[index]

    def _allowed(self, allowed_special: AllowedSpecial) -> Collection[str]:
        if isinstance(allowed_special, str):
            if allowed_special not in ("all", "none"):
                raise ValueError(
                    f"allowed_special is {allowed_special!r}; give 'all', 'none' or a collection of names such as "
                    f"[{allowed_special!r}]"
                )
            return tuple(self.special_tokens) if allowed_special == "all" else ()
        for name in allowed_special:
            if name not in self.special_tokens:
                known = ", ".join(map(repr, self.special_tokens)) or "none"
                raise ValueError(f"unknown special token {name!r}; this tokenizer has: {known}")
        return tuple(allowed_special)

    def _fast_path(self) -> FastPath:
        if self._fast is None:
            self._fast = FastPath(self.merges, self.pattern, self.vocab)
        return self._fast

    @classmethod
    def train(
        cls,
        texts_or_paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
        *,
        vocab_size: int,
        special_tokens: Sequence[str] = (),
        pattern: str | None = GPT2_PATTERN,
        tie: Tie = "greater",
        processes: int = 1,
        progress: bool = False,
    ) -> BPETokenizer:
        """Learn merges from texts (``str``) and files (``Path``, UTF-8), until the vocabulary has ``vocab_size`` ids.

        Text that is too short to learn that many gives fewer. Special tokens are cut out of the text first.

        Args:
            tie: "greater" takes the greater pair of byte strings among equally frequent pairs; "smaller" does as
                Hugging Face's trainer, with its ids: special tokens, bytes in GPT-2's order, merges.
            processes: how many processes count the pre-tokens of files.
            progress: show a bar.
        Raises:
            ValueError: no text, a vocabulary without room for bytes and special tokens, a file that is not UTF-8.
        """
        check_special(special_tokens, {})
        n_merges = check_training(vocab_size, len(special_tokens), tie)
        counts = count_pretokens(
            texts_or_paths, pattern=pattern, special_tokens=special_tokens, processes=processes, progress=progress
        )
        if not counts:
            raise ValueError("there is nothing to learn from: the texts hold no characters besides special tokens")
        merges = train_bpe(counts, n_merges=n_merges, tie=tie, progress=progress)
        if tie == "greater":
            return cls(merges, pattern=pattern, special_tokens=special_tokens)
        special = {name: index for index, name in enumerate(special_tokens)}
        return cls(merges, pattern=pattern, special_tokens=special, vocab=hugging_face_vocab(merges, len(special)))

    def save(self, path: str | Path) -> None:
        """Write a Hugging Face ``tokenizer.json``."""
        from lilllm.tokenizers import hf_json

        hf_json.save(self, path)

    @classmethod
    def load(cls, path: str | Path) -> BPETokenizer:
        """Read a ``tokenizer.json`` that holds byte-level BPE."""
        from lilllm.tokenizers import hf_json

        return hf_json.load_as(cls, path)

    def save_gpt2(self, folder: str | Path) -> None:
        """Write GPT-2's two files, ``vocab.json`` and ``merges.txt``; they do not hold the split pattern."""
        from lilllm.tokenizers import gpt2_files

        gpt2_files.save(folder, self.merges, self.vocab, self.special_tokens)

    @classmethod
    def load_gpt2(cls, folder: str | Path, *, pattern: str | None = GPT2_PATTERN) -> BPETokenizer:
        """Read GPT-2's two files; what in the vocabulary is neither a byte nor made by a merge is a special token."""
        from lilllm.tokenizers import gpt2_files

        merges, vocab, special = gpt2_files.load(folder)
        return cls(merges, pattern=pattern, special_tokens=special, vocab=vocab)

    @classmethod
    def load_tiktoken(cls, path: str | Path, *, pattern: str | None = GPT2_PATTERN) -> BPETokenizer:
        """Read lines of a token in base64 and its rank; they hold neither the split pattern nor special tokens."""
        ranks = read_ranks(path)
        return cls(merges_of_ranks(ranks), pattern=pattern, vocab=ranks)

    @classmethod
    def from_tiktoken(cls, encoding: tiktoken.Encoding) -> BPETokenizer:
        """The tokenizer that ``encoding`` is, with its ids.

        Raises:
            ValueError: a token that its own ranks never make, so that no list of merges gives the same ids.
        """
        ranks = encoding._mergeable_ranks
        special = dict(encoding._special_tokens)
        pattern = python_pattern(encoding._pat_str)
        return cls(merges_of_ranks(ranks), pattern=pattern, special_tokens=special, vocab=ranks)

    def to_tiktoken(self, name: str) -> tiktoken.Encoding:
        """A tiktoken encoding with the same ids (of two special tokens that begin alike, tiktoken may find either).

        Raises:
            ValueError: the ids do not rise in the order of the merges, which tiktoken takes for their rank, or the
                merges are not what ranks alone can say.
        """
        fast = self._fast_path()
        if fast.ranks is None or fast.id_of is not None:
            raise ValueError(
                "tiktoken takes ids for the order of merges; here they differ"
                if fast.ranks is not None
                else "some merges never happen or depend on more than their bytes, which tiktoken's ranks cannot say"
            )
        return build_encoding(name, self.pattern, fast.ranks, self.special_tokens)
