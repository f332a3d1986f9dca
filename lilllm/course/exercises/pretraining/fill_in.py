"""Fill in the middle: a document rearranged so that a model that reads forwards learns to fill gaps."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

from lilllm.course.exercise import Case, Exercise, Mistake, Property


def solution(tokens: list[int], i: int, j: int, prefix: int, suffix: int, middle: int) -> list[int]:
    """What is before the gap, what is behind it, and last what belongs into it: each behind its mark."""
    return [prefix, *tokens[:i], suffix, *tokens[j:], middle, *tokens[i:j]]


def by_adding(tokens: list[int], i: int, j: int, prefix: int, suffix: int, middle: int) -> list[int]:
    out = [prefix]
    out.extend(tokens[:i])
    out.append(suffix)
    out.extend(tokens[j:])
    out.append(middle)
    out.extend(tokens[i:j])
    return out


def by_chain(tokens: list[int], i: int, j: int, prefix: int, suffix: int, middle: int) -> list[int]:
    pieces = {prefix: slice(0, i), suffix: slice(j, None), middle: slice(i, j)}
    return list(itertools.chain.from_iterable([mark, *tokens[piece]] for mark, piece in pieces.items()))


def by_taking_out(tokens: list[int], i: int, j: int, prefix: int, suffix: int, middle: int) -> list[int]:
    out = list(tokens)
    taken = out[i:j]
    out[i:j] = [suffix]
    out.insert(0, prefix)
    return [*out, middle, *taken]


def suffix_first(tokens: list[int], i: int, j: int, prefix: int, suffix: int, middle: int) -> list[int]:
    return [suffix, *tokens[j:], prefix, *tokens[:i], middle, *tokens[i:j]]


def spm(tokens: list[int], i: int, j: int, prefix: int, suffix: int, middle: int) -> list[int]:
    return [prefix, suffix, *tokens[j:], middle, *tokens[:i], *tokens[i:j]]


def in_order(tokens: list[int], i: int, j: int, prefix: int, suffix: int, middle: int) -> list[int]:
    return [prefix, *tokens[:i], middle, *tokens[i:j], suffix, *tokens[j:]]


def marks_behind(tokens: list[int], i: int, j: int, prefix: int, suffix: int, middle: int) -> list[int]:
    return [*tokens[:i], prefix, *tokens[j:], suffix, *tokens[i:j], middle]


def no_first_mark(tokens: list[int], i: int, j: int, prefix: int, suffix: int, middle: int) -> list[int]:
    return [*tokens[:i], suffix, *tokens[j:], middle, *tokens[i:j]]


def middle_stays(tokens: list[int], i: int, j: int, prefix: int, suffix: int, middle: int) -> list[int]:
    return [prefix, *tokens[:i], suffix, *tokens[i:], middle, *tokens[i:j]]


def middle_missing(tokens: list[int], i: int, j: int, prefix: int, suffix: int, middle: int) -> list[int]:
    return [prefix, *tokens[:i], suffix, *tokens[j:], middle]


def inclusive(tokens: list[int], i: int, j: int, prefix: int, suffix: int, middle: int) -> list[int]:
    return [prefix, *tokens[:i], suffix, *tokens[j + 1 :], middle, *tokens[i : j + 1]]


def one_lost(tokens: list[int], i: int, j: int, prefix: int, suffix: int, middle: int) -> list[int]:
    return [prefix, *tokens[:i], suffix, *tokens[j + 1 :], middle, *tokens[i:j]]


def length(tokens: list[int], i: int, j: int, prefix: int, suffix: int, middle: int) -> list[int]:
    return [prefix, *tokens[:i], suffix, *tokens[i + j :], middle, *tokens[i : i + j]]


def from_the_end(tokens: list[int], i: int, j: int, prefix: int, suffix: int, middle: int) -> list[int]:
    return [prefix, *tokens[:i], suffix, *tokens[-j:], middle, *tokens[i:-j]]


def reversed_suffix(tokens: list[int], i: int, j: int, prefix: int, suffix: int, middle: int) -> list[int]:
    return [prefix, *tokens[:i], suffix, *tokens[j:][::-1], middle, *tokens[i:j]]


def nested(tokens: list[int], i: int, j: int, prefix: int, suffix: int, middle: int) -> list[object]:
    return [prefix, tokens[:i], suffix, tokens[j:], middle, tokens[i:j]]


def mark_in_the_gap(tokens: list[int], i: int, j: int, prefix: int, suffix: int, middle: int) -> list[int]:
    return [prefix, *tokens[:i], middle, suffix, *tokens[j:], *tokens[i:j]]


def prefix_too_long(tokens: list[int], i: int, j: int, prefix: int, suffix: int, middle: int) -> list[int]:
    return [prefix, *tokens[: i + 1], suffix, *tokens[j:], middle, *tokens[i + 1 : j]]


def no_last_mark(tokens: list[int], i: int, j: int, prefix: int, suffix: int, middle: int) -> list[int]:
    return [prefix, *tokens[:i], suffix, *tokens[j:], *tokens[i:j]]


def middle_to_the_end(tokens: list[int], i: int, j: int, prefix: int, suffix: int, middle: int) -> list[int]:
    return [prefix, *tokens[:i], suffix, *tokens[j:], middle, *tokens[i:]]


def gap_alone(tokens: list[int], i: int, j: int, prefix: int, suffix: int, middle: int) -> list[int]:
    return [*tokens[:i], middle, *tokens[j:]]


def cases() -> Iterator[Case]:
    # Three tokens, the second is the middle.
    yield Case(([1, 2, 3], 1, 2, 91, 92, 93), [91, 1, 92, 3, 93, 2])
    yield Case(([1, 2, 3, 4, 5, 6], 2, 4, 91, 92, 93), [91, 1, 2, 92, 5, 6, 93, 3, 4])
    # Any of the three may be empty.
    yield Case(([1, 2, 3], 0, 2, 91, 92, 93), [91, 92, 3, 93, 1, 2])
    yield Case(([1, 2, 3], 1, 3, 91, 92, 93), [91, 1, 92, 93, 2, 3])
    yield Case(([1, 2, 3], 2, 2, 91, 92, 93), [91, 1, 2, 92, 3, 93])
    draw = random.Random(3)
    for size in (7, 9, 12):
        tokens = [draw.randrange(50) for _ in range(size)]
        i, j = sorted(draw.sample(range(1, size), k=2))
        yield Case((tokens, i, j, 91, 92, 93), by_taking_out(tokens, i, j, 91, 92, 93))


EXERCISE = Exercise(
    task=(
        "Fill in the middle: `tokens[i:j]` is the gap that the model has to learn to fill. Return prefix, suffix and "
        "middle in this order (PSM), each behind its mark: `prefix`, then what is before the gap; `suffix`, then what "
        "is behind it; `middle`, then what belongs into it. Any of the three may be empty; the marks are always there."
    ),
    call="fill_in_middle(tokens, i, j, prefix, suffix, middle)",
    hints=(
        "Three slices of `tokens` hold all of it, each token once. Which?",
        "`tokens[:i]`, `tokens[j:]`, `tokens[i:j]`, in this order, and a mark before each.",
    ),
    solution=solution,
    also_right=(by_adding, by_chain, by_taking_out),
    mistakes=(
        Mistake(suffix_first, "The suffix comes first here: that is the order SPM. PSM has the prefix first."),
        Mistake(spm, "This is the order SPM, in which the middle goes on from the prefix. PSM is asked for."),
        Mistake(
            in_order,
            "The text is still in its order: the model reads forwards, so the middle must come last, when it has seen "
            "both sides.",
        ),
        Mistake(marks_behind, "Your marks stand behind their pieces: each opens its own."),
        Mistake(no_first_mark, "The mark of the prefix is missing: it tells the model that a gap is coming."),
        Mistake(middle_stays, "Your suffix begins at i, so the answer can be read off it: it begins at j."),
        Mistake(middle_missing, "The middle is missing: this is the question, and training needs the answer too."),
        Mistake(inclusive, "You count tokens[j] to the middle: a slice ends before j."),
        Mistake(one_lost, "tokens[j] is lost: the middle ends before j, and the suffix begins with it."),
        Mistake(length, "You take j for the length of the gap: it is where it ends."),
        Mistake(from_the_end, "You count j from the end: it counts from the start."),
        Mistake(reversed_suffix, "You turn the suffix around: it is read forwards, as it stands."),
        Mistake(nested, "Your list holds lists: put their tokens in, by `*` or by `+`."),
        Mistake(
            mark_in_the_gap, "The mark of the middle stands where the gap is: it opens the middle, which comes last."
        ),
        Mistake(
            prefix_too_long, "tokens[i] is in your prefix: it is the first of the middle. `tokens[:i]` ends before it."
        ),
        Mistake(no_last_mark, "The mark of the middle is missing: where does the suffix end, and the answer begin?"),
        Mistake(middle_to_the_end, "Your middle goes on to the end of the document: it ends at j."),
        Mistake(gap_alone, "This marks the gap alone: what belongs into it must follow at the end, to be learned."),
    ),
    cases=cases,
    properties=(
        Property(
            lambda arguments, answer: sorted(answer) == sorted([*arguments[0], *arguments[3:]]),
            "Each token and each of the three marks should be there once: some are lost, or there twice.",
        ),
    ),
)
