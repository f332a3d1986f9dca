"""What a run will cost, against a run that was made, and against a clock that is wound by hand."""

from types import SimpleNamespace

import pytest

from lilllm.models import ModelConfig, preset
from lilllm.training import TrainConfig, price, pricing
from lilllm.training.pricing import Price, price_here
from tests.training import tiny

SMALL = ModelConfig(vocab_size=64, n_layers=1, d_model=16, n_heads=2, context_len=16)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_the_state_is_what_a_step_leaves_in_memory(optimizer):
    """Weights, as much again for gradients, and the optimizer's tensors but for its counts of steps."""
    one = tiny.trainer(changes={"optimizer": optimizer})
    one.run(until=1)
    weights = sum(p.numel() * p.element_size() for p in one.model.parameters())
    kept = [
        value
        for each in one.take.optimizers
        for state in each.optimizer.state.values()
        for value in state.values()
        if hasattr(value, "numel") and value.numel() > 1
    ]
    found = price(one.model.config, one.config)
    assert found.state == 2 * weights + sum(value.numel() * value.element_size() for value in kept)


def test_activations_are_those_of_the_rows_that_stand_in_memory_at_once():
    def kept(gpus=1, **changes):
        config = TrainConfig(**{"steps": 1, "batch_size": 64, **changes})
        return price(preset("lillm-39m"), config, gpus=gpus).activations

    assert kept(micro_batch=8) == pytest.approx(kept() / 8)
    assert kept(gpus=8) == pytest.approx(kept() / 8)
    assert kept(gpus=8, micro_batch=32) == pytest.approx(kept() / 8)  # a GPU has no more than 8
    assert kept() / 2 <= kept(precision="bf16") < kept()  # of some only the bytes halve


def test_a_shorter_context_and_a_better_share_of_the_peak_cost_less():
    config = TrainConfig(steps=10, batch_size=8)
    whole, half = (price(preset("lillm-39m"), config, context_len=T) for T in (1024, 512))
    assert (whole.tokens, half.tokens) == (10 * 8 * 1024, 10 * 8 * 512)
    assert 0.4 < half.flops / whole.flops < 0.5  # and attention has less to look at
    assert half.activations < whole.activations
    assert price(preset("lillm-39m"), config, mfu=0.2).hours == pytest.approx(2 * whole.hours)


def test_here_the_fastest_of_the_steps_tried_is_all_steps(monkeypatch):
    """Tries of 5, 2 and 3 seconds, of 2 of 8 rows: 8 seconds a step."""
    clock = iter([10, 15, 20, 22, 30, 33])
    monkeypatch.setattr(pricing, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    found = price_here(SMALL, TrainConfig(steps=900, batch_size=8, micro_batch=2), context_len=8)
    assert found.hours == pytest.approx(2 * 4 * 900 / 3600)
    assert found.tokens == 900 * 8 * 8
    assert found.flops == price(SMALL, TrainConfig(steps=900, batch_size=8), context_len=8).flops
    assert (found.dollars, found.room, found.fits) == (None, None, None)


@pytest.mark.parametrize(
    ("hours", "said"),
    [
        (100.0, "4.2 days"),
        (48.0, "2.0 days"),
        (47.0, "47.0 hours"),
        (1.9, "114.0 minutes"),
        (0.05, "3.0 minutes"),
        (0.02, "72 seconds"),
    ],
)
def test_times_are_told_in_a_unit_that_fits(hours, said):
    made = Price(tokens=1, flops=1, state=0, activations=0, room=None, hours=hours, dollars=None, assumed=())
    assert f"time     {said}\n" in str(made)
