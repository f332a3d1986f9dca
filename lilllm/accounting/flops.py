"""How many floating-point operations a decoder takes, by part, and any module.

Read in order: forward, backward, training (closed forms), six_nd (the rule of thumb, and how far it is off),
measure (any module, by torch's counter).

A matrix product (m, k) @ (k, n) is 2mkn FLOPs: a multiplication and an addition a term. Left out, as torch's counter
and the papers do: norms, activations, softmax, rotations, additions of biases and residuals, the loss, the optimizer;
counted by hand some 0.7 % of GPT-2 and less of larger models (their cost is memory traffic). Relative positions' own
products are left out too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from lilllm.accounting.params import total
from lilllm.accounting.shape import Shape, one_of
from lilllm.accounting.untouched import untouched
from lilllm.tracing.operations import cpu_attention

Attention = Literal["plain", "flash"]


def forward(shape: Shape, *, batch: int, seq: int, causal: bool = False) -> dict[str, int]:
    """FLOPs of one forward pass over (B, T) tokens, by part.

    Scores are Q K^T and the weighted sum of values, each 2 B H T T D. ``causal`` counts only the T (T + 1) / 2 pairs
    that a causal kernel needs; without it the whole square, as torch's counter and most published figures do.

    Raises:
        ValueError: batch or seq is below 1, or seq longer than a learned position table.
    Holds: equal to FlopCounterMode on the same model, to the FLOP (not ``causal``).

    >>> from lilllm.accounting.shape import preset
    >>> forward(preset("gpt2"), batch=1, seq=1)["output"]  # 2 x 768 x 50,257
    77194752
    """
    shape.check(batch=batch, seq=seq)
    C, L, HD, KD = shape.d_model, shape.n_layers, shape.d_q, shape.d_kv
    tokens = batch * seq
    pairs = seq * (seq + 1) // 2 if causal else seq * seq
    return {
        "attention_projections": L * 2 * tokens * (2 * C * HD + 2 * C * KD),
        "attention_scores": L * 2 * 2 * batch * pairs * HD,
        "feed_forward": L * 2 * tokens * (3 if shape.gated else 2) * C * shape.d_ff,
        "output": 2 * tokens * C * shape.vocab_size,
    }


def backward(
    shape: Shape, *, batch: int, seq: int, causal: bool = False, attention: Attention = "plain"
) -> dict[str, int]:
    """FLOPs of the backward pass, by part: twice the forward pass, one product for each of a product's two inputs.

    "flash" attention kept no scores and computes Q K^T once more: five products where the forward pass had two (Dao et
    al. 2022, arXiv:2205.14135, algorithm 4), against four for "plain".
    """
    one_of("attention", attention, get_args(Attention))
    parts = {name: 2 * flops for name, flops in forward(shape, batch=batch, seq=seq, causal=causal).items()}
    if attention == "flash":
        parts["attention_scores"] = parts["attention_scores"] // 4 * 5
    return parts


def training(
    shape: Shape,
    *,
    batch: int,
    seq: int,
    causal: bool = False,
    attention: Attention = "plain",
    checkpointing: bool = False,
) -> dict[str, int]:
    """FLOPs of one training step, by part: forward, backward and, with ``checkpointing``, every layer's forward again.

    What hardware does. Model FLOPs, which MFU counts, are those of plain attention without checkpointing: work that a
    smaller memory forces is no progress (Chowdhery et al. 2022, arXiv:2204.02311, appendix B).
    """
    once = forward(shape, batch=batch, seq=seq, causal=causal)
    back = backward(shape, batch=batch, seq=seq, causal=causal, attention=attention)
    again = {name: flops if checkpointing and name != "output" else 0 for name, flops in once.items()}
    return {name: once[name] + back[name] + again[name] for name in once}


def per_token(shape: Shape, *, seq: int, causal: bool = False) -> float:
    """Model FLOPs a token of training at sequence length ``seq``; forward alone is a third of it.

    6 N + 12 L H D T with N = matmul_parameters and the whole square of scores.
    """
    return sum(training(shape, batch=1, seq=seq, causal=causal).values()) / seq


def six_nd(n_parameters: float, tokens: float) -> float:
    """The rule of thumb C = 6 N D for the FLOPs of training N parameters on D tokens (Kaplan et al. 2020,
    arXiv:2001.08361, section 2.1, whose N has no embeddings).

    >>> f"{six_nd(1.4e9, 20 * 1.4e9):.2e}"  # 20 tokens a parameter
    '2.35e+20'
    """
    return 6 * n_parameters * tokens


def six_nd_ratio(shape: Shape, *, seq: int) -> float:
    """Model FLOPs a token over 6 N, N all parameters: above 1 where scores weigh (long sequences, narrow models),
    below where an untied embedding, which is only looked up, does.

    12 L H D T / 6 N is about T / (6 d_model) for layers alone: 1 at a sequence of six times the width.
    """
    return per_token(shape, seq=seq) / six_nd(total(shape), 1)


def measure(module: nn.Module, *inputs: Any, backward: bool = True, **named: Any) -> dict[str, int]:
    """FLOPs of one call of any module, and of the backward pass from the sum of its outputs, by torch's counter.

    Shapes alone decide, so that a module on the meta device is counted without memory or time. torch's counter knows no
    formula for the CPU's fused attention and counts it as nothing; here it counts as on a GPU. Other operations without
    a formula (everything that is no product, and your own kernels) count as nothing.

    Raises:
        ValueError: no output can be differentiated; give ``backward=False``.

    >>> measure(nn.Linear(3, 5), torch.ones(2, 3))  # 2 x 2 x 3 x 5, and dL/dW; the input needs no gradient
    {'forward': 60, 'backward': 60}
    """
    with untouched(module):
        with torch.set_grad_enabled(backward), _counter() as counter:
            result = module(*inputs, **named)
        counts = {"forward": counter.get_total_flops()}
        if backward:
            leaves = [one for one in (*module.parameters(), *_tensors((inputs, named))) if one.requires_grad]
            with torch.enable_grad():
                outputs = [one.sum() for one in _tensors(result) if one.requires_grad]
            if not outputs:
                raise ValueError("no output of the module depends on anything with a gradient; give backward=False")
            with _counter() as counter:
                torch.autograd.grad(outputs, leaves, allow_unused=True)  # unlike backward(), touches no .grad
            counts["backward"] = counter.get_total_flops()
    return counts


def _counter() -> FlopCounterMode:
    return FlopCounterMode(display=False, custom_mapping=cpu_attention())


def _tensors(result: Any) -> Iterator[Tensor]:
    if isinstance(result, Tensor):
        yield result
    elif isinstance(result, dict):
        for one in result.values():
            yield from _tensors(one)
    elif isinstance(result, list | tuple):
        for one in result:
            yield from _tensors(one)
