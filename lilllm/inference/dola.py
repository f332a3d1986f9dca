"""DoLa, decoding by contrasting layers: what the last layer knows and an earlier one does not.

    M      = the candidate layer j with the greatest JSD(q_N, q_j)       q_j: what layer j alone would say
    F(x)   = log q_N(x) - log q_M(x)    if q_N(x) >= alpha * max q_N,    else -inf
    p(x)   = softmax(F)

The second line keeps the contrast from lifting what no layer believes in. Layers are counted as in the paper: 0 is the
embedding, j what block j gives, N what the model says.

Read in order:  divergence, contrast (the formulas), DoLa (which layers; goes into a `Sampler`),
                early_logits (from a model's streams)
Conventions:    an early layer's stream goes through the model's last norm on its way to logits, as the last layer's
                does (``normed``); the authors' code leaves it out there. Where embedding and output are tied, layer 0
                says the token itself, which is no opinion of what comes next: candidates begin at 2 then, as in
                transformers' version of it
Source:         Chuang et al. 2023, arXiv:2309.03883, sections 2.1 to 2.3
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from lilllm.inference import given
from lilllm.models import Decoder


def divergence(p: Float[Tensor, "... V"], q: Float[Tensor, "... V"]) -> Float[Tensor, "..."]:
    """The Jensen-Shannon divergence, in nats, of two distributions given by log-probabilities.

    Holds: symmetric; 0 for the same, log 2 for those that share nothing.

    >>> round(float(divergence(torch.tensor([0.0, -math.inf]), torch.tensor([-math.inf, 0.0]))), 4)
    0.6931
    """
    middle = torch.logaddexp(p, q) - math.log(2)
    return (_relative(p, middle) + _relative(q, middle)) / 2


def _relative(p: Tensor, q: Tensor) -> Tensor:
    """Kullback-Leibler divergence of p from q; what has no probability under p adds nothing."""
    return torch.where(p > -math.inf, p.exp() * (p - q), 0.0).sum(-1)


def contrast(
    last: Float[Tensor, "B V"], early: Float[Tensor, "J B V"], *, alpha: float | int = 0.1
) -> tuple[Float[Tensor, "B V"], Int[Tensor, "B"]]:
    """F, as logits, and which of the J candidates each row was contrasted with.

    Raises: ValueError: ``alpha`` is not above 0 and at most 1.

    >>> last, early = torch.tensor([[0.6, 0.38, 0.02]]).log(), torch.tensor([[[0.6, 0.2, 0.2]]]).log()
    >>> contrast(last, early)[0].exp()  # 0.6 / 0.6, 0.38 / 0.2; the third is below a tenth of 0.6
    tensor([[1.0000, 1.9000, 0.0000]])
    """
    _check_alpha(alpha)
    mature, premature = last.log_softmax(-1), early.log_softmax(-1)
    chosen = divergence(mature, premature).argmax(0)  # (B,)
    against = premature[chosen, torch.arange(len(chosen), device=chosen.device)]  # (B, V)
    out = mature < mature.amax(-1, keepdim=True) + math.log(alpha)
    return (mature - against).masked_fill(out, -math.inf), chosen


@dataclass(frozen=True)
class DoLa:
    """How to contrast.

    Attributes:
        layers: "low" or "high", the lower or upper half of the layers, every second one, or their numbers. (Halves are
            the paper's for 32 and 40 layers; of 60 it takes thirds, of 80 quarters.)
        alpha: the share of the likeliest token's probability that a token needs to be considered.
        normed: early layers go through the last norm.
    Raises: ValueError: no layers, a layer below 0, alpha out of range.
    """

    layers: Literal["low", "high"] | tuple[int, ...] = "low"
    alpha: float | int = 0.1
    normed: bool = True

    def __post_init__(self) -> None:
        _check_alpha(self.alpha)
        if isinstance(self.layers, str):
            if self.layers not in ("low", "high"):
                raise ValueError(f"layers is {self.layers!r}; give 'low', 'high' or a tuple of their numbers")
        elif not isinstance(self.layers, tuple | list):
            raise ValueError(f"layers is {self.layers!r}; give 'low', 'high' or a tuple of their numbers")
        elif not self.layers or not all(hasattr(layer, "__index__") and layer >= 0 for layer in self.layers):
            raise ValueError(f"layers are {self.layers}; give one or more, 0 the embedding, 1 the first block")

    def candidates(self, n_layers: int, *, tied: bool) -> tuple[int, ...]:
        """The layers of a model of ``n_layers`` that may be contrasted with its last.

        >>> DoLa("low").candidates(32, tied=False)
        (0, 2, 4, 6, 8, 10, 12, 14)
        >>> DoLa("high").candidates(6, tied=True)
        (4,)
        """
        if not isinstance(self.layers, str):
            if max(self.layers) >= n_layers:
                raise ValueError(
                    f"layers are {self.layers}; this model has {n_layers}, so give 0 to {n_layers - 1}: the last "
                    "one is what they are contrasted with"
                )
            return self.layers
        first, half = 2 if tied else 0, n_layers // 2
        bounds = (first, half) if self.layers == "low" else (max(first, half), n_layers)
        found = tuple(layer for layer in range(*bounds) if layer % 2 == 0)
        if not found:
            raise ValueError(
                f"no {self.layers} layer of {n_layers} is left to contrast with (tied: from {first} on, every second); "
                "give their numbers"
            )
        return found


def early_logits(
    model: Decoder, streams: Sequence[Float[Tensor, "B 1 C"]], *, normed: bool = True
) -> Float[Tensor, "J B V"]:
    """What each of the early layers would say, from the stream that it gives at the last place."""
    x = torch.cat(list(streams), 1)  # (B, J, C)
    x = model.norm(x) if normed and model.norm is not None else x
    return F.linear(x, model.output).transpose(0, 1)


def _check_alpha(alpha: float) -> None:
    given.number("alpha", alpha, lambda x: 0 < x <= 1, "a number above 0 and at most 1, such as 0.1")
