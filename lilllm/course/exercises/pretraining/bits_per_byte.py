"""A loss that can be compared between tokenizers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from lilllm.course.exercise import Case, Exercise, Mistake, Property


def solution(loss: float, n_tokens: int, n_bytes: int) -> float:
    """Nats of all tokens, in bits, over the bytes they stand for."""
    return loss * n_tokens / n_bytes / math.log(2.0)


def by_log2(loss: float, n_tokens: int, n_bytes: int) -> float:
    return loss * math.log2(math.e) * (n_tokens / n_bytes)


def by_perplexity(loss: float, n_tokens: int, n_bytes: int) -> float:
    return math.log2(math.exp(loss)) / (n_bytes / n_tokens)


def bits_per_token(loss: float, n_tokens: int, n_bytes: int) -> float:
    return loss / math.log(2.0)


def nats_per_byte(loss: float, n_tokens: int, n_bytes: int) -> float:
    return loss * n_tokens / n_bytes


def upside_down(loss: float, n_tokens: int, n_bytes: int) -> float:
    return loss * n_bytes / n_tokens / math.log(2.0)


def times_ln2(loss: float, n_tokens: int, n_bytes: int) -> float:
    return loss * n_tokens / n_bytes * math.log(2.0)


def log_of_loss(loss: float, n_tokens: int, n_bytes: int) -> float:
    return math.log2(loss) * n_tokens / n_bytes


def total_bits(loss: float, n_tokens: int, n_bytes: int) -> float:
    return loss * n_tokens / math.log(2.0)


def loss_already_summed(loss: float, n_tokens: int, n_bytes: int) -> float:
    return loss / n_bytes / math.log(2.0)


def perplexity_per_byte(loss: float, n_tokens: int, n_bytes: int) -> float:
    return math.exp(loss * n_tokens / n_bytes)


def eights(loss: float, n_tokens: int, n_bytes: int) -> float:
    return loss * n_tokens / (8 * n_bytes) / math.log(2.0)


def log_of_nats_per_byte(loss: float, n_tokens: int, n_bytes: int) -> float:
    return math.log2(loss * n_tokens / n_bytes)


def loss_over_bytes(loss: float, n_tokens: int, n_bytes: int) -> float:
    return loss / n_bytes


def perplexity_spread(loss: float, n_tokens: int, n_bytes: int) -> float:
    return math.exp(loss) * n_tokens / n_bytes


def nats_upside_down(loss: float, n_tokens: int, n_bytes: int) -> float:
    return loss * n_bytes / n_tokens


def whole_tokens(loss: float, n_tokens: int, n_bytes: int) -> float:
    return loss * (n_tokens // n_bytes) / math.log(2.0)


def whole_bytes(loss: float, n_tokens: int, n_bytes: int) -> float:
    return loss / max(1, n_bytes // n_tokens) / math.log(2.0)


def nearly(arguments: tuple[Any, ...], answer: float) -> bool:
    """Whether the answer is the right one, rounded."""
    right = solution(*arguments)
    return math.isclose(answer, right, rel_tol=1e-2) and not math.isclose(answer, right, rel_tol=1e-9)


def cases() -> Iterator[Case]:
    ln2 = math.log(2.0)
    # One bit a token, one byte a token.
    yield Case((ln2, 10, 10), 1.0)
    # Tokens of four bytes share the bit.
    yield Case((ln2, 10, 40), 0.25)
    # A guess among 256, byte by byte: 8 bits a byte.
    yield Case((math.log(256.0), 5, 5), 8.0)
    # A loss of 3 nats at 4.5 bytes a token.
    yield Case((3.0, 2000, 9000), 3.0 / 4.5 / ln2)
    yield Case((1.25, 1234, 5012), 1.25 * 1234 / 5012 / ln2)
    # Rare characters: more tokens than bytes would need.
    yield Case((0.8128731284, 70_000_000, 30_000_000), 0.8128731284 * 7 / 3 / ln2)


EXERCISE = Exercise(
    task=(
        "A model has a mean `loss` of so many nats a token on a text of `n_tokens` tokens and `n_bytes` bytes of "
        "UTF-8. Return its bits per byte, by which models with different tokenizers are compared."
    ),
    call="bits_per_byte(loss, n_tokens, n_bytes)",
    hints=(
        "How many nats do all tokens cost together? The same text has n_bytes bytes.",
        "A nat is 1 / ln 2 bits, about 1.44: the loss is a natural logarithm.",
        "`loss * n_tokens / n_bytes / math.log(2)`.",
    ),
    solution=solution,
    also_right=(by_log2, by_perplexity),
    mistakes=(
        Mistake(bits_per_token, "These are bits a token, which long tokens make worse: spread them over the bytes."),
        Mistake(nats_per_byte, "These are nats per byte: divide by ln 2 to have bits."),
        Mistake(
            upside_down, "Bytes and tokens are exchanged: a token of four bytes shares its loss between four bytes."
        ),
        Mistake(times_ln2, "You multiply by ln 2: a nat is more than a bit, 1.44 of them. Divide."),
        Mistake(log_of_loss, "You take the logarithm of the loss, which is one already: it only changes its unit."),
        Mistake(total_bits, "These are the bits of the whole text: divide them by its bytes."),
        Mistake(loss_already_summed, "`loss` is the mean over tokens: multiply by n_tokens to have that of the text."),
        Mistake(perplexity_per_byte, "This is the perplexity of a byte: bits are its logarithm with base 2."),
        Mistake(eights, "You divide by the bits of the text: it is bits per byte, not per bit."),
        Mistake(
            log_of_nats_per_byte,
            "You take a logarithm of nats per byte: a loss is one already. From nats to bits is a factor.",
        ),
        Mistake(
            loss_over_bytes, "Two things are missing: `loss` is that of one token, not of the text; and it is in nats."
        ),
        Mistake(
            perplexity_spread,
            "You spread perplexity over the bytes: only its logarithm, the loss, adds up over tokens.",
        ),
        Mistake(
            nats_upside_down,
            "Bytes and tokens are exchanged, and these are nats: a token shares its loss between its bytes.",
        ),
        Mistake(whole_tokens, "`//` drops what is behind the point: divide by `/`."),
        Mistake(whole_bytes, "`//` takes a token for a whole number of bytes: divide by `/`."),
    ),
    cases=cases,
    properties=(
        Property(
            lambda arguments, answer: not nearly(arguments, answer),
            "It is right to some digits only: is it rounded, or 1.44 taken for 1 / ln 2? Use `math.log(2)`.",
        ),
    ),
)
