"""A language model: tokens in, a score for every token that may come next out.

    x = embed(tokens) (+ positions);   x = block(x), L times;   logits = W norm(x)

One class for all: GPT-2, Llama, Qwen and LilLM differ in their `ModelConfig` only.

Read in order:  Decoder.states (the model up to its last norm), forward (to logits), loss (to one number, without all
                logits in memory), greedy (to text), new_cache
Shapes:         B batch, T tokens given now, S tokens in all (those in a cache too), C d_model, V vocab
Leaves out:     sampling (the lecture on generation has its own), mixtures of experts
Sources:        Vaswani et al. 2017, arXiv:1706.03762; Radford et al. 2019, "Language Models are Unsupervised Multitask
                Learners"; Touvron et al. 2023, arXiv:2302.13971 (Llama); Press & Wolf 2016, arXiv:1608.05859 (tied)
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int, Shaped
from torch import Generator, Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from lilllm.layers import mask as masks
from lilllm.layers.cache import KVCache
from lilllm.layers.embedding import Embedding
from lilllm.layers.loss import linear_cross_entropy
from lilllm.layers.position import LearnedPositions
from lilllm.models.block import Block, make_norm
from lilllm.models.config import ModelConfig
from lilllm.models.init import initialise
from lilllm.models.inputs import (
    check_config,
    check_mask,
    check_positions,
    check_targets,
    check_tokens,
    embed,
    places,
    positions_of,
)


class Decoder(nn.Module):
    """A decoder-only transformer as ``config`` says.

    Args:
        cross: each block also attends to a memory, as the decoder of an `EncoderDecoder` does.
        generator: what draws the first weights; None: torch's own.
    Attributes:
        checkpointing: while training, keep no activations inside blocks; work them out again in the backward pass.

    On the meta device (``with torch.device("meta")``, or ``device="meta"``) it takes no memory;
    ``to_empty(device=...)`` gives it some, and ``initialise`` or a checkpoint its values. It has no buffers: nothing
    but parameters needs filling.

    Holds: what comes after a token never changes its logits, to the bit at equal lengths; with a cache the logits are
    those without; padding, on either side, changes no real token's, nor does what else is packed beside a document.

    >>> config = ModelConfig(vocab_size=9, n_layers=1, d_model=8, n_heads=2, context_len=4)
    >>> model = Decoder(config, generator=torch.Generator().manual_seed(0))
    >>> model(torch.tensor([[1, 2, 3]])).shape
    torch.Size([1, 3, 9])
    """

    def __init__(
        self,
        config: ModelConfig,
        *,
        cross: bool = False,
        generator: Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        check_config(config)
        self.config, self.cross, self.checkpointing = config, cross, False
        C, V = config.d_model, config.vocab_size
        self.embed = Embedding(V, C, device=device, dtype=dtype)
        learned = config.positions == "learned"
        self.positions = LearnedPositions(config.context_len, C, device=device, dtype=dtype) if learned else None
        self.blocks = nn.ModuleList(
            Block(config, cross=cross, device=device, dtype=dtype) for _ in range(config.n_layers)
        )
        self.norm = make_norm(config, device=device, dtype=dtype) if config.norm_place == "pre" else None
        self.head = None if config.tied else nn.Linear(C, V, bias=False, device=device, dtype=dtype)
        self.initialise(generator)

    def initialise(self, generator: Generator | None = None) -> None:
        """Draw all weights anew, as ``config.init`` says."""
        initialise(self, self.config, generator=generator)

    @property
    def output(self) -> Tensor:
        """The matrix (V, C) from states to logits."""
        return self.embed.weight if self.head is None else self.head.weight

    def forward(
        self,
        tokens: Int[Tensor, "B T"],
        *,
        attention_mask: Shaped[Tensor, "B S"] | None = None,
        positions: Int[Tensor, "..."] | None = None,
        documents: Int[Tensor, "B T"] | None = None,
        cache: KVCache | None = None,
        memory: Float[Tensor, "B M C"] | None = None,
        memory_mask: Shaped[Tensor, "B M"] | None = None,
    ) -> Float[Tensor, "B T V"]:
        """Logits of what follows each token.

        Args:
            attention_mask: 1 for real tokens, 0 for padding on either side; with a cache, those in it too.
            positions: (T,) or (B, T), if not those that follow from padding, documents and cache. ALiBi counts keys
                and takes no notice of them.
            documents: which document each token of a packed row belongs to; none sees another's.
            cache: from `new_cache`; keys and values of these tokens are added to it.
            memory, memory_mask: what the encoder gave, and which of it is real.
        Raises:
            ValueError: tokens out of range, of another dtype, or more than there are learned positions; a full cache.
        """
        x = self.states(
            tokens,
            attention_mask=attention_mask,
            positions=positions,
            documents=documents,
            cache=cache,
            memory=memory,
            memory_mask=memory_mask,
        )
        return F.linear(x, self.output)

    def states(
        self,
        tokens: Int[Tensor, "B T"],
        *,
        attention_mask: Shaped[Tensor, "B S"] | None = None,
        positions: Int[Tensor, "..."] | None = None,
        documents: Int[Tensor, "B T"] | None = None,
        cache: KVCache | None = None,
        memory: Float[Tensor, "B M C"] | None = None,
        memory_mask: Shaped[Tensor, "B M"] | None = None,
    ) -> Float[Tensor, "B T C"]:
        """What the output matrix is multiplied by: the stream after the last block, normed."""
        past = 0 if cache is None else cache.length
        check_tokens(tokens, self.config, past=past)
        if self.cross and memory is None:
            raise ValueError("a decoder with cross-attention reads a memory; give it")
        if memory is not None and not self.cross:
            raise ValueError("this decoder has no cross-attention to read a memory with; make it with cross=True")
        (B, T), S = tokens.shape, past + tokens.shape[1]
        mask = self._mask(attention_mask, documents, cache, B, S)
        reach = S  # positions are below it
        if positions is None:
            positions = positions_of(tokens, past=past, attention_mask=attention_mask, documents=documents)
        else:
            check_positions(positions, tokens, self.config)
            if self.config.positions == "sinusoidal":
                reach = int(positions.max()) + 1
        x = embed(tokens, positions, self.config, self.embed, self.positions, reach=reach, training=self.training)
        given: dict[str, Any] = {
            "mask": mask,
            "cache": cache,
            "memory": memory,
            "memory_mask": None if memory_mask is None else masks.padding(memory_mask),
            **places(self.config, positions, S),
        }
        again = self.checkpointing and self.training and torch.is_grad_enabled()
        for layer, block in enumerate(self.blocks):
            given["layer"] = layer
            x = checkpoint(block, x, use_reentrant=False, **given) if again else block(x, **given)
        if cache is not None:
            cache.advance(T)
        return x if self.norm is None else self.norm(x)

    def _mask(
        self, attention_mask: Tensor | None, documents: Tensor | None, cache: KVCache | None, B: int, S: int
    ) -> Tensor | None:
        """What hides keys besides the causal order, which is each block's own."""
        mask = None
        if attention_mask is not None:
            check_mask(attention_mask, B, S)
            mask = masks.padding(attention_mask)  # (B, 1, 1, S)
        if documents is not None:
            if cache is not None:
                raise ValueError("packed documents and a cache do not go together; generate them in rows of their own")
            if documents.shape != (B, S):
                raise ValueError(f"documents are {tuple(documents.shape)}; give ({B}, {S}), one for each token")
            if attention_mask is not None:
                raise ValueError("give padding a document of its own, and no attention_mask beside documents")
            mask = masks.documents(documents)  # (B, 1, T, T)
        return mask

    def loss(
        self,
        tokens: Int[Tensor, "B T"],
        targets: Int[Tensor, "B T"],
        *,
        ignore_index: int = -100,
        label_smoothing: float = 0.0,
        attention_mask: Shaped[Tensor, "B T"] | None = None,
        documents: Int[Tensor, "B T"] | None = None,
        memory: Float[Tensor, "B M C"] | None = None,
        memory_mask: Shaped[Tensor, "B M"] | None = None,
    ) -> Float[Tensor, ""]:
        """Mean cross-entropy in nats of ``targets``, what should follow each token; ``ignore_index`` does not count.

        The targets are shifted already: of a text of T + 1 tokens, ``loss(text[:, :-1], text[:, 1:])``. Logits are made
        and forgotten in chunks.

        Raises:
            ValueError: targets of another shape or out of range, besides what forward raises.
        Holds: equal to the cross-entropy of forward's logits, and so are the gradients.
        """
        check_targets(targets, tokens, self.config, ignore_index)
        x = self.states(
            tokens, attention_mask=attention_mask, documents=documents, memory=memory, memory_mask=memory_mask
        )
        return linear_cross_entropy(
            x.flatten(0, 1),
            self.output,
            targets.flatten(),
            ignore_index=ignore_index,
            label_smoothing=label_smoothing,
        )

    def new_cache(self, batch: int, max_len: int | None = None) -> KVCache:
        """Room for the keys and values of ``max_len`` tokens (left out: context_len), on the model's device.

        In the model's dtype; under autocast in that of autocast, as keys and values then are.
        """
        config, table = self.config, self.embed.weight
        kind, dtype = table.device.type, table.dtype
        if torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind) and dtype != torch.float64:
            dtype = torch.get_autocast_dtype(kind)
        return KVCache(
            config.n_layers,
            batch,
            config.n_kv_heads,
            config.context_len if max_len is None else max_len,
            config.d_head,
            dtype=dtype,
            device=table.device,
        )

    @torch.no_grad()
    def greedy(
        self,
        tokens: Int[Tensor, "B T"],
        n: int,
        *,
        attention_mask: Shaped[Tensor, "B T"] | None = None,
        stop: int | None = None,
        memory: Float[Tensor, "B M C"] | None = None,
        memory_mask: Shaped[Tensor, "B M"] | None = None,
    ) -> Int[Tensor, "B N"]:
        """``tokens`` and the ``n`` likeliest that follow, one at a time, with a cache: (B, T + n).

        Args:
            attention_mask: prompts of different lengths are padded on the left, where 0 stands.
            stop: a row that has said it goes on with it; when all have, fewer than n are added.
        Raises:
            ValueError: padding on the right, n below 1, a stop that is no token, more tokens than there are learned
                positions, or a model that drops at random: one in training mode with dropout.
        """
        if self.training and self.config.dropout:
            raise ValueError(f"in training dropout {self.config.dropout} is drawn, also here; call model.eval() first")
        if n < 1:
            raise ValueError(f"n is {n}; give how many tokens to add, at least 1")
        if stop is not None and not 0 <= stop < self.config.vocab_size:
            raise ValueError(f"stop is {stop}, which is not in the vocabulary of {self.config.vocab_size}")
        if attention_mask is not None:
            check_mask(attention_mask, *tokens.shape)
            if not attention_mask[:, -1].all():
                raise ValueError("a prompt ends in padding, and what follows would follow that; pad on the left")
        check_tokens(tokens, self.config, past=n - 1)
        cache = self.new_cache(tokens.shape[0], tokens.shape[1] + n - 1)
        said = tokens.new_zeros(tokens.shape[0], dtype=torch.bool)
        latest = tokens
        for _ in range(n):
            x = self.states(latest, attention_mask=attention_mask, cache=cache, memory=memory, memory_mask=memory_mask)
            latest = F.linear(x[:, -1:], self.output).argmax(-1).to(tokens.dtype)  # (B, 1)
            if stop is not None:
                latest = latest.masked_fill(said[:, None], stop)
                said = said | (latest[:, 0] == stop)
            tokens = torch.cat((tokens, latest), 1)
            if stop is not None and said.all():
                break
            if attention_mask is not None:
                attention_mask = F.pad(attention_mask, (0, 1), value=1)
        return tokens
