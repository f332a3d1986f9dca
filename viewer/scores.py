"""What a model gives for the token after a text: scores, a choice's entropy, and attention weights by layer and head.

Read in order:  next_logits, left_by (a sampler's share of it), attention_weights
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from lilllm.inference import Sampler, Session
from lilllm.layers.attention import attention_reference
from lilllm.layers.mask import sliding
from lilllm.layers.rope import rotate

if TYPE_CHECKING:
    from lilllm.inference import Speaker
    from lilllm.layers.multi_head import MultiHeadAttention

_LISTENING = threading.Lock()  # hooks sit on a model that all sessions share


def fitting(speaker: Speaker, ids: Sequence[int], room: int = 1) -> list[int]:
    """The last of ``ids`` that leave room for ``room - 1`` more in the model's context."""
    return list(ids)[-max(1, speaker.context_len - room + 1) :]


def next_logits(speaker: Speaker, ids: Sequence[int]) -> torch.Tensor:
    """Scores (V,) of the token after ``ids``; -inf for rows that the tokenizer has no token for.

    Raises: ValueError: the model's numbers are not finite.
    """
    (logits,) = Session(speaker.model, [fitting(speaker, ids)], room=1).start()
    if not torch.isfinite(logits).all():
        raise ValueError("the model's scores are not finite: its weights are broken, or its training was")
    logits = logits.clone()
    logits[speaker.tokenizer.vocab_size :] = -torch.inf
    return logits


class Choice(NamedTuple):
    """What may come next: the likeliest ids with their probabilities, and how many tokens the choice is worth."""

    top: list[tuple[int, float]]
    choices: float  # exp of the entropy
    kept: int  # tokens with a probability above 0


def choice_of(logits: torch.Tensor, k: int) -> Choice:
    """
    >>> choice_of(torch.tensor([0.0, 0.0, -torch.inf]), 3)
    Choice(top=[(0, 0.5), (1, 0.5)], choices=2.0, kept=2)
    """
    chances = logits.double().softmax(-1)
    entropy = torch.special.entr(chances).sum()
    found = chances.sort(descending=True, stable=True)
    top = zip(found.indices[:k].tolist(), found.values[:k].tolist(), strict=True)
    return Choice([(i, p) for i, p in top if p > 0], round(float(entropy.exp()), 6), int((chances > 0).sum()))


def left_by(sampler: Sampler, logits: torch.Tensor, ids: Sequence[int]) -> torch.Tensor:
    """Scores (V,) after a sampler, as it would draw after ``ids``."""
    return sampler(logits[None], torch.tensor([list(ids)]))[0]


@torch.no_grad()
def attention_weights(speaker: Speaker, ids: Sequence[int]) -> np.ndarray:
    """(layers, heads, T, T): how much each token (row) looks at each (column). Rows sum to 1.

    The model runs as it is; beside it, the weights are worked out from what enters each layer's attention.
    """
    found: list[np.ndarray] = []
    here = threading.get_ident()

    def listen(layer: Any, args: tuple[Any, ...], given: dict[str, Any]) -> None:
        if threading.get_ident() == here:  # another session may be writing with the same model
            found.append(_weights(layer, args[0], **given)[0].numpy())

    blocks = speaker.model.blocks
    with _LISTENING:
        hooks = [block.attention.register_forward_pre_hook(listen, with_kwargs=True) for block in blocks]  # type: ignore[union-attr]
        try:
            speaker.model(torch.tensor([list(ids)], device=speaker.model.embed.weight.device))
        finally:
            for hook in hooks:
                hook.remove()
    return np.stack(found)


def _weights(
    layer: MultiHeadAttention,
    x: torch.Tensor,
    /,  # the block's own words follow, its number "layer" among them
    *,
    mask: torch.Tensor | None = None,
    rope: tuple[torch.Tensor, torch.Tensor] | None = None,
    bias: torch.Tensor | None = None,
    **_: Any,
) -> torch.Tensor:
    """(B, H, T, T), by the steps of `MultiHeadAttention.forward`, without a cache."""
    B, T, _C = x.shape
    H, K, D = layer.n_heads, layer.n_kv_heads, layer.d_head
    q, k, v = layer.qkv(x).view(B, T, H + 2 * K, D).transpose(1, 2).split((H, K, K), 1)
    if layer.q_norm is not None and layer.k_norm is not None:
        q, k = layer.q_norm(q), layer.k_norm(k)
    if rope is not None:
        q, k = rotate(q, *rope), rotate(k, *rope)
    if layer.window is not None:
        within = sliding(T, T, layer.window, device=x.device)
        mask = within if mask is None else mask & within
    return attention_reference(q, k, v, mask=mask, causal=layer.causal, bias=bias)[1].cpu()
