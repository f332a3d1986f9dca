"""The numbers of a decoder that decide what it costs, and those of well-known models.

Read in order: Shape, PRESETS, preset (by name, with an error that helps).

Sources of the presets: GPT-2, Llama 2 and 3, SmolLM2 and Qwen3: the config.json of their checkpoints (Llama 3 also:
Llama Team 2024, arXiv:2407.21783, table 3). GPT-3: Brown et al. 2020, arXiv:2005.14165, table 2.1. Chinchilla: Hoffmann
et al. 2022, arXiv:2203.15556, table 4 (its feed-forward is 4 d_model; vocabulary 32,000 and relative positions as in
Gopher: Rae et al. 2021, arXiv:2112.11446, section 3.1; the biases are ours, since with them the sizes of 48 of the 50
models of its table A9 come out to the million; the vocabulary is exact to a few special tokens only).
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Literal, get_args

Norm = Literal["layer", "rms"]
Positions = Literal["learned", "rotary", "relative"]


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A decoder-only transformer, as far as its cost goes.

    Attributes:
        vocab_size, n_layers, d_model, n_heads, n_kv_heads, d_head, d_ff: the field's names; n_heads * d_head need not
            be d_model (Qwen3's is twice as large).
        context_len: tokens of the longest sequence; rows of the table if positions are learned.
        gated: three matrices in the feed-forward (SwiGLU, GEGLU) instead of two.
        tied: the output matrix is the embedding.
        norm: "layer" has a gain and a bias, "rms" a gain; two a layer, one at the end.
        biases: on every linear layer but the output's.
        positions: "learned" adds a table; "rotary" has no parameters; "relative" is Transformer-XL's, with one more
            (d_model, n_heads * d_head) matrix a layer.
        qk_norm: an RMSNorm over d_head on queries and one on keys, shared by the heads.
    """

    vocab_size: int
    n_layers: int
    d_model: int
    n_heads: int
    n_kv_heads: int
    d_head: int
    d_ff: int
    context_len: int
    gated: bool = True
    tied: bool = False
    norm: Norm = "rms"
    biases: bool = False
    positions: Positions = "rotary"
    qk_norm: bool = False

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            whole = isinstance(value, int) and not isinstance(value, bool)
            if field.type == "int" and not (whole and value > 0):
                raise ValueError(f"{field.name} is {value!r}; give a whole number of at least 1")
            if field.type == "bool" and not isinstance(value, bool):
                raise ValueError(f"{field.name} is {value!r}; give true or false")
        if self.n_heads % self.n_kv_heads:
            raise ValueError(
                f"{self.n_heads} heads cannot share {self.n_kv_heads} key-value heads evenly; "
                "give n_kv_heads that divides n_heads"
            )
        one_of("norm", self.norm, get_args(Norm))
        one_of("positions", self.positions, get_args(Positions))

    @property
    def d_q(self) -> int:
        """Width of all queries of a token, H * D."""
        return self.n_heads * self.d_head

    @property
    def d_kv(self) -> int:
        """Width of all keys of a token, and of all its values, K * D."""
        return self.n_kv_heads * self.d_head

    def check(self, *, batch: int, seq: int) -> None:
        """Raise ValueError where (B, T) tokens cannot be run: below 1, or longer than a learned position table."""
        if not all(isinstance(n, int) and n > 0 for n in (batch, seq)):
            raise ValueError(f"batch {batch!r} and seq {seq!r}: give whole numbers of at least 1")
        if self.positions == "learned" and seq > self.context_len:
            raise ValueError(f"seq {seq} is longer than the {self.context_len} learned positions; give a shorter one")


def one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    """Raise ValueError where ``value`` of the option ``name`` is none of those allowed."""
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{name} is {value!r}; give one of: {', '.join(allowed)}")


def _gpt(d_model: int, n_layers: int, n_heads: int, context_len: int) -> Shape:
    return Shape(
        vocab_size=50257,
        n_layers=n_layers,
        d_model=d_model,
        n_heads=n_heads,
        n_kv_heads=n_heads,
        d_head=d_model // n_heads,
        d_ff=4 * d_model,
        context_len=context_len,
        gated=False,
        tied=True,
        norm="layer",
        biases=True,
        positions="learned",
    )


def _llama(
    vocab_size: int,
    d_model: int,
    n_layers: int,
    heads: tuple[int, int],
    d_ff: int,
    context_len: int,
    *,
    tied: bool = False,
) -> Shape:
    """``heads``: query heads, key-value heads."""
    return Shape(
        vocab_size=vocab_size,
        n_layers=n_layers,
        d_model=d_model,
        n_heads=heads[0],
        n_kv_heads=heads[1],
        d_head=d_model // heads[0],
        d_ff=d_ff,
        context_len=context_len,
        tied=tied,
    )


PRESETS: Mapping[str, Shape] = MappingProxyType(
    {
        "gpt2": _gpt(768, 12, 12, 1024),
        "gpt2-medium": _gpt(1024, 24, 16, 1024),
        "gpt2-large": _gpt(1280, 36, 20, 1024),
        "gpt2-xl": _gpt(1600, 48, 25, 1024),
        "gpt3-175b": _gpt(12288, 96, 96, 2048),
        "chinchilla-70b": Shape(
            vocab_size=32000,
            n_layers=80,
            d_model=8192,
            n_heads=64,
            n_kv_heads=64,
            d_head=128,
            d_ff=32768,
            context_len=2048,
            gated=False,
            tied=True,
            biases=True,
            positions="relative",
        ),
        "llama2-7b": _llama(32000, 4096, 32, (32, 32), 11008, 4096),
        "llama2-13b": _llama(32000, 5120, 40, (40, 40), 13824, 4096),
        "llama2-70b": _llama(32000, 8192, 80, (64, 8), 28672, 4096),
        "llama3-8b": _llama(128256, 4096, 32, (32, 8), 14336, 8192),
        "llama3-70b": _llama(128256, 8192, 80, (64, 8), 28672, 8192),
        "llama3-405b": _llama(128256, 16384, 126, (128, 8), 53248, 131072),
        "smollm2-135m": _llama(49152, 576, 30, (9, 3), 1536, 8192, tied=True),
        "qwen3-0.6b": Shape(
            vocab_size=151936,
            n_layers=28,
            d_model=1024,
            n_heads=16,
            n_kv_heads=8,
            d_head=128,
            d_ff=3072,
            context_len=40960,
            tied=True,
            qk_norm=True,
        ),
        # Our own. d_ff is 8/3 d_model rounded up to a multiple of 32: gated, it costs what 4 d_model would ungated.
        "liltown": _llama(1024, 128, 6, (4, 2), 352, 256, tied=True),
        "lillm-39m": _llama(8192, 512, 12, (16, 8), 1376, 1024, tied=True),
        "lillm-300m": _llama(8192, 1024, 24, (16, 8), 2752, 1024, tied=True),
    }
)


def preset(name: str) -> Shape:
    """The shape of a well-known model.

    >>> preset("gpt2").d_ff
    3072
    """
    if isinstance(name, str) and name in PRESETS:
        return PRESETS[name]
    close = difflib.get_close_matches(str(name), PRESETS, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    raise ValueError(f"there is no preset {name!r}; {hint}choose one of: {', '.join(PRESETS)}")
