"""A cache of keys and values, so that generating a token computes that token only.

    bytes = 2 * n_layers * batch * n_kv_heads * max_len * d_head * bytes of a number

Read in order:  KVCache
Conventions:    keys are kept as attention uses them: after QK-norm and RoPE. A window does not make the cache smaller
                here; attention reads its last keys only.
Leaves out:     paged blocks, rows that end at different lengths, gradients
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


class KVCache:
    """Room for ``max_len`` tokens, taken at once; ``length`` of them are filled.

    For a piece of T tokens each layer calls ``update`` once; when all have, ``advance(T)`` moves on, once.

    Raises: ValueError: a size below 1; a piece that does not fit, or of another shape or dtype; a layer that is not
        there; gradients that the cache would lose.

    >>> cache = KVCache(1, batch=1, n_kv_heads=1, max_len=3, d_head=2)
    >>> k, v = cache.update(0, torch.ones(1, 1, 2, 2), torch.ones(1, 1, 2, 2))
    >>> cache.advance(2)
    >>> k, v = cache.update(0, torch.zeros(1, 1, 1, 2), torch.zeros(1, 1, 1, 2))
    >>> k.shape, cache.length
    (torch.Size([1, 1, 3, 2]), 2)
    """

    def __init__(
        self,
        n_layers: int,
        batch: int,
        n_kv_heads: int,
        max_len: int,
        d_head: int,
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        shape = (n_layers, batch, n_kv_heads, max_len, d_head)
        if min(shape) < 1:
            raise ValueError(f"n_layers, batch, n_kv_heads, max_len and d_head must be at least 1, not {shape}")
        self.k = torch.zeros(shape, dtype=dtype, device=device)
        self.v = torch.zeros(shape, dtype=dtype, device=device)
        self.length = 0

    @property
    def max_len(self) -> int:
        return self.k.shape[3]

    def update(
        self, layer: int, k: Float[Tensor, "B K T D"], v: Float[Tensor, "B K T D"]
    ) -> tuple[Float[Tensor, "B K S D"], Float[Tensor, "B K S D"]]:
        """Write a layer's new keys and values; gives all that it has, views of the cache: S = length + T."""
        n_layers, B, K, _, D = self.k.shape
        T = k.shape[2]
        end = self.length + T
        if not 0 <= layer < n_layers:
            raise ValueError(f"layer must be from 0 to {n_layers - 1}, not {layer}")
        if k.shape != (B, K, T, D) or v.shape != k.shape:
            raise ValueError(f"this cache takes k and v of ({B}, {K}, T, {D}), not {tuple(k.shape)}, {tuple(v.shape)}")
        if k.dtype != self.k.dtype or v.dtype != self.v.dtype:
            raise ValueError(f"this cache holds {self.k.dtype}, not {k.dtype} and {v.dtype}: make it with dtype=")
        if end > self.max_len:
            raise ValueError(
                f"the cache is full: it holds {self.length} of at most {self.max_len} tokens and {T} more came; "
                f"make it with max_len={end} or more"
            )
        if torch.is_grad_enabled() and (k.requires_grad or v.requires_grad):
            raise ValueError("a cache keeps no gradients: call a layer or model that has one under torch.no_grad()")
        self.k[layer, :, :, self.length : end] = k
        self.v[layer, :, :, self.length : end] = v
        return self.k[layer, :, :, :end], self.v[layer, :, :, :end]

    def advance(self, T: int) -> None:
        """Count the T tokens that every layer has just written."""
        if T < 0 or self.length + T > self.max_len:
            raise ValueError(f"cannot advance by {T}: {self.length} of at most {self.max_len} tokens are filled")
        self.length += T

    def __repr__(self) -> str:
        n_layers, B, K, max_len, D = self.k.shape
        sizes = f"n_layers={n_layers}, batch={B}, n_kv_heads={K}, max_len={max_len}, d_head={D}"
        return f"KVCache({sizes}, length={self.length}, dtype={self.k.dtype})"
