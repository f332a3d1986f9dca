"""What the weights of well-known models are called in their files, and which of ours each one is.

A table has their names on the left and ours on the right; ``{i}`` is a layer. Two marks on ours tell how numbers lie:

    [q] [k] [v]   these rows of our one matrix of queries, keys and values: theirs are three
    .T            theirs is stored input by output (GPT-2's Conv1D), ours output by input, as nn.Linear

A line whose right side a model does not have (biases, QK-norm, a head of its own) is not its own: so one table serves
Llama, Qwen2, Qwen3 and Mistral.

Read in order: LLAMA, GPT2 (the tables), Piece, pieces (the table of one model), FAMILIES (the table and class of
each). What config.json says is `lilllm.models.config_read`.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from torch import Tensor

from lilllm.models.config import ModelConfig

LLAMA = MappingProxyType(
    {
        "model.embed_tokens.weight": "embed.weight",
        "model.layers.{i}.input_layernorm.weight": "blocks.{i}.norm1.weight",
        "model.layers.{i}.self_attn.q_proj.weight": "blocks.{i}.attention.qkv.weight[q]",
        "model.layers.{i}.self_attn.k_proj.weight": "blocks.{i}.attention.qkv.weight[k]",
        "model.layers.{i}.self_attn.v_proj.weight": "blocks.{i}.attention.qkv.weight[v]",
        "model.layers.{i}.self_attn.q_proj.bias": "blocks.{i}.attention.qkv.bias[q]",
        "model.layers.{i}.self_attn.k_proj.bias": "blocks.{i}.attention.qkv.bias[k]",
        "model.layers.{i}.self_attn.v_proj.bias": "blocks.{i}.attention.qkv.bias[v]",
        "model.layers.{i}.self_attn.q_norm.weight": "blocks.{i}.attention.q_norm.weight",
        "model.layers.{i}.self_attn.k_norm.weight": "blocks.{i}.attention.k_norm.weight",
        "model.layers.{i}.self_attn.o_proj.weight": "blocks.{i}.attention.out.weight",
        "model.layers.{i}.self_attn.o_proj.bias": "blocks.{i}.attention.out.bias",
        "model.layers.{i}.post_attention_layernorm.weight": "blocks.{i}.norm2.weight",
        "model.layers.{i}.mlp.gate_proj.weight": "blocks.{i}.ffn.gate.weight",
        "model.layers.{i}.mlp.gate_proj.bias": "blocks.{i}.ffn.gate.bias",
        "model.layers.{i}.mlp.up_proj.weight": "blocks.{i}.ffn.up.weight",
        "model.layers.{i}.mlp.up_proj.bias": "blocks.{i}.ffn.up.bias",
        "model.layers.{i}.mlp.down_proj.weight": "blocks.{i}.ffn.down.weight",
        "model.layers.{i}.mlp.down_proj.bias": "blocks.{i}.ffn.down.bias",
        "model.norm.weight": "norm.weight",
        "lm_head.weight": "head.weight",
    }
)
GPT2 = MappingProxyType(
    {
        "transformer.wte.weight": "embed.weight",
        "transformer.wpe.weight": "positions.weight",
        "transformer.h.{i}.ln_1.weight": "blocks.{i}.norm1.weight",
        "transformer.h.{i}.ln_1.bias": "blocks.{i}.norm1.bias",
        "transformer.h.{i}.attn.c_attn.weight": "blocks.{i}.attention.qkv.weight.T",
        "transformer.h.{i}.attn.c_attn.bias": "blocks.{i}.attention.qkv.bias",
        "transformer.h.{i}.attn.c_proj.weight": "blocks.{i}.attention.out.weight.T",
        "transformer.h.{i}.attn.c_proj.bias": "blocks.{i}.attention.out.bias",
        "transformer.h.{i}.ln_2.weight": "blocks.{i}.norm2.weight",
        "transformer.h.{i}.ln_2.bias": "blocks.{i}.norm2.bias",
        "transformer.h.{i}.mlp.c_fc.weight": "blocks.{i}.ffn.up.weight.T",
        "transformer.h.{i}.mlp.c_fc.bias": "blocks.{i}.ffn.up.bias",
        "transformer.h.{i}.mlp.c_proj.weight": "blocks.{i}.ffn.down.weight.T",
        "transformer.h.{i}.mlp.c_proj.bias": "blocks.{i}.ffn.down.bias",
        "transformer.ln_f.weight": "norm.weight",
        "transformer.ln_f.bias": "norm.bias",
        "lm_head.weight": "head.weight",
    }
)
HEAD = "lm_head.weight"  # of a model with tied embeddings too, in some files
_OURS = re.compile(r"(?P<name>.*?)(?:\[(?P<part>[qkv])\])?(?P<turned>\.T)?")


@dataclass(frozen=True)
class Family:
    """Models whose files are alike.

    Attributes:
        model_type, architecture: as config.json has them.
        names: theirs to ours.
        prefix: what some files leave out before all names but the head's (those of openai-community/gpt2 do).
        spare: tensors of old files that hold no weights, of any dtype: causal masks, RoPE's rates.
    """

    model_type: str
    architecture: str
    names: Mapping[str, str]
    prefix: str
    spare: re.Pattern[str]


@dataclass(frozen=True)
class Piece:
    """One of their tensors, and where in ours it lies: ``rows`` of the parameter ``ours``, turned if ``transposed``."""

    theirs: str
    ours: str
    rows: slice
    transposed: bool

    def of(self, parameter: Tensor) -> Tensor:
        """A view of our parameter as theirs lies: copying into it loads, reading it exports."""
        part = parameter[self.rows]
        return part.T if self.transposed else part


def pieces(family: Family, config: ModelConfig, ours: Container[str]) -> list[Piece]:
    """All of their tensors that make the parameters named in ``ours``, in the order of the table, layer by layer.

    >>> config = ModelConfig(vocab_size=8, n_layers=1, d_model=4, n_heads=2, n_kv_heads=1, context_len=8)
    >>> piece = pieces(FAMILIES["llama"], config, {"blocks.0.attention.qkv.weight"})[1]
    >>> piece.theirs, piece.rows
    ('model.layers.0.self_attn.k_proj.weight', slice(4, 6, None))
    """
    q, kv = config.n_heads * config.d_head, config.n_kv_heads * config.d_head
    rows = {"q": slice(0, q), "k": slice(q, q + kv), "v": slice(q + kv, q + 2 * kv), None: slice(None)}
    found = []
    for theirs, mark, in_layer in _by_layer(family.names, config.n_layers):
        parsed = _OURS.fullmatch(mark)
        assert parsed is not None
        name = parsed["name"].format(i=in_layer)
        if name in ours:
            found.append(Piece(theirs.format(i=in_layer), name, rows[parsed["part"]], bool(parsed["turned"])))
    return found


def _by_layer(names: Mapping[str, str], n_layers: int) -> Iterable[tuple[str, str, int]]:
    table = list(names.items())
    first = next(at for at, (theirs, _) in enumerate(table) if "{i}" in theirs)
    layer = [(theirs, ours) for theirs, ours in table if "{i}" in theirs]
    yield from ((theirs, ours, 0) for theirs, ours in table[:first])
    yield from ((theirs, ours, i) for i in range(n_layers) for theirs, ours in layer)
    yield from ((theirs, ours, 0) for theirs, ours in table[first + len(layer) :])


_ROTARY = re.compile(r"model\.layers\.\d+\.self_attn\.rotary_emb\.inv_freq")
_MASKS = re.compile(r"transformer\.h\.\d+\.attn\.(masked_)?bias")
FAMILIES = MappingProxyType(
    {
        "gpt2": Family("gpt2", "GPT2LMHeadModel", GPT2, "transformer.", _MASKS),
        "llama": Family("llama", "LlamaForCausalLM", LLAMA, "model.", _ROTARY),
        "qwen3": Family("qwen3", "Qwen3ForCausalLM", LLAMA, "model.", _ROTARY),
        "qwen2": Family("qwen2", "Qwen2ForCausalLM", LLAMA, "model.", _ROTARY),
        "mistral": Family("mistral", "MistralForCausalLM", LLAMA, "model.", _ROTARY),
    }
)
