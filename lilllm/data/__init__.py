"""What models learn from: text and images that are always there, and the way from text to batches.

    python_docs   prose of the Python language reference, from the Python that runs
    python_code   source code of the standard library, from the Python that runs
    article_one   one short text in fifteen languages
    LilTown       a small world in simple English: stories, questions with true answers, sums, preferences
    digits        handwritten digits of 8 x 8 pixels, with captions

Read in order:  frozen (why a list of hashes), python_docs, python_code, human_rights, liltown, digits
                tokens (a corpus as one row of ids), packing, shuffle, prefetch, loader, fill_in
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lilllm.data.digits import Digits, digits
from lilllm.data.human_rights import LANGUAGES, article_one
from lilllm.data.liltown import LilTown
from lilllm.data.python_code import python_code
from lilllm.data.python_docs import python_docs
from lilllm.data.tokens import TokenArray, Tokens

if TYPE_CHECKING:
    from lilllm.data.fill_in import fill_in_the_middle
    from lilllm.data.loader import Batch, Loader, sequential
    from lilllm.data.packing import document_ids, pack

__all__ = [
    "LANGUAGES",
    "Batch",
    "Digits",
    "LilTown",
    "Loader",
    "TokenArray",
    "Tokens",
    "article_one",
    "digits",
    "document_ids",
    "fill_in_the_middle",
    "pack",
    "python_code",
    "python_docs",
    "sequential",
]

_HOMES = {  # of what imports torch
    "Batch": "loader",
    "Loader": "loader",
    "document_ids": "packing",
    "fill_in_the_middle": "fill_in",
    "pack": "packing",
    "sequential": "loader",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"lilllm.data.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
