"""Factual-nucleus sampling: a top-p that narrows along a sentence, and opens again at the next.

    p_t = max(floor, p * decay^(t - 1))        t counts the tokens of the sentence, from 1

The thought behind it: the beginning of a sentence may be any, and chance does no harm there; towards its end, chance
makes facts wrong. The paper calls decay lambda, floor omega, and the return to p at a new sentence p-reset.

Read in order:  nucleus_p (the formula), Factual (from tokens to each row's p), sentence_ends (which tokens end one)
Conventions:    sentences are counted in what is generated; the prompt counts as the end of one.
Source:         Lee et al. 2022, arXiv:2206.04624, section 4
"""

from __future__ import annotations

import reprlib
from collections.abc import Collection
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lilllm.inference import given
from lilllm.tokenizers import Tokenizer

ENDS = (".", "!", "?", "\n")
_CLOSING = "\"')]}\u2019\u201d"


def nucleus_p(t: int, *, p: float | int = 0.9, decay: float | int = 0.9, floor: float | int = 0.3) -> float | int:
    """p of the t-th token of a sentence.

    >>> [round(nucleus_p(t, p=0.9, decay=0.5, floor=0.2), 3) for t in (1, 2, 3, 4)]
    [0.9, 0.45, 0.225, 0.2]
    """
    if t < 1:
        raise ValueError(f"t is {t}; the first token of a sentence is number 1")
    return max(floor, p * decay ** (t - 1))


@dataclass(frozen=True)
class Factual:
    """The three numbers, and the ids of tokens that end a sentence.

    Raises: ValueError: not 0 < floor <= p <= 1, or decay is not above 0 and at most 1; an id below 0.

    >>> Factual(frozenset({7}), p=0.8, decay=0.5, floor=0.1).nucleus(torch.tensor([[1, 7], [1, 2]])).tolist()
    [[0.800000011920929], [0.20000000298023224]]
    """

    ends: frozenset[int]
    p: float | int = 0.9
    decay: float | int = 0.9
    floor: float | int = 0.3

    def __post_init__(self) -> None:
        for name in ("p", "decay", "floor"):
            given.number(name, getattr(self, name), lambda _: True, "a number above 0 and at most 1")
        if not 0 < self.floor <= self.p <= 1:
            raise ValueError(f"floor is {self.floor} and p is {self.p}; give 0 < floor <= p <= 1")
        if not 0 < self.decay <= 1:
            raise ValueError(f"decay is {self.decay}; give a number above 0 and at most 1")
        ends = self.ends if isinstance(self.ends, Collection) else [None]
        if not all(hasattr(token, "__index__") and token >= 0 for token in ends):
            raise ValueError(f"ends are {reprlib.repr(self.ends)}; give ids of tokens, 0 and up")

    def nucleus(self, tokens: Int[Tensor, "B S"]) -> Float[Tensor, "B 1"]:
        """Each row's p for what follows the ``tokens`` generated so far, none of them at first."""
        B, S = tokens.shape
        ended = torch.isin(tokens, torch.tensor(sorted(self.ends), dtype=tokens.dtype, device=tokens.device))
        places = torch.arange(1, S + 1, device=tokens.device) * ended
        last = places.amax(-1, keepdim=True) if S else places.new_zeros(B, 1)  # where the last sentence ended
        return (self.p * self.decay ** (S - last).float()).clamp(min=self.floor)  # (B, 1); S - last is t - 1


def sentence_ends(tokenizer: Tokenizer, *, ends: Collection[str] = ENDS) -> frozenset[int]:
    """Ids of the tokens whose text ends a sentence: in ``.``, ``!``, ``?`` or a new line, closing quotes after it."""
    marks = tuple(ends)
    found = set()
    for token in range(tokenizer.vocab_size):
        text = tokenizer.token_bytes(token).decode("utf-8", "replace")
        if text.rstrip(" \t").rstrip(_CLOSING).endswith(marks):
            found.add(token)
    return frozenset(found)
