"""A run against the loop that anyone would write by hand, option by option; and what fp16's scale may not do."""

import math

import pytest
import torch

from lilllm.optim import Muon
from lilllm.training import NotFinite
from tests.training import tiny

# Not one option is at its default, so that one that is lost shows. eps is about a gradient's own size, or it would not.
OPTIONS = {"lr": 0.02, "betas": (0.7, 0.8), "eps": 0.05, "weight_decay": 0.5, "warmup": 3, "steps": 8, "clip": 0.3}


def by_hand(changes):
    """The weights after the run that ``changes`` of `tiny` asks for: a batch, a rate, a gradient, a step."""
    config, model, feed = tiny.config(**changes), tiny.model(dropout=0.0), tiny.loader()
    names = dict(model.named_parameters())
    inner = [p for name, p in names.items() if "blocks." in name and p.ndim == 2]
    by_muon = inner if config.optimizer == "muon" else []
    matrices = [p for p in names.values() if p.ndim == 2 and all(p is not one for one in by_muon)]
    gains = [p for p in names.values() if p.ndim == 1]
    groups = [{"params": matrices}, {"params": gains, "weight_decay": 0.0}]
    made = [torch.optim.AdamW(groups, betas=config.betas, eps=config.eps, weight_decay=config.weight_decay)]
    if by_muon:
        decay = config.weight_decay
        made.append(Muon(by_muon, weight_decay=decay, match_rms_adamw=True, ns_dtype=torch.float32))
    for step in range(config.steps):
        batch = next(feed)
        for one in made:
            one.zero_grad()
        model.loss(batch.tokens, batch.targets).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip)
        for one in made:
            for group in one.param_groups:
                group["lr"] = config.rate(step)
            one.step()
    return {name: p.detach() for name, p in names.items()}


@pytest.mark.parametrize("changes", [{}, {"schedule": "wsd", "decay": 0.5}, {"optimizer": "muon"}], ids=str)
def test_a_run_is_the_loop_anyone_would_write(changes):
    """To float32's rounding over eight steps of up to 0.02: 1e-5; a rate of the step before would be off by 1e-3."""
    one = tiny.trainer(dropout=0.0, changes={**OPTIONS, **changes})
    one.run()
    expected = by_hand({**OPTIONS, **changes})
    for name, weight in tiny.weights(one).items():
        torch.testing.assert_close(weight, expected[name], rtol=0, atol=1e-5, msg=lambda m, name=name: f"{name}: {m}")


def test_fp16_does_not_leave_out_steps_for_ever():
    """What is not finite at a scale of 1 is no fault of the scale: the run stops, as in any other precision."""
    one = tiny.trainer(changes={"precision": "fp16", "steps": 100, "eval_every": None}, dropout=0.0)
    one.take.scaler.load_state_dict({**one.take.scaler.state_dict(), "scale": 8.0})
    one.model.blocks[0].ffn.up.weight.register_hook(lambda grad: grad * math.inf)
    before = tiny.weights(one)
    with pytest.raises(NotFinite, match="the gradient of batch 3 is not finite"):  # after scales of 8, 4 and 2
        one.run()
    assert tiny.same(before, tiny.weights(one))


def test_the_scale_of_fp16_comes_back(tmp_path):
    changes = {"precision": "fp16", "steps": 6, "save_every": 3}
    first = tiny.trainer(tmp_path / "run", changes=changes)
    first.take.scaler.load_state_dict({**first.take.scaler.state_dict(), "scale": 32.0, "_growth_tracker": 5})
    first.run(until=3)
    second = tiny.trainer(tmp_path / "run", changes=changes, resume=True)
    assert second.take.scaler.state_dict() == first.take.scaler.state_dict()
    assert second.take.scaler.get_scale() == 32.0
