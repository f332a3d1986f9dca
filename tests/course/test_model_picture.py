"""The picture of a model: every tensor of a pass, where it was made; the model as it was."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

from lilllm.course.model_picture import MOST_STEPS, Box, Step, model_picture
from lilllm.layers.attention import attention_reference
from lilllm.models import Decoder, ModelConfig
from lilllm.tracing.arrays import summarise
from lilllm.tracing.prose import sanitise_html
from lilllm.tracing.script import record_script


@pytest.fixture
def model() -> Decoder:
    config = ModelConfig(vocab_size=20, n_layers=2, d_model=16, n_heads=4, n_kv_heads=2, context_len=8)
    return Decoder(config, generator=torch.Generator().manual_seed(0)).double()


TOKENS = torch.tensor([[3, 1, 4, 1, 5]])


def steps(box: Box) -> list[Step]:
    return [one for step in box.steps for one in (steps(step) if isinstance(step, Box) else [step])]


def test_every_module_is_there_with_what_it_was_given_and_gave(model: Decoder) -> None:
    gave = {}

    def keep(name: str) -> Callable[..., None]:
        def hook(_module: nn.Module, _given: object, out: torch.Tensor) -> None:
            gave[name] = summarise(out)

        return hook

    hooks = [module.register_forward_hook(keep(name)) for name, module in model.named_modules()]
    model(TOKENS)
    for hook in hooks:
        hook.remove()
    picture = model_picture(model, TOKENS)
    for name, holds in gave.items():
        found = picture.find(name).gave
        assert found is not None
        assert (found.shape, found.mean, found.max) == (holds.shape, holds.mean, holds.max)
    assert [name for name, _ in picture.find("blocks.1.norm2").parameters] == ["weight"]
    with pytest.raises(KeyError, match=r"blocks\.7"):
        picture.find("blocks.7")


def test_the_residual_stream_is_the_sum_of_what_is_written_into_it(model: Decoder) -> None:
    block = model_picture(model, TOKENS).find("blocks.0")
    adds = [step for step in block.steps if isinstance(step, Step)]
    assert [step.made_by for step in adds] == ["+", "+"]
    assert adds[0].where == "lilllm/models/block.py"
    assert adds[0].line.startswith("x = x + ")
    assert block.gave is not None
    assert adds[1].holds.mean == block.gave.mean


@pytest.mark.parametrize("how", ["causal", "mask", "bias", "everything", "groups"])
def test_the_weights_beside_torchs_attention_are_those_of_the_formula(how: str) -> None:
    draw = torch.Generator().manual_seed(1)
    K = 2 if how == "groups" else 4
    q, k, v = (torch.randn(1, heads, 5, 8, generator=draw, dtype=torch.float64) for heads in (4, K, K))
    mask = torch.rand(5, 5, generator=draw) > 0.3
    mask[2] = False  # a row that may look at nothing
    bias = torch.randn(4, 5, 5, generator=draw, dtype=torch.float64)
    given = {
        "causal": {"is_causal": True},
        "mask": {"attn_mask": mask},
        "bias": {"attn_mask": bias},
        "everything": {"scale": 0.1},
        "groups": {"is_causal": True, "enable_gqa": True},
    }[how]
    ours = {
        "causal": {"causal": True},
        "mask": {"mask": mask},
        "bias": {"bias": bias},
        "everything": {"scale": 0.1},
        "groups": {"causal": True},
    }[how]

    class Attend(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return functional.scaled_dot_product_attention(x, k, v, **given)

    (step,) = steps(model_picture(Attend(), q).model)
    _, weights = attention_reference(q, k, v, **ours)
    assert [name for name, _ in step.beside] == [f"weights of head {h}" for h in range(4)]
    for (_, holds), expected in zip(step.beside, weights[0], strict=True):
        assert holds.data == pytest.approx(expected.flatten().tolist(), abs=1e-7)  # of 7 digits


def test_the_model_is_left_as_it_was(model: Decoder) -> None:
    before = copy.deepcopy(model.state_dict())
    model.train()
    model_picture(model, TOKENS)
    assert model.training
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])
        assert value.grad is None
    for module in model.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks


def test_a_pass_that_fails_leaves_no_hooks(model: Decoder) -> None:
    with pytest.raises(ValueError, match="99"):
        model_picture(model, torch.tensor([[99]]))
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert model_picture(model, TOKENS).model.gave is not None


def test_a_module_called_twice_has_two_boxes_and_one_that_passes_on_makes_no_tensor() -> None:
    shared = nn.Linear(3, 3)
    model = nn.Sequential(shared, nn.Identity(), shared, nn.Dropout(0.0).eval())
    picture = model_picture(model, torch.ones(2, 3))
    assert [step.kind for step in picture.model.steps if isinstance(step, Box)] == [
        "Linear",
        "Identity",
        "Linear",
        "Dropout",
    ]
    assert picture.find("1").tensors() == 0


@pytest.mark.bad_input
def test_what_is_no_module_is_named() -> None:
    with pytest.raises(TypeError, match="of type function: give a torch module"):
        model_picture(lambda x: x, torch.ones(1))  # type: ignore[arg-type]


def test_a_long_pass_is_cut_and_says_so() -> None:
    class Long(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            for _ in range(MOST_STEPS + 5):
                x = x + 1
            return x

    picture = model_picture(Long(), torch.zeros(1))
    assert picture.cut
    assert picture.model.tensors() == MOST_STEPS
    assert repr(picture).endswith("... and more")
    assert "more tensors than are shown" in picture._repr_html_()


def test_the_page_is_the_same_twice_and_opens_in_the_trace_too(model: Decoder) -> None:
    page = model_picture(model, TOKENS)._repr_html_()
    assert page == model_picture(model, TOKENS)._repr_html_()
    assert "<script" not in page
    kept = sanitise_html(page)  # as the player passes what a program displays
    assert kept.count("<details") == page.count("<details")
    assert kept.count("<img") == page.count("<img")
    assert "scaled_dot_product_attention" in kept


def test_what_is_not_finite_or_not_a_number_is_shown_too() -> None:
    class Odd(nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return torch.log(x - 1), x > 0

    page = model_picture(Odd(), torch.tensor([0.0, 1.0, 2.0]))._repr_html_()
    assert "bool" in page
    assert page.count("<img") > 0


RECORDED = """\
import torch
from torch import nn

from lilllm.course.model_picture import model_picture


class Twice(nn.Module):
    def forward(self, x):
        y = x * 2
        z = y + 1
        return z * y


picture = model_picture(Twice(), torch.ones(2, 3))
assert picture.model.tensors() == 3, picture
"""


def test_a_recorder_that_looks_on_is_not_in_the_picture(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(RECORDED)
    assert record_script(tmp_path / "program.py", tmp_path / "program.trace.jsonl.gz") == 0
