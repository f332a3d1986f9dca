"""One token a row through a LilLM, in as few calls as it takes: a small model's step is mostly the time between them.

The arithmetic is that of the model's blocks, in another spelling:

    x / sqrt(mean(x^2) + eps) * g  =  x / hypot(|x|, sqrt(C eps)) * (g sqrt(C))     the right-hand factor is kept
    (a cos - b sin, b cos + a sin) =  (a, b) * (cos, cos) + (b, a) * (-sin, sin)    for all heads at once
    x + y W                        =  one call, addmm, into x itself

For many tokens (`WORTH_IT`) of one row, on a processor, the two wide matrices of the feed-forward, half of the weights,
are copied side by side and turned, so that they are read in the order in which they lie: a third less time for them.

Libraries of matrix products are made for many rows. With a few, and a matrix larger than a core's own cache (`NEAR`),
they wait for memory. Two ways round that, for the matrices with many outputs; times with torch's MKL, one core:

    (W x^T)^T                          for 2 to 7 rows: a third to three quarters of the time of x W^T
    read a block, then multiply by it  from 8 rows on: nine tenths to seven tenths; reading alone is not held up so.
                                       Where others use the memory too, this gains nothing

Read in order:  serves (which models: pre-norm, RMSNorm, RoPE, SwiGLU, no biases: LilLM and Llama), Matrix, OneToken
Shapes:         B rows, C, H, K, D as everywhere; P = D / 2
Holds:          equal to the model's blocks, to float32's rounding
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules import module as hooks

from lilllm.layers.cache import KVCache
from lilllm.layers.feed_forward import GatedFeedForward
from lilllm.layers.multi_head import MultiHeadAttention
from lilllm.layers.norm import RMSNorm
from lilllm.models import Block, Decoder

_PLAIN = {
    "norm": "rms",
    "norm_place": "pre",
    "activation": "swiglu",
    "positions": "rope",
    "qkv_bias": False,
    "out_bias": False,
    "ffn_bias": False,
    "qk_norm": False,
    "window": None,
    "scale_embedding": False,
}
WORTH_IT = 64  # tokens after which copying has paid; it takes as long as some 15 steps gain
LARGEST = 2**28  # bytes of the copy: a model of some 130M parameters
NEAR = 2**20  # bytes of a matrix that stays in a core's own cache while it is multiplied
SEVERAL = 8  # rows from which on a matrix is read before
_PARTS = (nn.Linear, RMSNorm, GatedFeedForward, MultiHeadAttention, Block)


def serves(model: Decoder) -> bool:
    """Whether `OneToken` does what ``model`` does.

    Its parts are those of LilLM and unchanged, all in float32 or all in float64, no autocast, and no hook looks on.
    """
    dtype, device = model.embed.weight.dtype, model.embed.weight.device.type
    if any(getattr(model.config, name) != wanted for name, wanted in _PLAIN.items()):
        return False
    if dtype not in (torch.float32, torch.float64) or any(each.dtype != dtype for each in model.parameters()):
        return False
    if torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device):
        return False
    if any(type(part) not in _PARTS for block in model.blocks for part in block.modules()):
        return False
    watched = hooks._global_forward_hooks or hooks._global_forward_pre_hooks
    return not watched and not any(part._forward_hooks or part._forward_pre_hooks for part in model.modules())


class Matrix:
    """``weight`` (F, C), and the way to multiply by it that is fastest for ``rows`` rows; see the top."""

    def __init__(self, weight: Float[Tensor, "F C"], *, rows: int) -> None:
        far = weight.nbytes > NEAR and weight.device.type == "cpu"
        self.turned = weight.t()
        self.first = weight if far and 1 < rows < SEVERAL else None
        self.blocks = weight.split(max(1, NEAR // weight[0].nbytes)) if far and rows >= SEVERAL else ()

    def times(self, x: Float[Tensor, "B C"]) -> Float[Tensor, "B F"]:
        """x W^T."""
        if self.first is not None:
            return torch.mm(self.first, x.t()).t().contiguous()
        if not self.blocks:
            return torch.mm(x, self.turned)
        y = x.new_empty(x.shape[0], self.turned.shape[1])
        at = 0
        for block in self.blocks:
            block.sum()  # only to have it near
            torch.mm(x, block.t(), out=y[:, at : at + len(block)])
            at += len(block)
        return y


class OneToken:
    """The step of ``model`` for one token a row.

    Args:
        cos, sin: of the angles of all places, (S, P).
        rows, room: how many there are, and how many tokens each is to have, at most.
    """

    def __init__(
        self, model: Decoder, cos: Float[Tensor, "S P"], sin: Float[Tensor, "S P"], *, rows: int, room: int
    ) -> None:
        config = model.config
        self.heads = (config.n_heads, config.n_kv_heads, config.d_head)
        self.table, self.output = model.embed.weight, Matrix(model.output.detach(), rows=rows)
        dtype, root = self.table.dtype, config.d_model**0.5
        self.cos = torch.stack((cos, cos), 1).to(dtype)  # (S, 2, P)
        self.sin = torch.stack((-sin, sin), 1).to(dtype)
        self.eps = torch.tensor((config.d_model * config.norm_eps) ** 0.5, dtype=dtype, device=self.table.device)
        named = {name: parameter.detach() for name, parameter in model.named_parameters()}
        self.norm = named["norm.weight"] * root
        bytes_copied = 2 * config.n_layers * config.d_model * config.d_ff * dtype.itemsize
        cpu = self.table.device.type == "cpu"
        copied = room >= WORTH_IT and rows == 1 and bytes_copied <= LARGEST and cpu
        self.layers = []
        for number in range(config.n_layers):
            block = f"blocks.{number}."
            norm1, norm2 = (named[f"{block}{norm}.weight"] * root for norm in ("norm1", "norm2"))
            qkv, out = (named[f"{block}attention.{part}.weight"] for part in ("qkv", "out"))
            gate, up, down = (named[f"{block}ffn.{part}.weight"] for part in ("gate", "up", "down"))
            wide = torch.cat((gate, up)).t().contiguous() if copied else None  # (C, 2 F)
            to_heads, to_gate, to_up = (Matrix(each, rows=rows) for each in (qkv, gate, up))
            self.layers.append((norm1, to_heads, out.t(), norm2, to_gate, to_up, down.t(), wide))

    def __call__(
        self,
        ids: Int[Tensor, "B"],
        at: int | Int[Tensor, "B 1"],
        cache: KVCache,
        mask: Tensor | None,
        layers: Sequence[int],
    ) -> tuple[Float[Tensor, "B V"], list[Tensor]]:
        """Logits, and the streams that go into ``layers``. ``at``: the place of each row's token, padding apart."""
        (H, K, D), B, past = self.heads, len(ids), cache.length
        if isinstance(at, int):
            cos, sin = self.cos[at], self.sin[at]  # (2, P)
        else:
            cos, sin = self.cos[at], self.sin[at]  # (B, 1, 2, P)
        x = F.embedding(ids, self.table)  # (B, C)
        streams = []
        keys, values = cache.k[:, :, :, : past + 1], cache.v[:, :, :, : past + 1]
        for layer, (norm1, to_heads, out, norm2, to_gate, to_up, down, wide) in enumerate(self.layers):
            if layer in layers:
                streams.append(x[:, None].clone())
            heads = to_heads.times(self._normed(x, norm1)).view(B, H + 2 * K, 2, D // 2)
            qk, v = heads.split((H + K, K), 1)
            qk = (qk * cos).addcmul_(qk.flip(2), sin).view(B, H + K, D)
            k_all, v_all = keys[layer], values[layer]  # (B, K, S, D)
            k_all[:, :, past] = qk[:, H:]
            v_all[:, :, past] = v.view(B, K, D)
            q = qk[:, :H].view(B, K, H // K, D)  # the heads of a group as if they were places
            y = F.scaled_dot_product_attention(q, k_all, v_all, attn_mask=mask)
            x.addmm_(y.reshape(B, H * D), out)
            normed = self._normed(x, norm2)
            if wide is not None:
                gated, brought = torch.mm(normed, wide).chunk(2, 1)  # (B, F) each
            else:
                gated, brought = to_gate.times(normed), to_up.times(normed)
            x.addmm_(F.silu(gated, inplace=True).mul_(brought), down)
        cache.advance(1)
        return self.output.times(self._normed(x, self.norm)), streams

    def _normed(self, x: Tensor, gain: Tensor) -> Tensor:
        return x.div(torch.linalg.vector_norm(x, dim=-1, keepdim=True).hypot_(self.eps)).mul_(gain)
