"""Samplers: from the scores of what may come next to one token.

    temperature          logits / t: below 1 sharper, above 1 flatter, at 0 the likeliest only
    top_k                the k likeliest stay
    top_p                the fewest tokens that together reach the probability p stay
    min_p                what is at least p times as likely as the likeliest stays
    repetition_penalty   what was said already becomes less likely

Each takes logits and gives logits, -inf where a token is out, so they compose in any order; `Sampler` composes them in
that of transformers: DoLa, repetition penalty, temperature, top-k, top-p (or factual-nucleus), min-p. What is left is
drawn by `drawing.draw`.

Read in order:  the functions, Sampler, GREEDY; factual-nucleus is in factual.py, DoLa in dola.py, beams in beam.py
Shapes:         logits (..., V) of any float dtype
Sources:        Fan et al. 2018, arXiv:1805.04833 (top-k); Holtzman et al. 2019, arXiv:1904.09751 (top-p);
                Nguyen et al. 2024, arXiv:2407.01082 (min-p); Keskar et al. 2019, arXiv:1909.05858 (repetition penalty)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lilllm.inference import given
from lilllm.inference.dola import DoLa
from lilllm.inference.factual import Factual

COLDEST = 1e-6  # a temperature below it is 0: logits divided by it could leave float32


def temperature(logits: Float[Tensor, "*any V"], t: float | int) -> Float[Tensor, "*any V"]:
    """Logits divided by ``t``; at 0 (and below 1e-6) only the likeliest token stays, the first of equals.

    Raises: ValueError: ``t`` is negative or not finite.
    Holds: the order of tokens stays; 1 changes nothing; 0 is greedy.

    >>> temperature(torch.tensor([2.0, 1.0]), 0.5), temperature(torch.tensor([2.0, 1.0]), 0)
    (tensor([4., 2.]), tensor([2., -inf]))
    """
    _check_temperature(t)
    if t >= COLDEST:
        return logits / t
    best = logits.argmax(-1, keepdim=True)
    return torch.full_like(logits, -math.inf).scatter(-1, best, logits.gather(-1, best))


def top_k(logits: Float[Tensor, "*any V"], k: int) -> Float[Tensor, "*any V"]:
    """The k greatest stay, and all that equal the k-th; with k at V or above, all.

    Raises: ValueError: ``k`` is no whole number of at least 1.

    >>> top_k(torch.tensor([3.0, 1.0, 2.0, 2.0]), 2)
    tensor([3., -inf, 2., 2.])
    """
    _check_k(k)
    if k >= logits.shape[-1]:
        return logits
    kth = logits.topk(k, -1).values[..., -1:]
    return logits.masked_fill(logits < kth, -math.inf)


def top_p(logits: Float[Tensor, "*any V"], p: float | int | Float[Tensor, "*any 1"]) -> Float[Tensor, "*any V"]:
    """The fewest of the likeliest tokens whose probabilities reach ``p`` stay, one at least; of equals the first.

    Args:
        p: above 0, at most 1; or a tensor (..., 1), each row its own, which is not checked.
    Raises: ValueError: ``p`` is out of range.

    >>> top_p(torch.tensor([0.1, 0.6, 0.3]).log(), 0.8).exp()
    tensor([0.0000, 0.6000, 0.3000])
    """
    if not isinstance(p, Tensor):
        _check_share("top_p", p, above=True)
        if p == 1:
            return logits
    ordered, order = logits.sort(dim=-1, descending=True, stable=True)
    mass = ordered.softmax(-1, dtype=torch.float32).cumsum(-1)
    out = torch.zeros_like(order, dtype=torch.bool)
    out[..., 1:] = mass[..., :-1] >= p  # those before it are enough without it
    return logits.masked_fill(torch.zeros_like(out).scatter(-1, order, out), -math.inf)


def min_p(logits: Float[Tensor, "*any V"], p: float | int) -> Float[Tensor, "*any V"]:
    """What has at least ``p`` times the probability of the likeliest stays.

    Raises: ValueError: ``p`` is not from 0 to 1.

    >>> min_p(torch.tensor([0.1, 0.6, 0.3]).log(), 0.4).exp()
    tensor([0.0000, 0.6000, 0.3000])
    """
    _check_share("min_p", p)
    probabilities = logits.softmax(-1, dtype=torch.float32)
    return logits.masked_fill(probabilities < p * probabilities.amax(-1, keepdim=True), -math.inf)


def repetition_penalty(
    logits: Float[Tensor, "*any V"], tokens: Int[Tensor, "*any S"], penalty: float | int
) -> Float[Tensor, "*any V"]:
    """Each of ``tokens``, once, however often it is there: a positive logit is divided, a negative one multiplied.

    Not invariant: a number added to all logits changes the result. That is CTRL's formula, as everybody has it.

    Raises: ValueError: ``penalty`` is not from 0.001 to 1000, or a token is not in the vocabulary.
    Holds: 1 changes nothing.

    >>> repetition_penalty(torch.tensor([2.0, -2.0, 1.0]), torch.tensor([0, 1, 0]), 2.0)
    tensor([ 1., -4.,  1.])
    """
    _check_penalty(penalty)
    V = logits.shape[-1]
    if tokens.numel() and tokens.device.type == "cpu":
        low, high = map(int, tokens.aminmax())
        if low < 0 or high >= V:
            raise ValueError(f"token {low if low < 0 else high} is not in the vocabulary of {V}; give 0 to {V - 1}")
    said = logits.gather(-1, tokens)
    return logits.scatter(-1, tokens, torch.where(said < 0, said * penalty, said / penalty))


@dataclass(frozen=True, kw_only=True)
class Sampler:
    """Samplers one after the other: logits (B, V) in, logits of what may be drawn out.

    Attributes:
        temperature: 0 is greedy; 1 the model's own probabilities.
        top_k, top_p, min_p, repetition_penalty: see the functions; None leaves one out.
        factual: factual-nucleus, a top-p that shrinks along a sentence; not with ``top_p``.
        dola: contrast the last layer with an earlier one first; see `lilllm.inference.dola`.
    Raises: ValueError: a value out of range.

    >>> Sampler(top_k=1)(torch.tensor([[1.0, 3.0]]))
    tensor([[-inf, 3.]])
    """

    temperature: float | int = 1.0
    top_k: int | None = None
    top_p: float | int | None = None
    min_p: float | int | None = None
    repetition_penalty: float | int | None = None
    factual: Factual | None = None
    dola: DoLa | None = None

    def __post_init__(self) -> None:
        _check_temperature(self.temperature)
        if self.top_k is not None:
            _check_k(self.top_k)
        if self.top_p is not None:
            _check_share("top_p", self.top_p, above=True)
        if self.min_p is not None:
            _check_share("min_p", self.min_p)
        if self.repetition_penalty is not None:
            _check_penalty(self.repetition_penalty)
        if self.factual is not None and self.top_p is not None:
            raise ValueError("factual is a top_p that changes; give one of the two")
        if not isinstance(self.factual, Factual | None):
            raise ValueError(f"factual is {self.factual!r}; give a Factual(sentence_ends(tokenizer))")
        if not isinstance(self.dola, DoLa | None):
            raise ValueError(f"dola is {self.dola!r}; give a DoLa(), or for example DoLa('high')")

    @property
    def greedy(self) -> bool:
        """Whether it always takes the likeliest token."""
        return self.temperature < COLDEST

    @property
    def plain(self) -> bool:
        """Whether that is the likeliest token of the logits as they come."""
        return self.greedy and self.repetition_penalty is None

    def __call__(
        self, logits: Float[Tensor, "B V"], tokens: Int[Tensor, "B S"] | None = None, *, generated: int = 0
    ) -> Float[Tensor, "B V"]:
        """
        Args:
            tokens: those before, prompt and all, for the repetition penalty and factual-nucleus.
            generated: how many of them, the last, are no prompt.
        """
        if self.repetition_penalty is not None:
            if tokens is None:
                raise ValueError("a repetition penalty looks at the tokens so far; give them")
            logits = repetition_penalty(logits, tokens, self.repetition_penalty)
        if self.greedy:
            return temperature(logits, 0)  # whatever else is asked for keeps the likeliest
        if self.temperature != 1:
            logits = temperature(logits, self.temperature)
        if self.top_k is not None:
            logits = top_k(logits, self.top_k)
        if self.factual is not None:
            if tokens is None:
                raise ValueError("factual-nucleus looks at the tokens of the sentence so far; give them")
            logits = top_p(logits, self.factual.nucleus(tokens[:, tokens.shape[1] - generated :]))
        elif self.top_p is not None:
            logits = top_p(logits, self.top_p)
        return logits if self.min_p is None else min_p(logits, self.min_p)


def _check_temperature(t: float | int) -> None:
    given.number("temperature", t, lambda t: t >= 0, "a number of at least 0 (0: always the likeliest token)")


def _check_k(k: int) -> None:
    given.whole("top_k", k, 1, "a whole number of at least 1, or leave it out")


def _check_share(name: str, p: float, *, above: bool = False) -> None:
    allowed = f"a number {'above 0 and at most' if above else 'from 0 to'} 1"
    given.number(name, p, lambda p: 0 <= p <= 1 and not (above and p == 0), allowed)


def _check_penalty(penalty: float) -> None:
    allowed = "a number from 0.001 to 1000: 1 changes nothing, 1.2 is usual"  # beyond, logits could become infinite
    given.number("repetition_penalty", penalty, lambda x: 1e-3 <= x <= 1e3, allowed)


GREEDY = Sampler(temperature=0.0)
