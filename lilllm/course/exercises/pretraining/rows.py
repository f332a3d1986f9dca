"""Which rows of a batch are mine? What every rank of a training run works out for itself."""

from __future__ import annotations

from collections.abc import Iterator

from lilllm.course.exercise import Case, Exercise, Mistake


def solution(batch: int, rank: int, world_size: int, batch_size: int) -> range:
    """All ranks together take world_size * batch_size rows a batch; this one takes its piece of them."""
    start = (batch * world_size + rank) * batch_size
    return range(start, start + batch_size)


def by_slice(batch: int, rank: int, world_size: int, batch_size: int) -> range:
    together = world_size * batch_size
    whole = range(batch * together, (batch + 1) * together)
    return whole[rank * batch_size : (rank + 1) * batch_size]


def by_loop(batch: int, rank: int, world_size: int, batch_size: int) -> range:
    start = 0
    for _ in range(batch):
        for _ in range(world_size):
            start += batch_size
    for _ in range(rank):
        start += batch_size
    return range(start, start + batch_size)


def all_the_same(batch: int, rank: int, world_size: int, batch_size: int) -> range:
    return range(batch * batch_size, (batch + 1) * batch_size)


def all_take_all(batch: int, rank: int, world_size: int, batch_size: int) -> range:
    together = world_size * batch_size
    return range(batch * together, (batch + 1) * together)


def first_of_all(batch: int, rank: int, world_size: int, batch_size: int) -> range:
    start = batch * world_size * batch_size
    return range(start, start + batch_size)


def overlapping(batch: int, rank: int, world_size: int, batch_size: int) -> range:
    start = (batch + rank) * batch_size
    return range(start, start + batch_size)


def rank_by_row(batch: int, rank: int, world_size: int, batch_size: int) -> range:
    start = batch * world_size * batch_size + rank
    return range(start, start + batch_size)


def strided(batch: int, rank: int, world_size: int, batch_size: int) -> range:
    together = world_size * batch_size
    return range(batch * together + rank, (batch + 1) * together, world_size)


def of_the_whole(batch: int, rank: int, world_size: int, batch_size: int) -> range:
    mine = batch_size // world_size
    start = batch * batch_size + rank * mine
    return range(start, start + mine)


def from_one(batch: int, rank: int, world_size: int, batch_size: int) -> range:
    start = (batch * world_size + rank) * batch_size + 1
    return range(start, start + batch_size)


def transposed(batch: int, rank: int, world_size: int, batch_size: int) -> range:
    start = (rank * world_size + batch) * batch_size
    return range(start, start + batch_size)


def one_too_few(batch: int, rank: int, world_size: int, batch_size: int) -> range:
    start = (batch * world_size + rank) * batch_size
    return range(start, start + batch_size - 1)


def to_the_end_of_all(batch: int, rank: int, world_size: int, batch_size: int) -> range:
    start = (batch * world_size + rank) * batch_size
    return range(start, start + world_size * batch_size)


def batches_for_rows(batch: int, rank: int, world_size: int, batch_size: int) -> range:
    start = batch * world_size + rank * batch_size
    return range(start, start + batch_size)


def size_for_end(batch: int, rank: int, world_size: int, batch_size: int) -> range:
    return range((batch * world_size + rank) * batch_size, batch_size)


def one_too_many(batch: int, rank: int, world_size: int, batch_size: int) -> range:
    start = (batch * world_size + rank) * batch_size
    return range(start, start + batch_size + 1)


def always_the_first(batch: int, rank: int, world_size: int, batch_size: int) -> range:
    return range(rank * batch_size, (rank + 1) * batch_size)


def cases() -> Iterator[Case]:
    # One rank alone takes everything, batch after batch.
    yield Case((0, 0, 1, 4), range(0, 4))
    yield Case((2, 0, 1, 4), range(8, 12))
    # Two ranks: the first batch has rows 0 to 7, the second 8 to 15.
    yield Case((0, 1, 2, 4), range(4, 8))
    yield Case((1, 0, 2, 4), range(8, 12))
    yield Case((1, 1, 2, 4), range(12, 16))
    for given in ((3, 2, 4, 8), (10, 7, 8, 3), (1000, 511, 1024, 16)):
        yield Case(given, by_slice(*given))


EXERCISE = Exercise(
    task=(
        "Rows of data are numbered from 0. In each batch every rank takes `batch_size` rows, one after the other: the "
        "`world_size` ranks together take the next world_size * batch_size of them, rank 0 the first. Return the row "
        "numbers of `rank` in `batch` (from 0), as a `range`."
    ),
    call="rows_of(batch, rank, world_size, batch_size)",
    hints=(
        "How many rows have all ranks together used up before this batch?",
        "batch * world_size * batch_size were used before it; in this batch the ranks before mine take "
        "rank * batch_size.",
    ),
    solution=solution,
    also_right=(by_slice, by_loop),
    mistakes=(
        Mistake(
            all_the_same,
            "Neither the rank nor world_size is used: all ranks train on the same rows, and more machines learn no "
            "more. No error will tell you.",
        ),
        Mistake(all_take_all, "Each rank takes the rows of all: it should take batch_size of them, its own."),
        Mistake(first_of_all, "The rank is not used: all ranks train on the rows of rank 0, and the others are lost."),
        Mistake(
            overlapping,
            "Batch 1 of rank 0 is batch 0 of rank 1: before a batch, all ranks together have used "
            "batch * world_size * batch_size rows.",
        ),
        Mistake(rank_by_row, "Ranks begin one row apart, and overlap: each begins batch_size rows after the other."),
        Mistake(
            strided,
            "You deal the rows out in turn, every world_size-th to a rank. No row is lost, but here each rank takes "
            "neighbouring rows.",
        ),
        Mistake(
            of_the_whole,
            "You take batch_size for the rows of all ranks together: here it is the number of rows of each.",
        ),
        Mistake(from_one, "Rows are numbered from 0: yours begin one too late."),
        Mistake(transposed, "Batch and rank have changed places: all ranks of one batch are neighbours."),
        Mistake(one_too_few, "You take one row too few: a range leaves its end out."),
        Mistake(to_the_end_of_all, "You begin well and take too many: batch_size rows are this rank's."),
        Mistake(
            batches_for_rows, "You count batch * world_size rows before this batch: each of them had batch_size rows."
        ),
        Mistake(
            size_for_end, "The second argument of `range` is where it ends, not how long it is: start + batch_size."
        ),
        Mistake(one_too_many, "You take one row too many, the first of the next rank: a range leaves its end out."),
        Mistake(always_the_first, "The batch is not used: every step trains on the rows of the first."),
    ),
    cases=cases,
)
