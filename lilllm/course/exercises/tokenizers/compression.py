"""How many bytes one token stands for."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lilllm.course.exercise import Case, Exercise, Mistake

Encode = Callable[[str], list[int]]


class Every:
    """An encoder that makes one token of every ``step`` characters: what the cases are worked out with."""

    def __init__(self, step: int) -> None:
        self.step = step

    def __call__(self, text: str) -> list[int]:
        return list(range(0, len(text), self.step))

    def __repr__(self) -> str:
        return f"every_{self.step}_characters"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Every) and other.step == self.step

    __hash__ = None  # type: ignore[assignment]


def solution(texts: list[str], encode: Encode) -> float:
    """UTF-8 bytes of all texts by tokens of all texts."""
    n_bytes = sum(len(text.encode("utf-8")) for text in texts)
    n_tokens = sum(len(encode(text)) for text in texts)
    return n_bytes / n_tokens


def with_a_loop(texts: list[str], encode: Encode) -> float:
    n_bytes = n_tokens = 0
    for text in texts:
        n_bytes += len(bytes(text, "utf-8"))
        n_tokens += len(encode(text))
    return n_bytes / n_tokens


def by_code_points(texts: list[str], encode: Encode) -> float:
    n_bytes = sum(1 + (ord(c) > 0x7F) + (ord(c) > 0x7FF) + (ord(c) > 0xFFFF) for text in texts for c in text)
    return n_bytes / len([token for text in texts for token in encode(text)])


def mean_of_ratios(texts: list[str], encode: Encode) -> float:
    return sum(len(text.encode()) / len(encode(text)) for text in texts) / len(texts)


def characters(texts: list[str], encode: Encode) -> float:
    return sum(len(text) for text in texts) / sum(len(encode(text)) for text in texts)


def upside_down(texts: list[str], encode: Encode) -> float:
    return sum(len(encode(text)) for text in texts) / sum(len(text.encode()) for text in texts)


def rounded(texts: list[str], encode: Encode) -> int:
    return sum(len(text.encode()) for text in texts) // sum(len(encode(text)) for text in texts)


def cases() -> Iterator[Case]:
    yield Case((["abcd"], Every(2)), 2.0)
    yield Case((["é"], Every(1)), 2.0)
    yield Case((["abc", "a"], Every(2)), 4 / 3)
    yield Case((["aaaa", "ab"], Every(4)), 3.0)
    yield Case((["naïve", "🌍", "x" * 40], Every(3)), (6 + 4 + 40) / (2 + 1 + 14))


EXERCISE = Exercise(
    task="Return the UTF-8 bytes of all `texts` together, divided by their tokens; `encode(text)` gives a list of ids.",
    call="compression_ratio(texts, encode)",
    hints=(
        "`text.encode('utf-8')` gives the bytes of a text; the length of `encode(text)` is its number of tokens.",
        "Add up the bytes of all texts, add up the tokens of all texts, and divide once, at the end.",
    ),
    solution=solution,
    also_right=(with_a_loop, by_code_points),
    mistakes=(
        Mistake(
            mean_of_ratios,
            "You average the ratios of the texts, so a short text counts as much as a long one: divide the sums, once.",
        ),
        Mistake(characters, "You count characters: `len(text)` is not the number of its bytes. See what 'é' gives."),
        Mistake(upside_down, "It is upside down: tokens a byte, not bytes a token."),
        Mistake(rounded, "You divide with `//`, which drops what is behind the point: use `/`."),
    ),
    cases=cases,
)
