"""A model at work on a batch of prompts: scores of the next token, then of the one after the token it is given.

    session = Session(model, [[1, 2, 3], [4]], room=10)      prompts padded on the left to one length
    logits = session.start()                                  prefill: all prompts at once, (B, V)
    logits = session.feed(ids)                                decode: one token a row, the rest is in the cache

Between steps nothing is worked out twice: keys and values of earlier tokens stand in a cache of the right size from the
beginning, RoPE's cosines and sines in a table, and tokens are checked once.

Read in order:  Session.start and feed, _run (the model, from tokens to logits)
Conventions:    padding is the row's own first token, which no other token attends to
Leaves out:     choosing tokens, which is `lilllm.inference.generation`
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from lilllm.inference.one_token import OneToken, serves
from lilllm.models import Decoder
from lilllm.models.inputs import embed, places

CHUNK = 256  # places whose logits stand in memory at once, where those of a whole prompt are asked for


class Session:
    """Room for ``room`` tokens after the longest of ``prompts`` (checked before: not empty, tokens of the model).

    Args:
        cache: keep keys and values; without it every step goes over all tokens again.
        layers: blocks whose input at the last place is kept, in ``streams``, for DoLa.
    Attributes:
        tokens: (B, S), padding, prompts and what was fed so far.
    """

    def __init__(
        self,
        model: Decoder,
        prompts: Sequence[Sequence[int]],
        *,
        room: int,
        cache: bool = True,
        layers: Sequence[int] = (),
    ) -> None:
        self.model, self.layers = model, tuple(layers)
        self.streams: list[Tensor] = []
        device = model.embed.weight.device
        longest = max(map(len, prompts))
        self._most = longest + room
        pads = [longest - len(prompt) for prompt in prompts]
        rows = [[prompt[0]] * pad + list(prompt) for pad, prompt in zip(pads, prompts, strict=True)]
        self.tokens = torch.tensor(rows, device=device)
        self._pads = torch.tensor(pads, device=device)[:, None] if any(pads) else None  # (B, 1)
        places_ = torch.arange(self._most, device=device)
        self._keep = None if self._pads is None else (places_ >= self._pads)[:, None, None, :]  # (B, 1, 1, S)
        self._cache = model.new_cache(len(prompts), self._most) if cache else None
        rope = model.config.positions == "rope"
        self._table = places(model.config, places_, self._most)["rope"] if rope else None
        fast = self._cache is not None and self._table is not None and serves(model)
        self._one_token = (
            OneToken(model, *self._table, rows=len(prompts), room=room) if fast and self._table is not None else None
        )

    @torch.no_grad()
    def start(self) -> Float[Tensor, "B V"]:
        """Logits of what follows each prompt."""
        return self._logits(self._run(self.tokens)[:, -1:])[:, 0]

    @torch.no_grad()
    def start_scored(self) -> tuple[Float[Tensor, "B V"], Float[Tensor, "B S"]]:
        """The same, and the log-probability of each token of the prompts but the first: (B, S - 1)."""
        x = self._run(self.tokens)
        parts = []
        for at in range(0, x.shape[1] - 1, CHUNK):
            logits = self._logits(x[:, at : min(at + CHUNK, x.shape[1] - 1)])
            said = self.tokens[:, at + 1 : at + 1 + logits.shape[1], None]
            parts.append((logits.gather(-1, said) - logits.logsumexp(-1, keepdim=True)).squeeze(-1))
        scores = torch.cat(parts, 1) if parts else x.new_zeros(x.shape[0], 0)
        return self._logits(x[:, -1:])[:, 0], scores

    @torch.no_grad()
    def feed(self, ids: Int[Tensor, "B"]) -> Float[Tensor, "B V"]:
        """Logits of what follows ``ids``, one more token of each row."""
        self.tokens = torch.cat((self.tokens, ids[:, None]), 1)
        if self._one_token is not None and self._cache is not None:
            S = self._cache.length + 1
            at = S - 1 if self._pads is None else (S - 1 - self._pads)
            mask = None if self._keep is None else self._keep[..., :S]
            logits, self.streams = self._one_token(ids, at, self._cache, mask, self.layers)
            return logits.float()
        latest = self.tokens if self._cache is None else ids[:, None]
        return self._logits(self._run(latest)[:, -1:])[:, 0]

    def _run(self, tokens: Tensor) -> Tensor:
        """The stream after the last block, for ``tokens`` (B, T) that follow what is in the cache."""
        model, config, cache = self.model, self.model.config, self._cache
        past = 0 if cache is None else cache.length
        T = tokens.shape[1]
        S = past + T
        at: Tensor = torch.arange(past, S, device=tokens.device)
        given: dict[str, Any] = {"cache": cache, "mask": None if self._keep is None else self._keep[..., :S]}
        if self._pads is not None:
            at = (at - self._pads).clamp_(0, config.context_len - 1)  # (B, T); of padding any will do
        if self._table is not None:
            cos, sin = self._table
            given["rope"] = (cos[past:S], sin[past:S]) if self._pads is None else (cos[at], sin[at])
        else:
            given |= places(config, at, S)
        x = embed(tokens, at, config, model.embed, model.positions, reach=S, training=False)
        self.streams = []
        for layer, block in enumerate(model.blocks):
            if layer in self.layers:
                self.streams.append(x[:, -1:])
            x = block(x, layer=layer, **given)
        if cache is not None:
            cache.advance(T)
        return x

    def _logits(self, x: Tensor) -> Tensor:
        """(B, T, V), in float32."""
        x = x if self.model.norm is None else self.model.norm(x)
        return F.linear(x, self.model.output).float()

    def reorder(self, rows: Int[Tensor, "B"]) -> None:
        """Row i goes on as row ``rows[i]`` did: for beam search."""
        self.tokens = self.tokens[rows]
        if self._pads is not None and self._keep is not None:
            self._pads, self._keep = self._pads[rows], self._keep[rows]
        if self._cache is not None:
            self._cache.k, self._cache.v = self._cache.k[:, rows], self._cache.v[:, rows]
