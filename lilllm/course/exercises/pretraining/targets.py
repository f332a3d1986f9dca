"""Targets that do not cross from one document into the next."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from lilllm.course.exercise import Case, Exercise, Mistake, Property


def solution(tokens: Tensor, documents: Tensor) -> Tensor:
    """The next token where it is of the same document, else -100, which the loss leaves out."""
    targets = torch.full_like(tokens, -100)
    same = documents[1:] == documents[:-1]
    targets[:-1][same] = tokens[1:][same]
    return targets


def by_where(tokens: Tensor, documents: Tensor) -> Tensor:
    nothing = tokens.new_full((1,), -100)
    ahead = torch.cat((tokens[1:], nothing))
    of = torch.cat((documents[1:], documents.new_full((1,), -1)))
    return torch.where(of == documents, ahead, -100)


def by_loop(tokens: Tensor, documents: Tensor) -> Tensor:
    t, d = tokens.tolist(), documents.tolist()
    inside = [i + 1 < len(t) and d[i] == d[i + 1] for i in range(len(t))]
    return torch.tensor([t[i + 1] if inside[i] else -100 for i in range(len(t))])


def by_roll(tokens: Tensor, documents: Tensor) -> Tensor:
    targets = tokens.roll(-1)
    targets[documents != documents.roll(-1)] = -100
    targets[-1] = -100
    return targets


def not_shifted(tokens: Tensor, documents: Tensor) -> Tensor:
    return torch.where(by_where(tokens, documents) == -100, -100, tokens)


def shifted_back(tokens: Tensor, documents: Tensor) -> Tensor:
    targets = torch.full_like(tokens, -100)
    same = documents[1:] == documents[:-1]
    targets[1:][same] = tokens[:-1][same]
    return targets


def across(tokens: Tensor, documents: Tensor) -> Tensor:
    return torch.cat((tokens[1:], tokens.new_full((1,), -100)))


def across_and_around(tokens: Tensor, documents: Tensor) -> Tensor:
    return tokens.roll(-1)


def around(tokens: Tensor, documents: Tensor) -> Tensor:
    targets = solution(tokens, documents)
    targets[-1] = tokens[0]
    return targets


def end_by_roll(tokens: Tensor, documents: Tensor) -> Tensor:
    return torch.where(documents.roll(-1) == documents, tokens.roll(-1), -100)


def one_late(tokens: Tensor, documents: Tensor) -> Tensor:
    targets = across(tokens, documents)
    targets[1:][documents[1:] != documents[:-1]] = -100
    return targets


def one_early(tokens: Tensor, documents: Tensor) -> Tensor:
    targets = across(tokens, documents)
    targets[:-2][documents[2:] != documents[1:-1]] = -100
    return targets


def both(tokens: Tensor, documents: Tensor) -> Tensor:
    targets = solution(tokens, documents)
    targets[:-2][documents[2:] != documents[1:-1]] = -100
    return targets


def too_short(tokens: Tensor, documents: Tensor) -> Tensor:
    return solution(tokens, documents)[:-1]


def with_zeros(tokens: Tensor, documents: Tensor) -> Tensor:
    targets = solution(tokens, documents)
    return torch.where(targets == -100, 0, targets)


def with_minus_one(tokens: Tensor, documents: Tensor) -> Tensor:
    targets = solution(tokens, documents)
    return torch.where(targets == -100, -1, targets)


def by_order(tokens: Tensor, documents: Tensor) -> Tensor:
    targets = across(tokens, documents)
    targets[:-1][documents[1:] > documents[:-1]] = -100
    return targets


def left_out(tokens: Tensor, documents: Tensor) -> Tensor:
    targets = solution(tokens, documents)
    return targets[targets != -100]


def turned_around(tokens: Tensor, documents: Tensor) -> Tensor:
    targets = torch.full_like(tokens, -100)
    other = documents[1:] != documents[:-1]
    targets[:-1][other] = tokens[1:][other]
    return targets


def mask_too_short(tokens: Tensor, documents: Tensor) -> Tensor:
    targets = across(tokens, documents)
    targets[documents[1:] != documents[:-1]] = -100
    return targets


def last_one_kept(tokens: Tensor, documents: Tensor) -> Tensor:
    targets = solution(tokens, documents)
    targets[-1] = tokens[-1]
    return targets


def cases() -> Iterator[Case]:
    def case(tokens: list[int], documents: list[int], expected: list[int]) -> Case:
        return Case((torch.tensor(tokens), torch.tensor(documents)), torch.tensor(expected))

    yield case([5, 6, 7], [0, 0, 0], [6, 7, -100])
    # 9 is the EOS: the last word of a document predicts it, and it predicts nothing.
    yield case([5, 9, 6, 7], [0, 0, 1, 1], [9, -100, 7, -100])
    # Of the first document, its EOS alone came into this row.
    yield case([9, 5, 6, 9, 7], [3, 4, 4, 4, 5], [-100, 6, 9, -100, -100])
    yield case([4], [0], [-100])
    # The ids of documents need not rise; and one that comes again is the same only if it is the neighbour.
    yield case([1, 2, 3, 4, 5, 6], [7, 7, 2, 2, 7, 7], [2, -100, 4, -100, 6, -100])
    draw = torch.Generator().manual_seed(8)
    for T in (8, 12, 16):
        tokens = torch.randint(1, 50, (T,), generator=draw)
        documents = (torch.rand(T, generator=draw) < 0.3).cumsum(0)
        yield Case((tokens, documents), by_loop(tokens, documents))


EXERCISE = Exercise(
    task=(
        "Return the targets of a packed row: at each place the next token, and -100 (which the loss leaves out) where "
        "the next token is of another document, and at the last place. `tokens` and `documents` are (T,) integers; "
        "`documents` says of which document each token is; an EOS belongs to the document it ends."
    ),
    call="targets(tokens, documents)",
    hints=(
        "Place t is asked for token t + 1. When are the two of one document?",
        "Compare `documents[1:]` with `documents[:-1]`: T - 1 answers, for the places 0 to T - 2.",
        "Begin with `torch.full_like(tokens, -100)`, and copy `tokens[1:]` where the two are equal.",
    ),
    solution=solution,
    also_right=(by_where, by_loop, by_roll),
    mistakes=(
        Mistake(not_shifted, "Nothing is shifted: each place is asked for its own token. It should be the next one."),
        Mistake(shifted_back, "You shift the wrong way: place t is asked for token t - 1, which it has seen."),
        Mistake(
            across,
            "The end of a document is asked for the start of the next, which nobody can know: -100 where the document "
            "of the next token is another.",
        ),
        Mistake(
            across_and_around,
            "`roll` alone: the end of a document is asked for the start of the next, and the last place for the "
            "first token.",
        ),
        Mistake(around, "`roll` brings the first token round to the end, as the target of the last place: -100 there."),
        Mistake(
            end_by_roll,
            "The last place is compared with the first, as `roll` goes round: where both are of one document, it gets "
            "a target. It has none, always.",
        ),
        Mistake(
            one_late,
            "Your -100 stands one place late, at the first token of a document: it belongs to the EOS before it.",
        ),
        Mistake(
            one_early,
            "Your -100 stands one place early: the last word of a document must still learn to say EOS; it is the EOS "
            "that predicts nothing.",
        ),
        Mistake(
            both,
            "You hide two places at the end of each document: its last word must still learn to say EOS.",
        ),
        Mistake(too_short, "Your targets are one too few: the last place stays, with -100."),
        Mistake(
            with_zeros,
            "You put 0 where there is no target: that is a token, and is learned. `cross_entropy` leaves out -100.",
        ),
        Mistake(with_minus_one, "You put -1 where there is no target: `cross_entropy` leaves out -100."),
        Mistake(by_order, "You compare documents by `>`: another document may have a smaller number. Use `!=`."),
        Mistake(left_out, "You leave these places out: keep all T of them, with -100 where there is no target."),
        Mistake(
            turned_around, "It is turned around: you keep the targets of another document, and hide those of the same."
        ),
        Mistake(
            mask_too_short, "There are T - 1 neighbours to compare and T places: the mask goes with `targets[:-1]`."
        ),
        Mistake(last_one_kept, "The last place is asked for its own token: there is no next one, so -100."),
    ),
    cases=cases,
    properties=(
        Property(
            lambda arguments, answer: len(answer) == 0 or int(answer[-1]) == -100,
            "At the last place there is no next token: -100.",
        ),
    ),
)
