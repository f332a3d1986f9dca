"""Where a text is cut into words before WordPiece, Unigram or a word vocabulary sees it.

Each class is both the JSON object that Hugging Face writes under `pre_tokenizer` and the function that it stands for.
``split(text, first)`` returns the words; ``first`` says that the text stands at the start of the input, not behind a
special token.

Read in order:  WhitespaceSplit, Whitespace, BertPreTokenizer  white space is lost
                Metaspace                                      a blank becomes the mark U+2581: nothing is lost
Left out: `Split` with a pattern from the file, `UnicodeScripts`, `CharDelimiterSplit`. A file that has one is refused
by name. (`ByteLevel` and GPT-2's patterns belong to byte-level BPE: `pretokenize.py`.)
"""

from __future__ import annotations

from typing import Literal

import msgspec
import regex

BLANK = "\u2581"
# What Rust's \w holds; Python's differs in a few scripts.
_WORDS = regex.compile(
    r"[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]+|[^\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}\p{White_Space}]+"
)
_NO_SPACE = regex.compile(r"\P{White_Space}+")
_PUNCTUATION = r"\p{P}!-/:-@\[-`{-~"
_BERT = regex.compile(rf"[{_PUNCTUATION}]|[^{_PUNCTUATION}\p{{White_Space}}]+")


class _Component(msgspec.Struct, tag_field="type", frozen=True, forbid_unknown_fields=True):
    """A component of a tokenizer.json: unknown names and fields are errors, never ignored."""


class WhitespaceSplit(_Component, frozen=True, tag="WhitespaceSplit"):
    """Cut at white space.

    >>> WhitespaceSplit().split("don't stop.")
    ["don't", 'stop.']
    """

    def split(self, text: str, first: bool = True) -> list[str]:
        return _NO_SPACE.findall(text)


class Whitespace(_Component, frozen=True, tag="Whitespace"):
    """Cut at white space, and between letters or digits and other signs.

    >>> Whitespace().split("don't stop...")
    ['don', "'", 't', 'stop', '...']
    """

    def split(self, text: str, first: bool = True) -> list[str]:
        return _WORDS.findall(text)


class BertPreTokenizer(_Component, frozen=True, tag="BertPreTokenizer"):
    """Cut at white space, and around each punctuation sign.

    >>> BertPreTokenizer().split("don't stop...")
    ['don', "'", 't', 'stop', '.', '.', '.']
    """

    def split(self, text: str, first: bool = True) -> list[str]:
        return _BERT.findall(text)


class Metaspace(_Component, frozen=True, tag="Metaspace"):
    """SentencePiece's view: the text is one string, and a blank is a character like others, written U+2581.

    ``prepend_scheme`` "always" or "first" puts a mark before the text as well, so that a word is the same token at the
    start of a text and inside it; the price is that one blank at the start of a text is lost.

    >>> Metaspace(prepend_scheme="never").split("a b  c")
    ['a', '▁b', '▁', '▁c']
    >>> Metaspace().split("a b")
    ['▁a', '▁b']
    """

    replacement: str = BLANK
    prepend_scheme: Literal["always", "first", "never"] = "always"
    split_words: bool = msgspec.field(default=True, name="split")

    def __post_init__(self) -> None:
        if len(self.replacement) != 1:
            raise ValueError(f"Metaspace.replacement is {self.replacement!r}; it is one character, such as U+2581")

    def split(self, text: str, first: bool = True) -> list[str]:
        text = text.replace(" ", self.replacement)
        prepend = self.prepend_scheme == "always" or (self.prepend_scheme == "first" and first)
        if prepend and text and not text.startswith(self.replacement):
            text = self.replacement + text
        if not self.split_words:
            return [text] if text else []
        head, *rest = text.split(self.replacement)
        return ([head] if head else []) + [self.replacement + word for word in rest]


class Sequence(_Component, frozen=True, tag="Sequence"):
    pretokenizers: list[Splitter]

    def split(self, text: str, first: bool = True) -> list[str]:
        words = [text] if text else []
        for splitter in self.pretokenizers:
            # Only the first word can stand at the start of the input, and only if nothing before it was dropped.
            first = first and bool(words) and text.startswith(words[0])
            words = [w for i, word in enumerate(words) for w in splitter.split(word, first and i == 0)]
        return words


def check_start(normalizer: object | None, splitter: Splitter | None) -> None:
    """ValueError for ``prepend_scheme="first"`` behind a normalizer: where the text starts would be a guess."""
    parts = splitter.pretokenizers if isinstance(splitter, Sequence) else [splitter]
    if normalizer is not None and any(isinstance(p, Metaspace) and p.prepend_scheme == "first" for p in parts):
        raise ValueError(
            'Metaspace with prepend_scheme "first" behind a normalizer is not supported; use "always" or "never"'
        )


Splitter = WhitespaceSplit | Whitespace | BertPreTokenizer | Metaspace | Sequence
