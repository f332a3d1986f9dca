"""What a run looks at while it learns, and what one of several processes does by itself, without the others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import distributed

from lilllm.training import evaluate
from lilllm.training.alone import Alone
from lilllm.training.mfu import Mfu
from lilllm.training.parallel import Ranks
from tests.training import tiny


class OneOfTwo(Alone):
    """A rank of two whose other never says anything: its sums are its own, and means are not taken."""

    world_size = 2

    def __init__(self, rank: int = 0) -> None:
        self.rank = rank


def of_two(rank: int = 0, **given: Any) -> Any:
    feed = tiny.loader(2, rank=rank, world_size=2)
    return tiny.trainer(None, loader=feed, parallel=OneOfTwo(rank), **given)


def test_a_sample_is_taken_in_evaluation_mode_and_training_goes_on() -> None:
    modes: list[bool] = []
    one = tiny.trainer(sample=lambda model: str(modes.append(model.training)))
    one.run(until=2)
    assert modes == [False]
    assert one.model.training


def test_where_documents_are_apart_in_training_they_are_in_evaluation() -> None:
    one = tiny.trainer(changes={"documents": True}, dropout=0.0)
    found = one.watch.evaluate()
    given = {"batch_size": 4, "context_len": tiny.T, "batches": 2}
    apart, together = (evaluate(one.model, tiny.corpus(size=400), **given, documents=on) for on in (True, False))
    assert found.loss == apart.loss != together.loss


@pytest.mark.parametrize("micro", [None, 1, 2, 4])
def test_a_rank_evaluates_on_its_share_of_what_one_process_would(micro: int | None) -> None:
    """As many tokens over all ranks and with any micro-batch, or no two losses could be compared."""
    alone, of_two_ranks = tiny.trainer(changes={"micro_batch": micro}), of_two(changes={"micro_batch": micro})
    seen: list[int] = []
    of_two_ranks.watch._parallel.share = lambda batches, most: iter(seen.append(most) or ())
    with pytest.raises(ValueError, match="hold no window"):
        of_two_ranks.watch.evaluate()
    rows = min(micro or 4, 4 // 2)
    assert seen[0] * rows * tiny.T == alone.watch.evaluate().tokens == 2 * 4 * tiny.T


def test_tokens_speed_and_mfu_are_of_all_ranks() -> None:
    one = of_two(peak=1e12, changes={"eval_every": None}, validation=None)
    one.run(until=3)
    train = [record for record in one.history if record["kind"] == "train"]
    assert [record["tokens"] for record in train] == [4 * tiny.T * step for step in (1, 2, 3)]
    known = Mfu(one.model.config, tiny.T, torch.device("cpu"), 1e12, 2)
    assert [record["mfu"] for record in train] == [known(record["tokens_per_second"]) for record in train]


def test_each_rank_draws_its_own_dropout() -> None:
    """From the same rows: else both would drop the same places, and two ranks would see half of the noise."""
    losses = []
    for rank in (0, 1, 0):
        one = of_two(rank, dropout=0.5)
        one.model.train()
        batch = tiny.loader(2).batch(0)
        with one.random.own():
            losses.append(one.take(replace(batch, documents=None), 0.0).loss)
    assert losses[0] == losses[2] != losses[1]


@pytest.fixture
def ranks() -> Iterator[Ranks]:
    """A group of one, which needs no other process; what it says of itself may be changed."""
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    try:
        yield Ranks()
    finally:
        distributed.destroy_process_group()


def test_a_mean_is_over_all_ranks_and_counts_stay_whole(ranks: Ranks) -> None:
    """Of four, three of which say nothing. float32 would lose the last one of 2^24 + 1."""
    ranks.world_size = 4
    assert ranks.mean([2.0**24 + 1, 1 / 3]) == [(2.0**24 + 1) / 4, 1 / 3 / 4]


@pytest.mark.parametrize("most", [None, 6, 5, 1])
def test_every_batch_counts_once_and_every_rank_has_as_many(ranks: Ranks, most: int | None) -> None:
    """Seven batches for three ranks: whoever has none of its own in the last turn goes along with another's."""
    ranks.world_size, shares = 3, []
    for ranks.rank in range(3):
        shares.append(list(ranks.share(range(7), most)))
    assert len({len(share) for share in shares}) == 1
    counted = [batch for share in shares for batch, counts in share if counts]
    assert sorted(counted) == list(range(7))[:most]
