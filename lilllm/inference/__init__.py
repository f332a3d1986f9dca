"""Text from a trained model: samplers, generation, and a model that speaks.

Read in order:  samplers (which tokens may come), factual and dola (two more), drawing (one of them), session (the model
                at work on a batch, with its cache), generation (prompts to answers), beam (the best answer as a whole),
                stop (tokens to text as they come), speaker and talk (all of it, for text), conversation (turns),
                sources and loading (from a folder or the hub); given: what callers may give
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lilllm.inference.beam import Beam, beam_search
    from lilllm.inference.conversation import TEMPLATES, Conversation
    from lilllm.inference.dola import DoLa
    from lilllm.inference.drawing import draw
    from lilllm.inference.factual import Factual, sentence_ends
    from lilllm.inference.generation import Generation, Step, generate, steps
    from lilllm.inference.loading import load
    from lilllm.inference.samplers import (
        GREEDY,
        Sampler,
        min_p,
        repetition_penalty,
        temperature,
        top_k,
        top_p,
    )
    from lilllm.inference.session import Session
    from lilllm.inference.speaker import Candidate, Speaker
    from lilllm.inference.stop import TextStream, visible
    from lilllm.inference.taking_away import take_away
    from lilllm.inference.talk import Talk

_HOMES = {
    "GREEDY": "samplers",
    "TEMPLATES": "conversation",
    "Beam": "beam",
    "Candidate": "speaker",
    "Conversation": "conversation",
    "DoLa": "dola",
    "Factual": "factual",
    "Generation": "generation",
    "Sampler": "samplers",
    "Session": "session",
    "Speaker": "speaker",
    "Step": "generation",
    "Talk": "talk",
    "TextStream": "stop",
    "beam_search": "beam",
    "draw": "drawing",
    "generate": "generation",
    "load": "loading",
    "min_p": "samplers",
    "repetition_penalty": "samplers",
    "sentence_ends": "factual",
    "steps": "generation",
    "take_away": "taking_away",
    "temperature": "samplers",
    "top_k": "samplers",
    "top_p": "samplers",
    "visible": "stop",
}

__all__ = [
    "GREEDY",
    "TEMPLATES",
    "Beam",
    "Candidate",
    "Conversation",
    "DoLa",
    "Factual",
    "Generation",
    "Sampler",
    "Session",
    "Speaker",
    "Step",
    "Talk",
    "TextStream",
    "beam_search",
    "draw",
    "generate",
    "load",
    "min_p",
    "repetition_penalty",
    "sentence_ends",
    "steps",
    "take_away",
    "temperature",
    "top_k",
    "top_p",
    "visible",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:  # they import torch
        return getattr(import_module(f"lilllm.inference.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
