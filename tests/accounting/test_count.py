"""Counting a piece of code as it runs: FLOPs to the unit, bytes by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from lilllm.accounting import count, preset
from lilllm.accounting.flops import measure
from tests.accounting.reference import Decoder


def test_a_matrix_product_by_hand() -> None:
    a, b = torch.ones(3, 5), torch.ones(5, 7)
    with count() as work:
        a @ b
    assert work.flops == 2 * 3 * 5 * 7
    assert work.moved == 4 * (3 * 5 + 5 * 7 + 3 * 7)
    assert work.intensity == work.flops / work.moved
    assert work.operations == 1


def test_views_are_free_and_copies_are_not() -> None:
    x = torch.ones(6, 4)
    with count() as work:
        x.t().reshape(2, 12)[:1]
    assert work.moved == 2 * x.nbytes  # the transposed one has to be copied to be reshaped
    with count() as work:
        x.view(2, 12)[:1].expand(5, 12)
    assert (work.moved, work.flops, work.intensity) == (0, 0, 0.0)


def test_forward_and_backward_of_a_module_equal_torchs_counter() -> None:
    model = nn.Sequential(nn.Linear(5, 7), nn.GELU(), nn.Linear(7, 3))
    x = torch.randn(4, 5)
    with FlopCounterMode(display=False) as theirs:
        model(x).sum().backward()
    with count() as work:
        model(x).sum().backward()
    assert work.flops == theirs.get_total_flops() > 0


@pytest.mark.parametrize("backward", [False, True])
def test_fused_attention_on_the_cpu_counts_as_on_a_gpu(backward: bool) -> None:
    q, k, v = (torch.randn(2, 4, 16, 8, requires_grad=backward) for _ in range(3))
    with count() as work:
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        if backward:
            y.sum().backward()
    products = 2 + 5 * backward  # Q K^T and P V; backward five, one of them Q K^T again
    assert work.flops == products * 2 * 2 * 4 * 16 * 16 * 8


def test_the_counter_of_modules_agrees() -> None:
    shape = preset("liltown")
    model, ids = Decoder(shape), torch.zeros(2, 9, dtype=torch.long)
    want = measure(model, ids)
    with count() as work:
        model(ids).sum().backward()
    assert work.flops == want["forward"] + want["backward"]


def test_inner_work_counts_in_both() -> None:
    a = torch.ones(4, 4)
    with count() as outer:
        a @ a
        with count() as inner:
            a @ a
    assert (inner.flops, outer.flops) == (128, 256)


def test_an_error_ends_the_counting() -> None:
    a = torch.ones(2, 2)
    with pytest.raises(RuntimeError), count() as work:
        a @ torch.ones(3, 3)
    a @ a
    assert work.flops == 0
