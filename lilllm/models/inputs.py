"""What comes before the first block: tokens that are checked, where each one stands, and their vectors.

Read in order: check_config, check_tokens, check_targets, check_positions, check_mask, positions_of (from padding,
documents, a cache), embed, places (what every block is told: RoPE's turns, ALiBi's bias).
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn
from torch.nn import functional as F

from lilllm.layers import alibi
from lilllm.layers.position import sinusoidal
from lilllm.layers.rope import angles
from lilllm.models.config import ModelConfig


def check_config(config: ModelConfig) -> None:
    """Raise ValueError where it is something else, as a name or a dictionary."""
    if not isinstance(config, ModelConfig):
        raise ValueError(
            f"config is a {type(config).__name__}; give a ModelConfig: preset('liltown'), or "
            "ModelConfig.from_dict(values)"
        )


def check_tokens(tokens: Tensor, config: ModelConfig, *, past: int = 0) -> None:
    """Raise ValueError where ``tokens`` are none of this model.

    Their range is looked at on the CPU only: on a GPU that would make the host wait for it, and its own assertion
    speaks.
    """
    if not isinstance(tokens, Tensor):
        raise ValueError(f"tokens are a {type(tokens).__name__}; give a tensor, such as torch.tensor([[1, 2, 3]])")
    if tokens.ndim != 2:
        raise ValueError(f"tokens are {tuple(tokens.shape)}; give (batch, length), such as tokens[None]")
    if tokens.dtype not in (torch.int64, torch.int32):
        raise ValueError(f"tokens are {tokens.dtype}; give whole numbers, int64 or int32")
    if not tokens.numel():
        raise ValueError(f"tokens are {tuple(tokens.shape)}; give one at least")
    length = past + tokens.shape[1]
    if config.positions == "learned" and length > config.context_len:
        raise ValueError(f"{length} tokens are longer than the {config.context_len} learned positions; give fewer")
    if _readable(tokens):
        low, high = tokens.aminmax()
        if low < 0 or high >= config.vocab_size:
            wrong = int(low if low < 0 else high)
            raise ValueError(
                f"token {wrong} is not in the vocabulary of {config.vocab_size}; give 0 to {config.vocab_size - 1}"
            )


def check_targets(targets: Tensor, tokens: Tensor, config: ModelConfig, ignore_index: int) -> None:
    """Raise ValueError where ``targets`` are not one token, or ``ignore_index``, for each of ``tokens``."""
    if targets.shape != tokens.shape:
        raise ValueError(f"targets are {tuple(targets.shape)} and tokens {tuple(tokens.shape)}; give one for each")
    if targets.dtype not in (torch.int64, torch.int32):
        raise ValueError(f"targets are {targets.dtype}; give whole numbers, int64 or int32")
    if _readable(targets):
        wrong = targets[(targets != ignore_index) & ((targets < 0) | (targets >= config.vocab_size))]
        if wrong.numel():
            raise ValueError(
                f"target {int(wrong[0])} is not in the vocabulary of {config.vocab_size}; "
                f"give 0 to {config.vocab_size - 1}, or {ignore_index} for what is not to count"
            )


def check_positions(positions: Tensor, tokens: Tensor, config: ModelConfig) -> None:
    """Raise ValueError where ``positions`` are not one place for each of ``tokens``."""
    B, T = tokens.shape
    whole = positions.dtype in (torch.int64, torch.int32)
    if not whole or positions.shape not in ((T,), (B, T)):
        raise ValueError(
            f"positions are {positions.dtype} {tuple(positions.shape)}; give whole numbers, ({T},) or ({B}, {T})"
        )
    if _readable(positions):
        low, high = map(int, positions.aminmax())
        if low < 0:
            raise ValueError(f"position {low} is below 0; count from 0")
        if config.positions == "learned" and high >= config.context_len:
            raise ValueError(f"position {high} is not among the {config.context_len} learned ones, 0 and up")


def check_mask(attention_mask: Tensor, batch: int, length: int) -> None:
    """Raise ValueError where a padding mask is not (B, S) of truth values, S counting what the cache holds."""
    if attention_mask.shape != (batch, length):
        raise ValueError(
            f"attention_mask is {tuple(attention_mask.shape)}; give ({batch}, {length}): a row for each sequence, "
            "1 for each real token, those in the cache too"
        )
    if attention_mask.is_floating_point():
        raise ValueError(f"attention_mask is {attention_mask.dtype}; give truth values or whole numbers, 1 = real")
    if _readable(attention_mask):
        low, high = map(int, attention_mask.long().aminmax())
        if low < 0 or high > 1:
            raise ValueError(f"attention_mask holds {low if low < 0 else high}; give 1 for real tokens, 0 for padding")


def positions_of(
    tokens: Int[Tensor, "B T"],
    *,
    past: int = 0,
    attention_mask: Shaped[Tensor, "B S"] | None = None,
    documents: Int[Tensor, "B T"] | None = None,
) -> Int[Tensor, "T"] | Int[Tensor, "B T"]:
    """Which place each token has: counted from 0, padding not counted, and from 0 again in each packed document.

    So a sequence has the same positions whichever side it is padded on, as in transformers' ``generate``. Padding
    itself gets some valid position; nobody looks at it.

    >>> tokens = torch.zeros(1, 4, dtype=torch.long)
    >>> positions_of(tokens, attention_mask=torch.tensor([[0, 0, 1, 1]]))
    tensor([[0, 0, 0, 1]])
    >>> positions_of(tokens, documents=torch.tensor([[5, 5, 5, 8]]))
    tensor([[0, 1, 2, 0]])
    """
    T = tokens.shape[1]
    if attention_mask is not None:
        return (attention_mask.long().cumsum(-1) - 1).clamp(min=0)[:, past:]
    places = torch.arange(past, past + T, device=tokens.device)
    if documents is None:
        return places
    begins = torch.ones_like(documents, dtype=torch.bool)
    begins[:, 1:] = documents[:, 1:] != documents[:, :-1]
    return places - (places * begins).cummax(-1).values  # (B, T)


def embed(
    tokens: Int[Tensor, "B T"],
    positions: Shaped[Tensor, "..."],
    config: ModelConfig,
    table: nn.Module,
    learned: nn.Module | None,
    *,
    reach: int,
    training: bool,
) -> Float[Tensor, "B T C"]:
    """A row of the table for each token, and one for its position where those are added; all are below ``reach``."""
    x = table(tokens)
    if config.scale_embedding:
        x = x * config.d_model**0.5
    if learned is not None:
        x = x + learned(positions)
    if config.positions == "sinusoidal":
        x = x + F.embedding(positions, sinusoidal(reach, config.d_model, device=x.device)).to(x.dtype)
    return F.dropout(x, config.dropout) if training and config.dropout else x


def places(config: ModelConfig, positions: Tensor, S: int) -> dict[str, Any]:
    """RoPE's cosines and sines, or ALiBi's bias, worked out once for all blocks; in float32, whatever the model is."""
    if config.positions == "rope":
        turn = angles(positions, config.d_head, config.rope_theta, config.rope_scaling)  # (T, D/2) or (B, T, D/2)
        return {"rope": (turn.cos(), turn.sin())}
    if config.positions == "alibi":
        slopes = alibi.slopes(config.n_heads, device=positions.device)
        return {"bias": alibi.bias(positions.shape[-1], S, slopes)}  # (H, T, S)
    return {}


def _readable(tensor: Tensor) -> bool:
    """Whether its numbers may decide what is done: not on a GPU, while compiling, or under torch.func."""
    plain = type(tensor) is Tensor and not torch._C._are_functorch_transforms_active()
    return plain and tensor.device.type == "cpu" and not torch.compiler.is_compiling()
