"""Tokens, their ids, and the special ones among them.

A special token (``[UNK]``, ``<|endoftext|>``) is a sign of the program, not of the text: a text that happens to contain
its name is text, unless the caller of ``encode`` allows it. Otherwise anyone who writes ``<|endoftext|>`` in a chat
window ends the conversation.

Read in order:  Vocabulary        tokens <-> ids, checked once
                Vocabulary.parts  cuts a text at the special tokens that are allowed
                plain_text        refuses what no tokenizer here can encode
"""

from __future__ import annotations

import operator
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from lilllm.tokenizers.protocol import AllowedSpecial


def check_size(vocab_size: Any) -> None:
    """ValueError unless the size to train for is a whole number."""
    if not isinstance(vocab_size, int):
        raise ValueError(f"vocab_size={vocab_size!r} is no whole number; give one such as 4000")


def all_ids(ids: Iterable[int]) -> list[int]:
    """``ids`` as a list; one id that was forgotten to be put in a list is named as that."""
    try:
        return list(ids)
    except TypeError:
        raise TypeError(
            f"decode takes a list of ids, got a {type(ids).__name__}: {ids!r:.40}; give [5], not 5"
        ) from None


def plain_text(text: Any) -> str:
    """``text`` itself, if it is Unicode text; ValueError or TypeError that says what is wrong if not.

    A lone surrogate (half of a UTF-16 pair, as ``open(errors="surrogateescape")`` makes) has no UTF-8 form.
    """
    if not isinstance(text, str):
        raise TypeError(f"expected a str, got {type(text).__name__}; decode bytes first, for instance as UTF-8")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(
            f"the text holds a lone surrogate U+{ord(text[error.start]):04X} at character {error.start}, which is not "
            "Unicode text; read the file as UTF-8 with errors='replace'"
        ) from None
    return text


def training_texts(texts: str | Iterable[str]) -> Iterator[str]:
    """Each text of ``texts``; one ``str`` counts as one text, not as many of one character."""
    for text in [texts] if isinstance(texts, str) else texts:
        yield plain_text(text)


class Vocabulary:
    """Tokens with the ids 0 .. n-1, some of them special.

    Args:
        vocab: id of each ordinary token.
        special: id of each special token, or their names in order: those that ``vocab`` does not hold get the next ids.
    Raises:
        ValueError: an id given twice, a hole in the ids, an empty token, a token that is ordinary and special at once.

    >>> v = Vocabulary({"a": 0, "b": 1}, ["<end>"])
    >>> v.special, v.tokens
    ({'<end>': 2}, ['a', 'b', '<end>'])
    >>> list(v.parts("ab<end>", "all")), list(v.parts("ab<end>", "none"))
    ([('ab', None), ('<end>', 2)], [('ab<end>', None)])
    """

    def __init__(self, vocab: Mapping[str, int], special: Mapping[str, int] | Sequence[str] = ()) -> None:
        if isinstance(special, str):
            raise TypeError(f"special_tokens is the text {special!r}; give a list of names or a mapping name -> id")
        if not isinstance(special, Mapping):
            twice = sorted({name for name in special if special.count(name) > 1})
            if twice:
                raise ValueError(f"special token {twice[0]!r} is given twice; give each name once")
            fresh = [name for name in special if name not in vocab]
            numbered = {name: len(vocab) + i for i, name in enumerate(fresh)}
            special = {name: numbered[name] if name in numbered else vocab[name] for name in special}
        self.special: dict[str, int] = {}
        for name, token_id in special.items():
            if vocab.get(name, token_id) != token_id:
                raise ValueError(f"special token {name!r} has id {token_id} but the vocabulary gives it {vocab[name]}")
            self.special[name] = token_id
        self.ids: dict[str, int] = {**vocab, **self.special}
        self.ordinary: dict[str, int] = {t: i for t, i in self.ids.items() if t not in self.special}
        self.tokens = _in_order(self.ids)

    def __len__(self) -> int:
        return len(self.tokens)

    def token(self, token_id: int) -> str:
        """The token with this id; ValueError if there is none."""
        try:
            index = operator.index(token_id)
        except TypeError:
            raise TypeError(f"a token id is an integer, got {type(token_id).__name__}: {token_id!r}") from None
        if not 0 <= index < len(self.tokens):
            raise ValueError(
                f"token id {index} is out of range: this vocabulary has ids 0 to {len(self.tokens) - 1}; "
                "were the ids made by another tokenizer?"
            )
        return self.tokens[index]

    def allowed(self, allowed_special: AllowedSpecial) -> dict[str, int]:
        """The special tokens that are allowed, with their ids; ValueError for a name that is none of them."""
        if isinstance(allowed_special, str):
            if allowed_special not in ("all", "none"):
                raise ValueError(
                    f"allowed_special is {allowed_special!r}; give 'all', 'none' or a collection of names such as "
                    f"[{allowed_special!r}]"
                )
            return self.special if allowed_special == "all" else {}
        return {name: self.special_id(name) for name in dict.fromkeys(allowed_special)}

    def special_id(self, name: str) -> int:
        """Id of a special token; ValueError that lists what there is."""
        if name not in self.special:
            known = ", ".join(repr(s) for s in self.special) or "none"
            raise ValueError(f"unknown special token {name!r}; this tokenizer has: {known}")
        return self.special[name]

    def parts(self, text: str, allowed_special: AllowedSpecial) -> Iterator[tuple[str, int | None]]:
        """Cut ``text`` at allowed special tokens: (ordinary text, None) or (its name, its id); empty parts left out.

        Where two names start at the same character the longer one wins, as in ``tokenizers`` and ``tiktoken``.
        """
        plain_text(text)
        allowed = self.allowed(allowed_special)
        if not allowed:
            if text:
                yield text, None
            return
        for part in _pattern(allowed).split(text):
            if part:
                yield part, allowed.get(part)


def _pattern(names: Collection[str]) -> re.Pattern[str]:
    return re.compile("(" + "|".join(re.escape(name) for name in sorted(names, key=lambda n: (-len(n), n))) + ")")


def _in_order(ids: Mapping[str, int]) -> list[str]:
    tokens: list[str | None] = [None] * len(ids)
    for token, token_id in ids.items():
        if not isinstance(token, str) or not token:
            raise ValueError(f"token {token!r} (id {token_id!r}) is not a text of at least one character")
        if isinstance(token_id, bool) or not isinstance(token_id, int):
            raise ValueError(f"token {token!r} has the id {token_id!r}, which is not an integer")
        if not 0 <= token_id < len(ids):
            raise ValueError(
                f"token {token!r} has id {token_id}, but {len(ids)} tokens have ids 0 to {len(ids) - 1}, no holes"
            )
        if tokens[token_id] is not None:
            raise ValueError(f"tokens {tokens[token_id]!r} and {token!r} have the same id {token_id}")
        tokens[token_id] = token
    return [token for token in tokens if token is not None]


def first_ids(names: Iterable[str]) -> dict[str, int]:
    """Ids 0, 1, 2, ... for the names in order, each once: how the trainers here start a vocabulary."""
    return {name: i for i, name in enumerate(dict.fromkeys(names))}
