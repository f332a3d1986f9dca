"""What models learn from: text and images that are always there, and the way from text to batches.

    python_docs   prose of the Python language reference, from the Python that runs
    python_code   source code of the standard library, from the Python that runs
    article_one   one short text in fifteen languages
    LilTown       a small world in simple English: stories, questions with true answers, sums, preferences
    digits        handwritten digits of 8 x 8 pixels, with captions

    documents     the texts of a set, of the network or of your files, one after the other
    write_tokens  documents to token ids in memory-mapped files, in parallel, and again after a crash
    Loader        token ids to batches

Read in order:  frozen (why a list of hashes), python_docs, python_code, human_rights, liltown, digits
                documents (texts from anywhere), document_files, network, network_cache
                tokens (a corpus as one row of ids), token_files, token_index; token_writer, token_encoding, token_pool,
                token_shards, token_journal; packing, batch, shuffle, prefetch, loader, fill_in
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lilllm.data.digits import Digits, digits
from lilllm.data.documents import Documents, documents
from lilllm.data.human_rights import LANGUAGES, article_one
from lilllm.data.liltown import LilTown
from lilllm.data.python_code import python_code
from lilllm.data.python_docs import python_docs

if TYPE_CHECKING:
    from lilllm.data.batch import Batch
    from lilllm.data.fill_in import fill_in_the_middle
    from lilllm.data.loader import Loader, sequential
    from lilllm.data.packing import document_ids, pack
    from lilllm.data.token_encoding import tokenizer_digest
    from lilllm.data.token_files import TokenFiles
    from lilllm.data.token_writer import write_tokens
    from lilllm.data.tokens import TokenArray, Tokens

__all__ = [
    "LANGUAGES",
    "Batch",
    "Digits",
    "Documents",
    "LilTown",
    "Loader",
    "TokenArray",
    "TokenFiles",
    "Tokens",
    "article_one",
    "digits",
    "document_ids",
    "documents",
    "fill_in_the_middle",
    "pack",
    "python_code",
    "python_docs",
    "sequential",
    "tokenizer_digest",
    "write_tokens",
]

_HOMES = {  # of what imports torch, or what the sets do not need
    "Batch": "batch",
    "Loader": "loader",
    "TokenArray": "tokens",
    "TokenFiles": "token_files",
    "Tokens": "tokens",
    "document_ids": "packing",
    "fill_in_the_middle": "fill_in",
    "pack": "packing",
    "sequential": "loader",
    "tokenizer_digest": "token_encoding",
    "write_tokens": "token_writer",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"lilllm.data.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
