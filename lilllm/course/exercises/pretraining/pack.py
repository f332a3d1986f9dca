"""Documents of all lengths into rows of one length."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

from lilllm.course.exercise import Case, Exercise, Mistake, Property

Documents = list[list[int]]


def _stream(documents: Documents, eos: int) -> list[int]:
    return [token for document in documents for token in [*document, eos]]


def solution(documents: Documents, T: int, eos: int) -> list[list[int]]:
    """One long stream, cut every T tokens; each row has one token more, which the next row begins with."""
    stream = []
    for document in documents:
        stream += [*document, eos]
    return [stream[start : start + T + 1] for start in range(0, len(stream) - T, T)]


def by_counting(documents: Documents, T: int, eos: int) -> list[list[int]]:
    stream = _stream(documents, eos)
    n_rows = max(0, len(stream) - 1) // T
    return [stream[i * T : i * T + T + 1] for i in range(n_rows)]


def by_filling(documents: Documents, T: int, eos: int) -> list[list[int]]:
    rows: list[list[int]] = []
    row: list[int] = []
    for document in documents:
        for token in (*document, eos):
            row.append(token)
            if len(row) == T + 1:
                rows.append(row)
                row = [token]
    return rows


def by_dropping(documents: Documents, T: int, eos: int) -> list[list[int]]:
    stream = _stream(documents, eos)
    rows = [stream[start : start + T + 1] for start in range(0, len(stream), T)]
    return [row for row in rows if len(row) == T + 1]


def no_eos(documents: Documents, T: int, eos: int) -> list[list[int]]:
    stream = [token for document in documents for token in document]
    return [stream[start : start + T + 1] for start in range(0, len(stream) - T, T)]


def eos_between(documents: Documents, T: int, eos: int) -> list[list[int]]:
    stream = _stream(documents, eos)[:-1]
    return [stream[start : start + T + 1] for start in range(0, len(stream) - T, T)]


def eos_in_front(documents: Documents, T: int, eos: int) -> list[list[int]]:
    stream = [token for document in documents for token in [eos, *document]]
    return [stream[start : start + T + 1] for start in range(0, len(stream) - T, T)]


def eos_at_the_end(documents: Documents, T: int, eos: int) -> list[list[int]]:
    stream = [*[token for document in documents for token in document], eos]
    return [stream[start : start + T + 1] for start in range(0, len(stream) - T, T)]


def no_overlap(documents: Documents, T: int, eos: int) -> list[list[int]]:
    stream = _stream(documents, eos)
    return [stream[start : start + T + 1] for start in range(0, len(stream) - T, T + 1)]


def rows_too_short(documents: Documents, T: int, eos: int) -> list[list[int]]:
    stream = _stream(documents, eos)
    return [stream[start : start + T] for start in range(0, len(stream) - T + 1, T)]


def rest_kept(documents: Documents, T: int, eos: int) -> list[list[int]]:
    stream = _stream(documents, eos)
    return [stream[start : start + T + 1] for start in range(0, len(stream) - 1, T)]


def any_rest_kept(documents: Documents, T: int, eos: int) -> list[list[int]]:
    stream = _stream(documents, eos)
    return [stream[start : start + T + 1] for start in range(0, len(stream), T)]


def rest_padded(documents: Documents, T: int, eos: int) -> list[list[int]]:
    return [row + [eos] * (T + 1 - len(row)) for row in rest_kept(documents, T, eos)]


def each_alone(documents: Documents, T: int, eos: int) -> list[list[int]]:
    return [row for document in documents for row in solution([document], T, eos)]


def every_start(documents: Documents, T: int, eos: int) -> list[list[int]]:
    stream = _stream(documents, eos)
    return [stream[start : start + T + 1] for start in range(len(stream) - T)]


def flat(documents: Documents, T: int, eos: int) -> list[int]:
    stream = _stream(documents, eos)
    return stream[: max(0, len(stream) - 1) // T * T + 1] if len(stream) > T else []


def pairs(documents: Documents, T: int, eos: int) -> list[tuple[list[int], list[int]]]:
    return [(row[:-1], row[1:]) for row in solution(documents, T, eos)]


def one_padded_row_each(documents: Documents, T: int, eos: int) -> list[list[int]]:
    return [[*document, *[eos] * (T + 1)][: T + 1] for document in documents]


def one_cut_row_each(documents: Documents, T: int, eos: int) -> list[list[int]]:
    return [[*document, eos][: T + 1] for document in documents]


def eos_first_of_all(documents: Documents, T: int, eos: int) -> list[list[int]]:
    stream = [eos, *_stream(documents, eos)]
    return [stream[start : start + T + 1] for start in range(0, len(stream) - T, T)]


def empty_left_out(documents: Documents, T: int, eos: int) -> list[list[int]]:
    return solution([document for document in documents if document], T, eos)


def cases() -> Iterator[Case]:
    # One document, and with its EOS it fills one row.
    yield Case(([[5, 6]], 2, 0), [[5, 6, 0]])
    # Two documents in one row; the second row begins with the token that ends the first.
    yield Case(([[5], [6, 7]], 2, 0), [[5, 0, 6], [6, 7, 0]])
    # 9 tokens: rows from 0 and 3 are whole, the one from 6 lacks a token and is dropped.
    yield Case(([[1, 2, 3, 4], [5, 6, 7]], 3, 9), [[1, 2, 3, 4], [4, 9, 5, 6]])
    # Too little for one row, and nothing at all.
    yield Case(([[1]], 4, 9), [])
    yield Case(([], 3, 9), [])
    # An empty document is an EOS.
    yield Case(([[1, 2], [], [3]], 1, 0), [[1, 2], [2, 0], [0, 0], [0, 3], [3, 0]])
    draw = random.Random(8)
    for T in (3, 4, 5):
        documents = [[draw.randrange(1, 50) for _ in range(draw.randrange(1, 8))] for _ in range(6)]
        yield Case((documents, T, 0), by_filling(documents, T, 0))


EXERCISE = Exercise(
    task=(
        "Pack documents for training: put `eos` behind each (the last one too), join all into one stream, and cut it "
        "into rows of T + 1 tokens: T inputs, and their T targets one place further. A row begins with the last token "
        "of the row before; what does not fill a row at the end is dropped. Return a list of lists."
    ),
    call="pack(documents, T, eos)",
    hints=(
        "First the stream, then the cuts. Where do the rows begin, if the tokens predicted may not overlap?",
        "Row i begins at i * T and has T + 1 tokens: the last is a target here, and an input in the next row.",
        "`stream[s : s + T + 1]` for `s in range(0, len(stream) - T, T)`.",
    ),
    solution=solution,
    also_right=(by_counting, by_filling, by_dropping),
    mistakes=(
        Mistake(no_eos, "There is no EOS: nothing tells the model where a document ends, and it never learns to stop."),
        Mistake(
            eos_between,
            "A row is lost where the stream just fills it. Is there an EOS behind the last document too? And do you "
            "stop too early? The last row may begin at len(stream) - T - 1.",
        ),
        Mistake(eos_in_front, "Your EOS stands in front of each document: it ends one, and belongs behind it."),
        Mistake(eos_at_the_end, "There is one EOS, behind all: each document gets its own."),
        Mistake(
            no_overlap,
            "Your rows do not overlap: the first token of each row but the first is then never a target. Rows begin "
            "every T tokens, and have T + 1.",
        ),
        Mistake(rows_too_short, "Your rows have T tokens: one more is needed, the target of the last input."),
        Mistake(rest_kept, "The last row is too short: drop what does not fill T + 1 tokens."),
        Mistake(any_rest_kept, "The last row is too short, or a single token: drop what does not fill T + 1 tokens."),
        Mistake(
            rest_padded,
            "You fill the last row up with EOS, so that the model learns to say it again and again: drop the rest.",
        ),
        Mistake(
            each_alone,
            "You cut each document by itself and throw its rest away: most short documents are lost. Join them first.",
        ),
        Mistake(every_start, "You begin a row at every token: each token is then predicted T times. Begin every T."),
        Mistake(flat, "This is the stream: cut it into rows."),
        Mistake(pairs, "These are inputs and targets apart: return the rows of T + 1 tokens that both are cut from."),
        Mistake(
            one_padded_row_each,
            "A row for each document, filled up or cut: documents are joined first, so that nothing is wasted.",
        ),
        Mistake(
            one_cut_row_each, "A row for each document, whatever its length: documents are joined first, and then cut."
        ),
        Mistake(
            eos_first_of_all,
            "There is an EOS before the first document: each stands behind a document, and none before all.",
        ),
        Mistake(empty_left_out, "You leave empty documents out: each has its EOS, and nothing before it."),
    ),
    cases=cases,
    properties=(
        Property(
            lambda arguments, answer: all(len(row) == arguments[1] + 1 for row in answer),
            "Each row has T + 1 tokens, T inputs and one target more: yours has one of another length.",
        ),
        Property(
            lambda arguments, answer: all(a[-1] == b[0] for a, b in itertools.pairwise(answer)),
            "A row should begin with the last token of the row before it.",
        ),
    ),
)
