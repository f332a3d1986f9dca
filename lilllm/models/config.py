"""The numbers and choices that make a model, checked as they are put together.

    ModelConfig(vocab_size=1024, n_layers=6, d_model=128, n_heads=4, n_kv_heads=2, context_len=256)

What is left out is LilLM: RMSNorm before each half of a block, SwiGLU, RoPE, no biases, tied embeddings. With other
choices the same class is GPT-2, Llama, Qwen or the transformer of 2017.

Read in order: ModelConfig (the fields, what follows from them, what is refused), shape (what it costs), to_dict and
from_dict (to JSON and back).
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any, Literal, get_args

from lilllm.accounting.shape import Shape, one_of
from lilllm.layers.rope import LinearScaling, Llama3Scaling

Norm = Literal["rms", "layer"]
NormPlace = Literal["pre", "post"]
Activation = Literal["relu", "gelu", "gelu_tanh", "swiglu", "geglu"]
Positions = Literal["none", "learned", "sinusoidal", "rope", "alibi"]
Init = Literal["gpt2", "normal", "fan_in", "glorot"]
RopeScaling = Llama3Scaling | LinearScaling

_OPTIONS = {"norm": Norm, "norm_place": NormPlace, "activation": Activation, "positions": Positions, "init": Init}
_FOLLOW = ("n_kv_heads", "d_head", "d_ff")  # 0 until __post_init__ has worked them out
_SCALINGS: dict[str, type[Llama3Scaling] | type[LinearScaling]] = {"llama3": Llama3Scaling, "linear": LinearScaling}
MULTIPLE = 32  # d_ff of a gated feed-forward is rounded up to one


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """A transformer: its sizes, and one choice for each part.

    Attributes:
        vocab_size, n_layers, d_model, n_heads: the field's names.
        n_kv_heads: keys and values shared by groups of query heads; left out, n_heads (no sharing).
        d_head: left out, d_model / n_heads. n_heads * d_head need not be d_model (Qwen3's is twice as large).
        d_ff: left out, 4 d_model, or 8/3 d_model rounded up to a multiple of 32 if the activation is gated: three
            matrices of that width cost what two of 4 d_model do (Shazeer 2020, arXiv:2002.05202, section 3).
        context_len: tokens the model is meant for; rows of the table if positions are learned.
        norm, norm_eps: "rms" has a gain, "layer" a gain and a bias.
        norm_place: "pre" norms what enters each half of a block, and once at the end; "post" norms the stream after
            each half, as in 2017, and needs none at the end.
        norm_cast_first: RMSNorm casts to x's dtype before the gain, as Llama and transformers do.
        activation: "swiglu" and "geglu" (exact GELU) are gated; "gelu_tanh" is GPT-2's approximation.
        positions: "learned" and "sinusoidal" are added to the embedding, "rope" turns queries and keys, "alibi" is
            added to scores, "none" leaves order to the causal mask.
        rope_theta, rope_scaling: RoPE's base, and how its angles are stretched (None: not).
        scale_embedding: embeddings times sqrt(d_model), as in 2017 (Vaswani et al., arXiv:1706.03762, section 3.4);
            without it sinusoidal positions drown embeddings of standard deviation 0.02.
        tied: the output matrix is the embedding.
        qkv_bias, out_bias, ffn_bias: on the projections of attention, its output, the feed-forward.
        qk_norm: an RMSNorm over d_head on queries and one on keys, shared by the heads.
        window: a token attends to itself and the window - 1 before it; None: to all before it.
        dropout: on embeddings, attention weights and what each half of a block adds.
        init: how weights begin; see `lilllm.models.init`.
    Raises:
        ValueError: a value is none that its field can have, or two do not go together; the message names them.
    Holds: from_dict(to_dict(c)) == c, also through JSON.

    >>> config = ModelConfig(vocab_size=64, n_layers=2, d_model=32, n_heads=4, context_len=16)
    >>> config.n_kv_heads, config.d_head, config.d_ff  # 8/3 of 32 is 85.3
    (4, 8, 96)
    """

    vocab_size: int
    n_layers: int
    d_model: int
    n_heads: int
    context_len: int
    n_kv_heads: int = 0
    d_head: int = 0
    d_ff: int = 0
    norm: Norm = "rms"
    norm_eps: float = 1e-5
    norm_place: NormPlace = "pre"
    norm_cast_first: bool = False
    activation: Activation = "swiglu"
    positions: Positions = "rope"
    rope_theta: float = 10_000.0
    rope_scaling: RopeScaling | None = None
    scale_embedding: bool = False
    tied: bool = True
    qkv_bias: bool = False
    out_bias: bool = False
    ffn_bias: bool = False
    qk_norm: bool = False
    window: int | None = None
    dropout: float = 0.0
    init: Init = "gpt2"

    def __post_init__(self) -> None:
        for field in fields(self):
            self._check_kind(field.name, field.type, getattr(self, field.name))
        for name, allowed in _OPTIONS.items():
            one_of(name, getattr(self, name), get_args(allowed))
        if not self.n_kv_heads:
            object.__setattr__(self, "n_kv_heads", self.n_heads)
        if not self.d_head:
            if self.d_model % self.n_heads:
                raise ValueError(
                    f"d_model {self.d_model} is not divisible by {self.n_heads} heads; "
                    "give d_head, or another of the two"
                )
            object.__setattr__(self, "d_head", self.d_model // self.n_heads)
        if not self.d_ff:
            wide = -(-8 * self.d_model // (3 * MULTIPLE)) * MULTIPLE
            object.__setattr__(self, "d_ff", wide if self.gated else 4 * self.d_model)
        self._check_together()

    def _check_kind(self, name: str, kind: Any, value: Any) -> None:
        whole = isinstance(value, int) and not isinstance(value, bool)
        least = 0 if name in _FOLLOW else 1
        if kind == "int" and not (whole and value >= least):
            raise ValueError(f"{name} is {value!r}; give a whole number of at least 1")
        if kind == "bool" and not isinstance(value, bool):
            raise ValueError(f"{name} is {value!r}; give True or False")
        if kind == "float":
            number = whole or isinstance(value, float)
            high = 1.0 if name == "dropout" else math.nextafter(math.inf, 0)
            if not (number and 0 <= value < high and (value or name == "dropout")):  # nor NaN
                allowed = "a probability of at least 0 and below 1" if name == "dropout" else "a number above 0"
                raise ValueError(f"{name} is {value!r}; give {allowed}")
            object.__setattr__(self, name, float(value))
        if name == "window" and value is not None and not (whole and value >= 1):
            raise ValueError(f"window is {value!r}; give a whole number of at least 1, or None for all tokens before")
        if name == "rope_scaling" and value is not None and not isinstance(value, Llama3Scaling | LinearScaling):
            raise ValueError(f"rope_scaling is {value!r}; give a Llama3Scaling, a LinearScaling or None")

    def _check_together(self) -> None:
        if self.n_heads % self.n_kv_heads:
            raise ValueError(
                f"{self.n_heads} heads cannot share {self.n_kv_heads} key-value heads evenly; "
                "give n_kv_heads that divides n_heads"
            )
        if self.positions == "rope" and self.d_head % 2:
            raise ValueError(f"RoPE turns pairs of channels, and d_head is {self.d_head}; give an even d_head")
        if self.positions == "sinusoidal" and self.d_model % 2:
            raise ValueError(
                f"sinusoidal positions are pairs of channels, and d_model is {self.d_model}; give an even one"
            )
        if self.rope_scaling is not None and self.positions != "rope":
            raise ValueError(f"rope_scaling stretches RoPE, and positions are {self.positions!r}; leave it out")
        if self.norm_cast_first and self.norm != "rms":
            raise ValueError("norm_cast_first is a matter of RMSNorm, and norm is 'layer'; leave it out")

    @property
    def gated(self) -> bool:
        """Three matrices in the feed-forward instead of two."""
        return self.activation in ("swiglu", "geglu")

    def shape(self) -> Shape:
        """What decides the cost, for `lilllm.accounting`. Positions without parameters all count as "rotary" does.

        Raises:
            ValueError: the closed forms do not know such a model (biases here but not there, norms after each half).
        """
        biases = {self.qkv_bias, self.out_bias, self.ffn_bias}
        if len(biases) > 1:
            raise ValueError("the closed forms know biases on all layers or on none; count the model itself")
        if self.norm_place == "post":
            raise ValueError("the closed forms count a norm at the end, which post-norm lacks; count the model itself")
        return Shape(
            vocab_size=self.vocab_size,
            n_layers=self.n_layers,
            d_model=self.d_model,
            n_heads=self.n_heads,
            n_kv_heads=self.n_kv_heads,
            d_head=self.d_head,
            d_ff=self.d_ff,
            context_len=self.context_len,
            gated=self.gated,
            tied=self.tied,
            norm=self.norm,
            biases=biases == {True},
            positions="learned" if self.positions == "learned" else "rotary",
            qk_norm=self.qk_norm,
        )

    def to_dict(self) -> dict[str, Any]:
        """All fields, of types that JSON has."""
        values = asdict(self)
        for kind, scaling in _SCALINGS.items():
            if isinstance(self.rope_scaling, scaling):
                values["rope_scaling"] = {"kind": kind, **values["rope_scaling"]}
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ModelConfig:
        """The config with these fields.

        Raises:
            ValueError: a name is no field, one that is needed is missing, or a value is none that it can have.
        """
        known = {field.name: field for field in fields(cls)}
        _refuse_unknown(values, list(known), "a model")
        if missing := [name for name, field in known.items() if field.default is MISSING and name not in values]:
            raise ValueError(f"the config lacks {', '.join(missing)}; give all of them")
        given = dict(values)
        if isinstance(scaling := given.get("rope_scaling"), Mapping):
            given["rope_scaling"] = _scaling(scaling)
        return cls(**given)


def _scaling(values: Mapping[str, Any]) -> RopeScaling:
    one_of("the kind of rope_scaling", values.get("kind", ""), tuple(_SCALINGS))
    kind = _SCALINGS[values["kind"]]
    rest = {name: value for name, value in values.items() if name != "kind"}
    known = [field.name for field in fields(kind)]
    _refuse_unknown(rest, known, f"{values['kind']} scaling")
    if missing := [name for name in known if name not in rest]:
        raise ValueError(f"rope_scaling lacks {', '.join(missing)}; give {', '.join(known)}")
    return kind(**rest)


def _refuse_unknown(values: Mapping[str, Any], known: list[str], what: str) -> None:
    for name in values:
        if name not in known:
            close = difflib.get_close_matches(str(name), known, n=1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            raise ValueError(f"{what} has no field {name!r}; {hint}the fields are: {', '.join(known)}")
