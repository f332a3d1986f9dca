"""A reader: tokens in, a vector for each out, every one of them seen by every other.

    x = embed(tokens) (+ positions);   x = block(x), L times;   states = norm(x)

The same blocks as a decoder's, without the causal mask: so it cannot be asked for the next token, which it would have
seen.

Sources: Vaswani et al. 2017, arXiv:1706.03762, section 3.1; Devlin et al. 2018, arXiv:1810.04805 (BERT, an encoder
alone).
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int, Shaped
from torch import Generator, Tensor, nn

from lilllm.layers import mask as masks
from lilllm.layers.embedding import Embedding
from lilllm.layers.position import LearnedPositions
from lilllm.models.block import Block, make_norm
from lilllm.models.config import ModelConfig
from lilllm.models.init import initialise
from lilllm.models.inputs import check_config, check_mask, check_tokens, embed, places, positions_of


class Encoder(nn.Module):
    """An encoder as ``config`` says; ``tied`` means nothing to it, and a window it cannot have.

    Holds: padding, on either side, changes no real token's state; without positions it does not know the order:
    permuted tokens get permuted states.

    >>> config = ModelConfig(vocab_size=9, n_layers=1, d_model=8, n_heads=2, context_len=4)
    >>> Encoder(config, generator=torch.Generator().manual_seed(0))(torch.tensor([[1, 2, 3]])).shape
    torch.Size([1, 3, 8])
    """

    def __init__(
        self,
        config: ModelConfig,
        *,
        generator: Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        check_config(config)
        if config.window is not None:
            raise ValueError(f"window {config.window} looks back only, and an encoder looks both ways; leave it out")
        self.config, C = config, config.d_model
        self.embed = Embedding(config.vocab_size, C, device=device, dtype=dtype)
        learned = config.positions == "learned"
        self.positions = LearnedPositions(config.context_len, C, device=device, dtype=dtype) if learned else None
        self.blocks = nn.ModuleList(
            Block(config, causal=False, device=device, dtype=dtype) for _ in range(config.n_layers)
        )
        self.norm = make_norm(config, device=device, dtype=dtype) if config.norm_place == "pre" else None
        self.initialise(generator)

    def initialise(self, generator: Generator | None = None) -> None:
        """Draw all weights anew, as ``config.init`` says."""
        initialise(self, self.config, generator=generator)

    def forward(
        self, tokens: Int[Tensor, "B T"], *, attention_mask: Shaped[Tensor, "B T"] | None = None
    ) -> Float[Tensor, "B T C"]:
        """The state of each token; ``attention_mask`` is 1 for real tokens, and the states of others mean nothing."""
        check_tokens(tokens, self.config)
        T = tokens.shape[1]
        mask = None
        if attention_mask is not None:
            check_mask(attention_mask, *tokens.shape)
            mask = masks.padding(attention_mask)  # (B, 1, 1, T)
        positions = positions_of(tokens, attention_mask=attention_mask)
        x = embed(tokens, positions, self.config, self.embed, self.positions, reach=T, training=self.training)
        given = places(self.config, positions, T)
        for block in self.blocks:
            x = block(x, mask=mask, **given)
        return x if self.norm is None else self.norm(x)
