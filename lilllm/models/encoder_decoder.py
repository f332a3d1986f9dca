"""A translator: an encoder reads the source, a decoder writes the target and looks at what was read.

    memory = encoder(source);   logits = decoder(target, memory)

The model of 2017. One config for both halves; source and target share the vocabulary and its table.

Leaves out:     a cache for keys and values of the memory: each step of `greedy` works them out again
Source:         Vaswani et al. 2017, arXiv:1706.03762, sections 3.1, 3.2.3 (cross-attention) and 3.4 (one table for all)
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int, Shaped
from torch import Generator, Tensor, nn

from lilllm.models.config import ModelConfig
from lilllm.models.decoder import Decoder
from lilllm.models.encoder import Encoder


class EncoderDecoder(nn.Module):
    """Both halves as ``config`` says, with n_layers each.

    Holds: the target's future never changes its logits; padding of the source changes nothing.

    >>> config = ModelConfig(vocab_size=9, n_layers=1, d_model=8, n_heads=2, context_len=4)
    >>> model = EncoderDecoder(config, generator=torch.Generator().manual_seed(0))
    >>> model(torch.tensor([[1, 2, 3]]), torch.tensor([[0, 1]])).shape
    torch.Size([1, 2, 9])
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
        self.config = config
        self.encoder = Encoder(config, generator=generator, device=device, dtype=dtype)
        self.decoder = Decoder(config, cross=True, generator=generator, device=device, dtype=dtype)
        self.encoder.embed = self.decoder.embed  # one table

    def initialise(self, generator: Generator | None = None) -> None:
        """Draw all weights anew, as ``config.init`` says."""
        self.encoder.initialise(generator)
        self.decoder.initialise(generator)

    def forward(
        self,
        source: Int[Tensor, "B S"],
        target: Int[Tensor, "B T"],
        *,
        source_mask: Shaped[Tensor, "B S"] | None = None,
        target_mask: Shaped[Tensor, "B T"] | None = None,
    ) -> Float[Tensor, "B T V"]:
        """Logits of what follows each token of ``target``; the masks are 1 for real tokens."""
        memory = self.encoder(source, attention_mask=source_mask)
        return self.decoder(target, attention_mask=target_mask, memory=memory, memory_mask=source_mask)

    def loss(
        self,
        source: Int[Tensor, "B S"],
        target: Int[Tensor, "B T"],
        following: Int[Tensor, "B T"],
        *,
        ignore_index: int = -100,
        source_mask: Shaped[Tensor, "B S"] | None = None,
    ) -> Float[Tensor, ""]:
        """Mean cross-entropy in nats of ``following``, what should come after each token of ``target``.

        Padding of the target belongs on the right, where ``ignore_index`` in ``following`` makes it count nothing.
        """
        memory = self.encoder(source, attention_mask=source_mask)
        return self.decoder.loss(target, following, ignore_index=ignore_index, memory=memory, memory_mask=source_mask)

    @torch.no_grad()
    def greedy(
        self,
        source: Int[Tensor, "B S"],
        n: int,
        *,
        start: int,
        stop: int | None = None,
        source_mask: Shaped[Tensor, "B S"] | None = None,
    ) -> Int[Tensor, "B N"]:
        """The ``n`` likeliest tokens of the target, one at a time, after the token ``start`` that opens it."""
        memory = self.encoder(source, attention_mask=source_mask)
        opening = source.new_full((len(source), 1), start)
        return self.decoder.greedy(opening, n, stop=stop, memory=memory, memory_mask=source_mask)[:, 1:]
