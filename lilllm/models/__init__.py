"""Whole models, made of `lilllm.layers`.

Read in order: config (the choices), presets (those of well-known models), block (one layer), decoder (a language
model), init (how weights begin), encoder, encoder_decoder; then pretrained, families and export_hf: published weights,
in and out.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lilllm.models.block import Block
    from lilllm.models.config import ModelConfig
    from lilllm.models.decoder import Decoder
    from lilllm.models.encoder import Encoder
    from lilllm.models.encoder_decoder import EncoderDecoder
    from lilllm.models.export_hf import export
    from lilllm.models.presets import PRESETS, preset
    from lilllm.models.pretrained import from_pretrained

__all__ = [
    "PRESETS",
    "Block",
    "Decoder",
    "Encoder",
    "EncoderDecoder",
    "ModelConfig",
    "export",
    "from_pretrained",
    "preset",
]

_HOMES = {
    "PRESETS": "presets",
    "Block": "block",
    "Decoder": "decoder",
    "Encoder": "encoder",
    "EncoderDecoder": "encoder_decoder",
    "ModelConfig": "config",
    "export": "export_hf",
    "from_pretrained": "pretrained",
    "preset": "presets",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:  # they import torch
        return getattr(import_module(f"lilllm.models.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
