"""What a run looks at while it learns, and what one of several processes does by itself, without the others."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from lilllm.training import evaluate
from lilllm.training.alone import Alone
from lilllm.training.mfu import Mfu
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


@pytest.mark.parametrize("micro", [None, 1, 2])
def test_a_rank_evaluates_on_its_share_of_what_one_process_would(micro: int | None) -> None:
    """As many tokens over all ranks; in batches of the size that training has."""
    alone, of_two_ranks = tiny.trainer(changes={"micro_batch": micro}), of_two(changes={"micro_batch": micro})
    seen: list[int] = []
    of_two_ranks.watch._parallel.share = lambda batches, most: iter(seen.append(most) or ())
    with pytest.raises(ValueError, match="hold no window"):
        of_two_ranks.watch.evaluate()
    rows = micro or 4 // 2
    assert seen[0] * rows * tiny.T == alone.watch.evaluate().tokens


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
