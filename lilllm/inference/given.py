"""What callers give: numbers of the right kind and size, or a ValueError that says what is allowed.

    whole("max_new", 2.5, 0, "how many tokens to add at most")      ValueError: max_new is 2.5; give how many ...

Read in order: whole, number, flags, ids; decoder, check_prompts and check_run (of `generate`, `steps`, `beam_search`)
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Collection, Sequence
from typing import Any

from lilllm.models import Decoder


def whole(name: str, value: Any, least: int, allowed: str) -> int:
    """``value`` as an int (numpy's too, no bool), at least ``least``."""
    try:
        found = operator.index(value)
    except TypeError:
        found = least - 1
    if found < least or isinstance(value, bool):
        raise ValueError(f"{name} is {value!r}; give {allowed}")
    return found


def number(name: str, value: Any, holds: Callable[[float], bool], allowed: str) -> None:
    """Refuse what is no finite number (a bool is none), or one of which ``holds`` is not so."""
    try:
        fits = not isinstance(value, bool | str) and math.isfinite(value) and holds(value)
    except (TypeError, ValueError, OverflowError):
        fits = False
    if not fits:
        raise ValueError(f"{name} is {value!r}; give {allowed}")


def flags(**values: Any) -> None:
    """Refuse what is neither True nor False: a "no" would count as yes."""
    for name, value in values.items():
        if not isinstance(value, bool):
            raise ValueError(f"{name} is {value!r}; give True or False")


def ids(name: str, tokens: Any, V: int) -> None:
    """Refuse what is no collection of tokens of a vocabulary of ``V``."""
    if isinstance(tokens, str) or not isinstance(tokens, Collection):
        raise ValueError(f"{name} is {tokens!r}; give a list of tokens, such as [0]")
    for token in tokens:
        if not (hasattr(token, "__index__") and 0 <= operator.index(token) < V):
            raise ValueError(f"{name}: token {token!r} is not in the vocabulary of {V}; give 0 to {V - 1}")


def decoder(model: Any) -> None:
    if not isinstance(model, Decoder):
        raise ValueError(
            f"model is a {type(model).__name__}; give a lilllm.models.Decoder, such as load('liltown').model"
        )


def check_prompts(model: Decoder, prompts: Sequence[Sequence[int]]) -> list[list[int]]:
    """The prompts as lists of whole numbers; ValueError where one is none that the model can go on with."""
    decoder(model)
    if not hasattr(prompts, "__len__"):
        raise ValueError(f"prompts is {prompts!r}; give a list of lists of tokens")
    if len(prompts) and isinstance(prompts[0], int):
        raise ValueError("prompts are a list of lists of tokens, one list for each; put the one prompt in a list")
    V, longest = model.config.vocab_size, model.config.context_len
    rows = []
    for number, prompt in enumerate(prompts):
        try:
            row = [operator.index(token) for token in prompt]
        except TypeError:
            raise ValueError(f"prompt {number} is no list of whole numbers; encode a text first") from None
        if not row:
            raise ValueError(
                f"prompt {number} is empty; give one token at least, such as the one that ends documents: a new one "
                "follows it"
            )
        if len(row) > longest:
            raise ValueError(
                f"prompt {number} has {len(row)} tokens, and the model's context is {longest}; keep its last {longest} "
                "or fewer, to leave room for an answer"
            )
        wrong = [token for token in row if not 0 <= token < V]
        if wrong:
            raise ValueError(f"token {wrong[0]} is not in the vocabulary of {V}; give 0 to {V - 1}")
        rows.append(row)
    return rows


def check_run(model: Decoder, max_new: int, stop_ids: Collection[int], limit: int | None) -> None:
    """ValueError where the model cannot be asked as it is, or a number is out of range."""
    config = model.config
    if model.training and config.dropout:
        raise ValueError(f"in training dropout {config.dropout} is drawn, also here; call model.eval() first")
    if model.cross:
        raise ValueError("a decoder with cross-attention needs a memory, which generate has not")
    whole("max_new", max_new, 0, "how many tokens to add at most, 0 or more")
    ids("stop_ids", stop_ids, config.vocab_size)
    if limit is not None:
        whole("limit", limit, 1, "how many tokens there are: one at least must be left that may be drawn")
