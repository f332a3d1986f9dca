"""How the weights of a transformer begin.

Each block adds twice to the residual stream, so after L layers its variance is that of 2 L + 1 terms. What writes to
the stream may begin smaller, by 1 / sqrt(2 L): then all layers together add about as much as one.

    gpt2     every matrix N(0, 0.02^2); those that write to the stream divided by sqrt(2 L)
    normal   every matrix N(0, 0.02^2)
    fan_in   every matrix N(0, 1 / n_in): a sum of n_in products keeps the variance of its terms
    glorot   uniform of variance 2 / (n_in + n_out), fused matrices part by part; embeddings N(0, 1 / d_model)

Gains begin at 1 and biases at 0. A tied output matrix is the embedding, so it is drawn once.

Sources: Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", section 2.3 (1 / sqrt(N), N the
number of residual layers); LeCun et al. 1998, "Efficient BackProp", section 4.6; Glorot & Bengio 2010, "Understanding
the difficulty of training deep feedforward neural networks", equation 16.
"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor, nn

from lilllm.models.config import ModelConfig

STD = 0.02
_WRITES = (".attention.out.weight", ".cross.out.weight", ".ffn.down.weight")
_TABLES = ("embed.weight", "positions.weight")


@torch.no_grad()
def initialise(model: nn.Module, config: ModelConfig, *, generator: Generator | None = None) -> None:
    """Give every parameter of ``model`` its first value, as ``config.init`` says; those on the meta device have none.

    Args:
        generator: what draws; None: torch's own, which `torch.manual_seed` sets.
    """
    for name, parameter in model.named_parameters():
        if not parameter.is_meta:
            draw(name, parameter, config, generator=generator)


@torch.no_grad()
def draw(name: str, parameter: Tensor, config: ModelConfig, *, generator: Generator | None = None) -> None:
    """Give the parameter of that name its first value. Drawn in the model's order, they are those of `initialise`."""
    if parameter.ndim == 1:
        parameter.fill_(0.0 if name.endswith("bias") else 1.0)
    elif config.init == "glorot" and not name.endswith(_TABLES):
        for part in parameter.split(_parts(name, config) or len(parameter)):
            bound = math.sqrt(6 / sum(part.shape))
            part.uniform_(-bound, bound, generator=generator)
    else:
        parameter.normal_(0.0, _std(name, parameter, config), generator=generator)


def _std(name: str, parameter: Tensor, config: ModelConfig) -> float:
    if config.init in ("fan_in", "glorot"):
        return parameter.shape[-1] ** -0.5
    if config.init == "gpt2" and name.endswith(_WRITES):
        return STD / math.sqrt(2 * config.n_layers)
    return STD


def _parts(name: str, config: ModelConfig) -> list[int] | None:
    q, kv = config.n_heads * config.d_head, config.n_kv_heads * config.d_head
    if name.endswith(".qkv.weight"):
        return [q, kv, kv]
    return [kv, kv] if name.endswith(".kv.weight") else None
