"""How large is the KV cache?"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch

from lilllm.course.exercise import Case, Exercise, Mistake


def solution(n_layers: int, n_kv_heads: int, d_head: int, tokens: int, batch: int, bytes_each: int) -> int:
    """Keys and values: of every layer, head, channel, token and row."""
    return 2 * n_layers * n_kv_heads * d_head * tokens * batch * bytes_each


def by_token(n_layers: int, n_kv_heads: int, d_head: int, tokens: int, batch: int, bytes_each: int) -> int:
    key = n_kv_heads * d_head * bytes_each
    a_token = sum(key + key for _ in range(n_layers))
    return a_token * tokens * batch


def by_shapes(n_layers: int, n_kv_heads: int, d_head: int, tokens: int, batch: int, bytes_each: int) -> int:
    shape = (n_layers, batch, n_kv_heads, tokens, d_head)
    keys = values = math.prod(shape)
    return (keys + values) * bytes_each


def by_tensors(n_layers: int, n_kv_heads: int, d_head: int, tokens: int, batch: int, bytes_each: int) -> int:
    k = torch.empty(batch, n_kv_heads, tokens, d_head, dtype=torch.uint8, device="meta")
    return n_layers * (k.nbytes + k.nbytes) * bytes_each


def keys_alone(n_layers: int, n_kv_heads: int, d_head: int, tokens: int, batch: int, bytes_each: int) -> int:
    return n_layers * n_kv_heads * d_head * tokens * batch * bytes_each


def one_layer(n_layers: int, n_kv_heads: int, d_head: int, tokens: int, batch: int, bytes_each: int) -> int:
    return 2 * n_kv_heads * d_head * tokens * batch * bytes_each


def one_row(n_layers: int, n_kv_heads: int, d_head: int, tokens: int, batch: int, bytes_each: int) -> int:
    return 2 * n_layers * n_kv_heads * d_head * tokens * bytes_each


def one_token(n_layers: int, n_kv_heads: int, d_head: int, tokens: int, batch: int, bytes_each: int) -> int:
    return 2 * n_layers * n_kv_heads * d_head * batch * bytes_each


def one_head(n_layers: int, n_kv_heads: int, d_head: int, tokens: int, batch: int, bytes_each: int) -> int:
    return 2 * n_layers * d_head * tokens * batch * bytes_each


def no_channels(n_layers: int, n_kv_heads: int, d_head: int, tokens: int, batch: int, bytes_each: int) -> int:
    return 2 * n_layers * n_kv_heads * tokens * batch * bytes_each


def numbers(n_layers: int, n_kv_heads: int, d_head: int, tokens: int, batch: int, bytes_each: int) -> int:
    return 2 * n_layers * n_kv_heads * d_head * tokens * batch


def scores(n_layers: int, n_kv_heads: int, d_head: int, tokens: int, batch: int, bytes_each: int) -> int:
    return n_layers * n_kv_heads * tokens * tokens * batch * bytes_each


def squared(n_layers: int, n_kv_heads: int, d_head: int, tokens: int, batch: int, bytes_each: int) -> int:
    return 2 * n_layers * n_kv_heads * d_head * tokens**2 * batch * bytes_each


def queries_too(n_layers: int, n_kv_heads: int, d_head: int, tokens: int, batch: int, bytes_each: int) -> int:
    return 3 * n_layers * n_kv_heads * d_head * tokens * batch * bytes_each


def bits(n_layers: int, n_kv_heads: int, d_head: int, tokens: int, batch: int, bytes_each: int) -> int:
    return 8 * solution(n_layers, n_kv_heads, d_head, tokens, batch, bytes_each)


def as_gigabytes(n_layers: int, n_kv_heads: int, d_head: int, tokens: int, batch: int, bytes_each: int) -> float:
    return solution(n_layers, n_kv_heads, d_head, tokens, batch, bytes_each) / 1e9


def channels_squared(n_layers: int, n_kv_heads: int, d_head: int, tokens: int, batch: int, bytes_each: int) -> int:
    return 2 * n_layers * n_kv_heads * d_head**2 * tokens * batch * bytes_each


def channels_split(n_layers: int, n_kv_heads: int, d_head: int, tokens: int, batch: int, bytes_each: int) -> int:
    return 2 * n_layers * (d_head // n_kv_heads) * tokens * batch * bytes_each


def without_the_last(n_layers: int, n_kv_heads: int, d_head: int, tokens: int, batch: int, bytes_each: int) -> int:
    return 2 * n_layers * n_kv_heads * d_head * (tokens - 1) * batch * bytes_each


def cases() -> Iterator[Case]:
    # One number as key and one as value, of two bytes each.
    yield Case((1, 1, 1, 1, 1, 2), 4)
    yield Case((1, 2, 4, 3, 1, 2), 2 * 2 * 4 * 3 * 2)
    yield Case((5, 2, 8, 7, 3, 4), by_shapes(5, 2, 8, 7, 3, 4))
    # Llama 3 8B in bfloat16: 131,072 bytes a token, so 8192 tokens take 1 GiB.
    yield Case((32, 8, 128, 1, 1, 2), 131_072)
    yield Case((32, 8, 128, 8192, 1, 2), 2**30)
    yield Case((32, 8, 128, 8192, 64, 1), 2**35)


EXERCISE = Exercise(
    task=(
        "How many bytes has the KV cache of a model of `n_layers` layers with `n_kv_heads` heads of keys and values of "
        "`d_head` channels, for `batch` texts of `tokens` tokens, at `bytes_each` bytes a number?"
    ),
    call="cache_bytes(n_layers, n_kv_heads, d_head, tokens, batch, bytes_each)",
    hints=(
        "For one token of one text, each layer keeps a key and a value. How many numbers is a key?",
        "A key has n_kv_heads * d_head numbers, and the value as many; all else multiplies.",
    ),
    solution=solution,
    also_right=(by_token, by_shapes, by_tensors),
    mistakes=(
        Mistake(keys_alone, "You count keys or values, not both: twice as much."),
        Mistake(one_layer, "This is one layer's: each layer has keys and values of its own."),
        Mistake(one_row, "This is the cache of one text: each text of the batch has its own."),
        Mistake(one_token, "This is the cache of one token: all tokens so far are kept."),
        Mistake(one_head, "This is one head's: there are n_kv_heads."),
        Mistake(no_channels, "A key of a head is d_head numbers, not one."),
        Mistake(numbers, "These are numbers: multiply by the bytes of each."),
        Mistake(
            scores,
            "You count scores, tokens by tokens: they are worked out anew for each token, and nothing keeps them.",
        ),
        Mistake(squared, "The cache grows with the tokens, not with their square: a token adds its own key and value."),
        Mistake(queries_too, "You keep queries too: a query is used once, when its token is read, and never again."),
        Mistake(bits, "These are bits: bytes are asked for."),
        Mistake(as_gigabytes, "These are gigabytes: give bytes, as an int."),
        Mistake(
            channels_squared,
            "d_head squared is the size of a weight: the cache keeps keys, d_head numbers for each head.",
        ),
        Mistake(channels_split, "d_head is the width of one head already: multiply by the heads."),
        Mistake(without_the_last, "One token is missing: `tokens` are those that are kept."),
    ),
    cases=cases,
)
