"""WordPiece's cut: the longest piece that fits, again and again."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lilllm.course.exercise import Case, Exercise, Mistake
from lilllm.tokenizers.wordpiece import WordPieceTokenizer

HUGS = frozenset({"b", "h", "p", "##g", "##n", "##s", "##u", "hug", "##gs", "##ugs"})


def solution(word: str, vocabulary: frozenset[str]) -> list[str]:
    """From each start, try the longest piece first; where none fits, the word is unknown."""
    pieces: list[str] = []
    start = 0
    while start < len(word):
        mark = "##" if start else ""
        end = len(word)
        while end > start and mark + word[start:end] not in vocabulary:
            end -= 1
        if end == start:
            return ["[UNK]"]
        pieces.append(mark + word[start:end])
        start = end
    return pieces


def by_recursion(word: str, vocabulary: frozenset[str]) -> list[str]:
    def cut(rest: str, mark: str) -> list[str] | None:
        if not rest:
            return []
        for size in range(len(rest), 0, -1):
            if mark + rest[:size] in vocabulary:
                others = cut(rest[size:], "##")
                return None if others is None else [mark + rest[:size], *others]
        return None

    found = cut(word, "")
    return ["[UNK]"] if found is None else found


def by_pattern(word: str, vocabulary: frozenset[str]) -> list[str]:
    longest = sorted(vocabulary, key=len, reverse=True)
    first = [re.escape(piece) for piece in longest if not piece.startswith("##")]
    later = [re.escape(piece[2:]) for piece in longest if piece.startswith("##")]
    pieces: list[str] = []
    while word:
        match = re.match("|".join(later if pieces else first) or "(?!)", word)
        if not match:
            return ["[UNK]"]
        pieces.append("##" + match[0] if pieces else match[0])
        word = word[match.end() :]
    return pieces


def no_mark(word: str, vocabulary: frozenset[str]) -> list[str]:
    pieces: list[str] = []
    start = 0
    while start < len(word):
        end = len(word)
        while end > start and word[start:end] not in vocabulary:
            end -= 1
        if end == start:
            return ["[UNK]"]
        pieces.append(word[start:end])
        start = end
    return pieces


def mark_not_written(word: str, vocabulary: frozenset[str]) -> list[str]:
    return [piece.removeprefix("##") for piece in solution(word, vocabulary)]


def unknown_character_only(word: str, vocabulary: frozenset[str]) -> list[str]:
    pieces: list[str] = []
    start = 0
    while start < len(word):
        mark = "##" if start else ""
        end = len(word)
        while end > start and mark + word[start:end] not in vocabulary:
            end -= 1
        pieces.append(mark + word[start:end] if end > start else "[UNK]")
        start = max(end, start + 1)
    return pieces


def what_came_before_is_kept(word: str, vocabulary: frozenset[str]) -> list[str]:
    pieces = unknown_character_only(word, vocabulary)
    return pieces[: pieces.index("[UNK]") + 1] if "[UNK]" in pieces else pieces


def shortest(word: str, vocabulary: frozenset[str]) -> list[str]:
    pieces: list[str] = []
    start = 0
    while start < len(word):
        mark = "##" if start else ""
        end = next((end for end in range(start + 1, len(word) + 1) if mark + word[start:end] in vocabulary), start)
        if end == start:
            return ["[UNK]"]
        pieces.append(mark + word[start:end])
        start = end
    return pieces


def cases() -> Iterator[Case]:
    yield Case(("hug", HUGS), ["hug"])
    yield Case(("b", HUGS), ["b"])
    yield Case(("x", HUGS), ["[UNK]"])
    yield Case(("bug", HUGS), ["b", "##u", "##g"])
    yield Case(("bum", HUGS), ["[UNK]"])
    yield Case(("mug", HUGS), ["[UNK]"])
    yield Case(("hugs", HUGS), ["hug", "##s"])
    yield Case(("pugs", HUGS), ["p", "##ugs"])
    yield Case(("bugmug", HUGS), ["[UNK]"])
    ours = WordPieceTokenizer({piece: i for i, piece in enumerate(sorted(HUGS))})
    for word in ("puns", "bugs", "hughug", "shun", "pungs", "hunsgugs"):
        yield Case((word, HUGS), ours.pieces(word) or ["[UNK]"])


EXERCISE = Exercise(
    task="Return the pieces of `word`: always the longest in `vocabulary`, marked `##` inside a word, or `['[UNK]']`.",
    call="wordpiece(word, vocabulary)",
    hints=(
        "Keep a `start`. Try the ends from `len(word)` downwards until `word[start:end]` is a piece.",
        'Where `start > 0` the piece in the vocabulary is "##" + word[start:end].',
        'If no end fits, the answer is `["[UNK]"]` for the whole word: what was found before is thrown away.',
    ),
    solution=solution,
    also_right=(by_recursion, by_pattern),
    mistakes=(
        Mistake(
            no_mark, 'Inside a word the vocabulary has other pieces: look for "##" + the letters, not the letters.'
        ),
        Mistake(mark_not_written, 'You find the right pieces and return them without their mark: "##s" is not "s".'),
        Mistake(
            unknown_character_only,
            "You replace the one character that does not fit, as BPE would. WordPiece gives up the whole word.",
        ),
        Mistake(what_came_before_is_kept, "You keep the pieces found before the unknown one: the whole word is [UNK]."),
        Mistake(shortest, "You take the shortest piece that fits: try the longest first."),
    ),
    cases=cases,
)
