"""How many bytes training and inference take.

Read in order: Precision (bytes a parameter), training_state and per_gpu (DDP, ZeRO 1 to 3), activations (with and
without checkpointing), kv_cache, saved_by (what autograd keeps of any module).

Left out: the CUDA context, the allocator's fragmentation, buffers of communication and of the optimizer, temporaries
of one operation. Expect some GiB more on a real GPU.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from lilllm.accounting.flops import Attention
from lilllm.accounting.shape import Shape, one_of
from lilllm.accounting.untouched import untouched

Checkpointing = Literal["none", "selective", "full"]


@dataclass(frozen=True, kw_only=True)
class Precision:
    """Bytes a parameter takes: its weight, its gradient, and what the optimizer keeps of it."""

    weight: int
    gradient: int
    optimizer: int

    @property
    def total(self) -> int:
        return self.weight + self.gradient + self.optimizer


# AdamW keeps two moments in fp32; mixed precision adds the fp32 weight that they update. Source: Rajbhandari et al.
# 2020, arXiv:1910.02054, section 3.1 (K = 12).
MIXED = Precision(weight=2, gradient=2, optimizer=4 + 4 + 4)
FP32 = Precision(weight=4, gradient=4, optimizer=4 + 4)

Optimizer = Literal["adamw", "momentum", "sgd"]
_MOMENTS = {"adamw": 2, "momentum": 1, "sgd": 0}


def mixed(optimizer: Optimizer = "adamw") -> Precision:
    """Mixed precision with an optimizer that keeps so many fp32 numbers a parameter beside the fp32 weight.

    What another optimizer keeps: `lilllm.accounting.optimizer_state` measures it.

    >>> mixed("adamw") == MIXED, mixed("sgd").total
    (True, 8)
    """
    one_of("optimizer", optimizer, get_args(Optimizer))
    return Precision(weight=2, gradient=2, optimizer=4 + 4 * _MOMENTS[optimizer])


def training_state(n_parameters: int, precision: Precision = MIXED) -> dict[str, int]:
    """Bytes of weights, gradients and optimizer state, on one GPU that holds them all.

    >>> sum(training_state(1).values())  # 16 bytes a parameter
    16
    """
    return {
        "parameters": precision.weight * n_parameters,
        "gradients": precision.gradient * n_parameters,
        "optimizer": precision.optimizer * n_parameters,
    }


def per_gpu(n_parameters: int, *, gpus: int, stage: int, precision: Precision = MIXED) -> dict[str, float]:
    """Bytes of training state on each GPU under data parallelism.

    Stage 0 is DDP: everything on every GPU. ZeRO-1 shards the optimizer state, ZeRO-2 the gradients too, ZeRO-3 (FSDP)
    the weights too; ZeRO-3 holds besides one layer's gathered weights for a moment, left out here.

    Source: Rajbhandari et al. 2020, arXiv:1910.02054, figure 1 and table 1: 7.5B parameters on 64 GPUs take 120, 31.4,
    16.6 and 1.9 GB.

    >>> sum(per_gpu(7_500_000_000, gpus=64, stage=3).values()) / 1e9
    1.875
    """
    if stage not in range(4):
        raise ValueError(f"ZeRO stage {stage!r} is none; give 0 (DDP), 1, 2 or 3")
    if gpus < 1:
        raise ValueError(f"{gpus} GPUs: give a whole number of at least 1")
    state = training_state(n_parameters, precision)
    sharded_from = {"parameters": 3, "gradients": 2, "optimizer": 1}
    return {part: size / gpus if stage >= sharded_from[part] else float(size) for part, size in state.items()}


def activations(
    shape: Shape,
    *,
    batch: int,
    seq: int,
    checkpointing: Checkpointing = "none",
    attention: Attention = "plain",
    dropout: float = 0.0,
    bytes_each: int = 2,
) -> dict[str, int]:
    """Bytes that the forward pass keeps for the backward pass, by part, on a GPU that runs (B, T) tokens at once.

    Of each layer: inputs of both norms, of the linear layers and of the activation function, queries, keys and values,
    and the scores after softmax. A gated feed-forward keeps four of width F: both branches, the activated one and their
    product. Dropout adds a mask of one byte a value, and its output where scores are dropped. After the layers: the
    input of the last norm and of the output, and the logits in fp32. "selective" computes scores again, and "flash"
    attention keeps none either (only one number a query and head, left out). "full" keeps each layer's input, and one
    layer's activations while that layer runs again.

    Source: Korthikanti et al. 2022, arXiv:2205.05198, equation 1: T B C (34 + 5 H T / C) a layer of GPT with dropout;
    table 2: 2 T B C under full recomputation, 34 T B C under selective; section 4.3 for what stands outside the layers.
    The paper leaves out the one layer that runs again, and knows neither gating, grouped heads nor QK-norm.
    """
    shape.check(batch=batch, seq=seq)
    one_of("checkpointing", checkpointing, get_args(Checkpointing))
    one_of("attention", attention, get_args(Attention))
    tokens, C, L, F, n = batch * seq, shape.d_model, shape.n_layers, shape.d_ff, bytes_each
    mask = 1 if dropout else 0  # bytes
    layer = {
        "norms": 2 * n * C + (n * (shape.d_q + shape.d_kv) if shape.qk_norm else 0),
        "attention_projections": n * (C + shape.d_q + 2 * shape.d_kv + shape.d_q) + mask * C,
        "attention_scores": shape.n_heads * seq * (n + (mask + n if dropout else 0)),
        "feed_forward": n * C + n * (4 if shape.gated else 2) * F + mask * C,
    }
    if checkpointing == "selective" or attention == "flash":
        layer["attention_scores"] = 0
    outside = {"embedding": tokens * mask * C, "output": tokens * (2 * n * C + 4 * shape.vocab_size)}
    if checkpointing == "full":
        return {"layer_inputs": L * tokens * n * C, "one_layer": tokens * sum(layer.values()), **outside}
    return {**{name: L * tokens * size for name, size in layer.items()}, **outside}


def kv_cache(shape: Shape, *, batch: int, seq: int, bytes_each: int = 2) -> int:
    """Bytes of the keys and values of (B, T) tokens: 2 L K D a token.

    >>> from lilllm.accounting.shape import preset
    >>> kv_cache(preset("llama3-8b"), batch=1, seq=8192) / 2**30  # GiB
    1.0
    """
    shape.check(batch=batch, seq=seq)
    return 2 * shape.n_layers * shape.d_kv * batch * seq * bytes_each


def saved_by(module: nn.Module, *inputs: Any, **named: Any) -> int:
    """Bytes that autograd keeps of one call of any module: each storage once, parameters and buffers not counted.

    >>> saved_by(nn.Linear(3, 5), torch.ones(2, 3))  # its input, 6 values of 4 bytes
    24
    """
    own = {tensor.untyped_storage()._cdata for tensor in (*module.parameters(), *module.buffers())}
    kept: dict[int, Tensor] = {}  # the tensors themselves: a storage that is freed could come back under its number

    def keep(tensor: Tensor) -> Tensor:
        kept.setdefault(tensor.untyped_storage()._cdata, tensor)
        return tensor

    hooks = torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor)
    with untouched(module), torch.enable_grad(), hooks:
        module(*inputs, **named)
    return sum(tensor.untyped_storage().nbytes() for storage, tensor in kept.items() if storage not in own)
