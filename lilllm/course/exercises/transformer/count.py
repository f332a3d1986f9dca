"""How many parameters has LilLM?"""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from lilllm.course.exercise import Case, Exercise, Mistake


def solution(vocab: int, layers: int, d_model: int, d_ff: int, n_heads: int, n_kv_heads: int) -> int:
    """Two matrices of d_model squared, two narrower ones, three of the feed-forward, and gains."""
    d_kv = d_model // n_heads * n_kv_heads
    attention = 2 * d_model * d_model + 2 * d_model * d_kv  # q and out; k and v
    block = attention + 3 * d_model * d_ff + 2 * d_model
    return vocab * d_model + layers * block + d_model


def by_list(vocab: int, layers: int, d_model: int, d_ff: int, n_heads: int, n_kv_heads: int) -> int:
    d_head = d_model // n_heads
    shapes = [(d_model, n_heads * d_head), (n_heads * d_head, d_model)]
    shapes += [(d_model, n_kv_heads * d_head)] * 2 + [(d_model, d_ff)] * 2 + [(d_ff, d_model)] + [(d_model, 1)] * 2
    return sum(rows * columns for rows, columns in [(vocab, d_model), (d_model, 1), *shapes * layers])


def by_module(vocab: int, layers: int, d_model: int, d_ff: int, n_heads: int, n_kv_heads: int) -> int:
    d_kv = d_model * n_kv_heads // n_heads
    sizes = [(d_model, d_model), (d_model, 2 * d_kv), (d_model, d_model), (d_model, 2 * d_ff), (d_ff, d_model)]
    parts: list[nn.Module] = [nn.Embedding(vocab, d_model, device="meta"), nn.RMSNorm(d_model, device="meta")]
    for _ in range(layers):
        parts += [nn.Linear(*size, bias=False, device="meta") for size in sizes]
        parts += [nn.RMSNorm(d_model, device="meta"), nn.RMSNorm(d_model, device="meta")]
    return sum(parameter.numel() for part in parts for parameter in part.parameters())


def untied(vocab: int, layers: int, d_model: int, d_ff: int, n_heads: int, n_kv_heads: int) -> int:
    return solution(vocab, layers, d_model, d_ff, n_heads, n_kv_heads) + vocab * d_model


def all_heads(vocab: int, layers: int, d_model: int, d_ff: int, n_heads: int, n_kv_heads: int) -> int:
    return solution(vocab, layers, d_model, d_ff, n_heads, n_heads)


def two_matrices(vocab: int, layers: int, d_model: int, d_ff: int, n_heads: int, n_kv_heads: int) -> int:
    return solution(vocab, layers, d_model, d_ff, n_heads, n_kv_heads) - layers * d_model * d_ff


def no_norms(vocab: int, layers: int, d_model: int, d_ff: int, n_heads: int, n_kv_heads: int) -> int:
    return solution(vocab, layers, d_model, d_ff, n_heads, n_kv_heads) - (2 * layers + 1) * d_model


def no_last_norm(vocab: int, layers: int, d_model: int, d_ff: int, n_heads: int, n_kv_heads: int) -> int:
    return solution(vocab, layers, d_model, d_ff, n_heads, n_kv_heads) - d_model


def no_out(vocab: int, layers: int, d_model: int, d_ff: int, n_heads: int, n_kv_heads: int) -> int:
    return solution(vocab, layers, d_model, d_ff, n_heads, n_kv_heads) - layers * d_model * d_model


def one_kv(vocab: int, layers: int, d_model: int, d_ff: int, n_heads: int, n_kv_heads: int) -> int:
    return (
        solution(vocab, layers, d_model, d_ff, n_heads, n_kv_heads) - layers * d_model * d_model * n_kv_heads // n_heads
    )


def per_head(vocab: int, layers: int, d_model: int, d_ff: int, n_heads: int, n_kv_heads: int) -> int:
    attention = 2 * n_heads * d_model**2 + 2 * n_kv_heads * d_model**2
    return vocab * d_model + layers * (attention + 3 * d_model * d_ff + 2 * d_model) + d_model


def with_biases(vocab: int, layers: int, d_model: int, d_ff: int, n_heads: int, n_kv_heads: int) -> int:
    biases = 2 * d_model + 2 * d_model * n_kv_heads // n_heads + 2 * d_ff + d_model
    return solution(vocab, layers, d_model, d_ff, n_heads, n_kv_heads) + layers * biases


def without_embedding(vocab: int, layers: int, d_model: int, d_ff: int, n_heads: int, n_kv_heads: int) -> int:
    return solution(vocab, layers, d_model, d_ff, n_heads, n_kv_heads) - vocab * d_model


def cases() -> Iterator[Case]:
    # Embedding 3, last gain 1; no layer.
    yield Case((3, 0, 1, 1, 1, 1), 4)
    # One layer of width 2: attention 4 matrices of 4, feed-forward 3 of 2 * 5, two gains; embedding 6, last gain 2.
    yield Case((3, 1, 2, 5, 1, 1), 16 + 30 + 4 + 6 + 2)
    # Width 4, two heads, one of keys and values: 16 + 16 + 8 + 8.
    yield Case((3, 1, 4, 5, 2, 1), 48 + 60 + 8 + 12 + 4)
    for given in ((10, 2, 8, 20, 4, 2), (100, 3, 16, 40, 8, 8), (8192, 12, 512, 1408, 16, 8)):
        yield Case(given, by_list(*given))


EXERCISE = Exercise(
    task=(
        "How many parameters has a LilLM? `vocab` tokens, `layers` blocks of attention with `n_heads` query heads and "
        "`n_kv_heads` shared ones (a head has d_model / n_heads channels) and of SwiGLU with `d_ff`; two RMSNorms a "
        "block and one at the end; no biases, rotary positions, and the output's weights are the embedding's."
    ),
    call="n_parameters(vocab, layers, d_model, d_ff, n_heads, n_kv_heads)",
    hints=(
        "List the shapes of one block: queries, keys, values, output; gate, up, down; two gains.",
        "Keys and values have n_kv_heads * d_model / n_heads columns each; queries and output d_model.",
        "vocab * d_model + layers * (attention + 3 * d_model * d_ff + 2 * d_model) + d_model.",
    ),
    solution=solution,
    also_right=(by_list, by_module),
    mistakes=(
        Mistake(untied, "You count the output's matrix too: it is the embedding's, counted once."),
        Mistake(all_heads, "You give keys and values as many heads as queries: there are n_kv_heads of them."),
        Mistake(two_matrices, "You count two matrices in the feed-forward: SwiGLU has three, gate, up and down."),
        Mistake(no_norms, "The gains of the norms are missing: d_model each, two a block and one at the end."),
        Mistake(no_last_norm, "The norm at the end is missing: d_model more."),
        Mistake(no_out, "Attention's output projection is missing: d_model * d_model a block."),
        Mistake(one_kv, "You count keys or values, not both."),
        Mistake(
            per_head,
            "You give every head a whole d_model * d_model matrix: a head has d_model / n_heads columns of it.",
        ),
        Mistake(with_biases, "You count biases: LilLM has none."),
        Mistake(
            without_embedding,
            "The embedding is missing: vocab * d_model. Papers leave it out of N, but here all are asked for.",
        ),
    ),
    cases=cases,
    seconds=10.0,  # whoever builds the modules waits for torch's own first use of them
)
