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


def test_hours_are_those_of_the_precision():
    def found(gpu, precision):
        return price(preset("lillm-39m"), TrainConfig(steps=10, batch_size=8, precision=precision), gpu=gpu)

    full, low, half = (found("h100-80gb", precision) for precision in ("fp32", "bf16", "fp16"))
    assert full.hours == pytest.approx(low.hours * 989.4 / 66.9)
    assert half.hours == low.hours
    assert "66.9 TFLOP/s (its maker's figure, fp32 outside tensor cores)" in str(full)
    assert "autocast" not in str(full)
    assert "989 TFLOP/s (its maker's figure, bf16)" in str(low)
    assert "float32 weights under autocast" in str(low)
    assert "65 TFLOP/s (its maker's figure, fp16)" in str(found("t4-16gb", "fp16"))
    with pytest.raises(ValueError, match="v100-32gb has no bf16, torch imitates it slowly; give the precision fp16"):
        found("v100-32gb", "bf16")


def test_under_fsdp_a_gpu_holds_its_part_of_the_state():
    config = TrainConfig(steps=1, batch_size=64, micro_batch=4)
    whole, part = (price(preset("lillm-39m"), config, gpus=8, parallel=kind) for kind in ("ddp", "fsdp"))
    assert part.state == pytest.approx(whole.state / 8)
    assert (part.activations, part.hours) == (whole.activations, whole.hours)
    assert "FSDP: each GPU holds 1 / 8 of the state" in str(part)
    assert "DDP: each GPU holds all of the state" in str(whole)
    fp16 = TrainConfig(steps=1, batch_size=64, precision="fp16")
    with pytest.raises(ValueError, match="fp16 and FSDP do not go together"):
        price(preset("lillm-39m"), fp16, parallel="fsdp")
    with pytest.raises(ValueError, match="parallel is 'zero'; give one of: ddp, fsdp"):
        price(preset("lillm-39m"), config, parallel="zero")


def test_what_was_assumed_is_told_as_it_was_given():
    told = str(price(SMALL, TrainConfig(steps=1, batch_size=12, micro_batch=3), mfu=0.001))
    assert "activations of 3 rows at once" in told
    assert "assumed  0.1% of 1 x" in told


@pytest.mark.parametrize("value", [-3, float("nan"), float("inf")])
def test_a_price_that_is_none_is_refused(value):
    with pytest.raises(ValueError, match=r"dollars_per_hour is .*; give a number of at least 0"):
        price(SMALL, TrainConfig(steps=1, batch_size=1), dollars_per_hour=value)


@pytest.mark.parametrize("priced", [price, price_here])
def test_rows_of_no_tokens_are_refused(priced):
    with pytest.raises(ValueError, match="context_len is 0; give 1 or more"):
        priced(SMALL, TrainConfig(steps=1, batch_size=1), context_len=0)


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
    made = Price(tokens=1, flops=1, state=0, activations=0, rows=1, room=None, hours=hours, dollars=None, assumed=())
    assert f"time     {said}\n" in str(made)
