"""Shampoo against a reference written from the paper: algorithm 1 for matrices, algorithm 2 for any order."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lilllm import optim


def power(a: Tensor, exponent: float) -> Tensor:
    """A power of a symmetric positive definite matrix, by its singular values (ours takes eigenvalues)."""
    u, values, vh = torch.linalg.svd(a)
    return u @ torch.diag(values**exponent) @ vh


def gradients(shape: tuple[int, ...], steps: int, scale: float = 1.0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(len(shape))
    return [scale * torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(steps)]


def run(w: Tensor, grads: list[Tensor], **options) -> Tensor:
    w = w.clone().requires_grad_()
    optimizer = optim.Shampoo([w], **options)
    for g in grads:
        w.grad = g.to(w.dtype).clone()
        optimizer.step()
    return w.detach()


def test_algorithm_1() -> None:
    grads, eps, lr = gradients((4, 3), 20), 1e-2, 0.1
    w = torch.ones(4, 3, dtype=torch.float64)
    left, right = eps * torch.eye(4).double(), eps * torch.eye(3).double()
    want = w.clone()
    for g in grads:
        left, right = left + g @ g.T, right + g.T @ g
        want -= lr * power(left, -0.25) @ g @ power(right, -0.25)
    torch.testing.assert_close(run(w, grads, lr=lr, eps=eps), want, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("shape", [(5,), (2, 3, 4), (2, 1, 3, 2)])
def test_algorithm_2(shape: tuple[int, ...]) -> None:
    grads, eps, lr, order = gradients(shape, 10), 1e-2, 0.1, len(shape)
    want = torch.zeros(shape, dtype=torch.float64)
    moments = [eps * torch.eye(n).double() for n in shape]
    axes = "abcd"[:order]
    for g in grads:
        step = g
        for i, letter in enumerate(axes):
            other = axes.replace(letter, "z")
            moments[i] = moments[i] + torch.einsum(f"{axes},{other}->{letter}z", g, g)  # contracts all axes but i
            step = torch.einsum(f"z{letter},{axes}->{other}", power(moments[i], -1 / (2 * order)), step)
        want -= lr * step
    got = run(torch.zeros(shape, dtype=torch.float64), grads, lr=lr, eps=eps)
    torch.testing.assert_close(got, want, rtol=1e-9, atol=1e-9)


def test_a_long_axis_is_left_alone_and_not_counted() -> None:
    grads = gradients((3, 6), 5)
    want, left = torch.zeros(3, 6, dtype=torch.float64), 1e-2 * torch.eye(3).double()
    for g in grads:
        left = left + g @ g.T
        want -= 0.1 * power(left, -0.5) @ g
    got = run(torch.zeros(3, 6, dtype=torch.float64), grads, lr=0.1, eps=1e-2, max_size=5)
    torch.testing.assert_close(got, want, rtol=1e-9, atol=1e-9)
    plain = run(torch.zeros(3, 6, dtype=torch.float64), grads, lr=0.1, max_size=2)
    torch.testing.assert_close(plain, -0.1 * sum(grads))


def test_a_number_is_a_vector_of_one() -> None:
    # 3 / sqrt(9), then 4 / sqrt(9 + 16).
    got = run(torch.tensor(0.0), [torch.tensor(3.0), torch.tensor(4.0)], lr=1.0, eps=0.0)
    assert got.item() == pytest.approx(-1 - 0.8)


def test_roots_are_renewed_every_few_steps_and_moments_at_each() -> None:
    grads = gradients((2, 2), 4)
    want, left, right = torch.zeros(2, 2).double(), 1e-2 * torch.eye(2).double(), 1e-2 * torch.eye(2).double()
    for t, g in enumerate(grads):
        left, right = left + g @ g.T, right + g.T @ g
        if t % 3 == 0:
            roots = power(left, -0.25), power(right, -0.25)
        want -= 0.1 * roots[0] @ g @ roots[1]
    got = run(torch.zeros(2, 2).double(), grads, lr=0.1, eps=1e-2, every=3)
    torch.testing.assert_close(got, want, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
@pytest.mark.parametrize("eps", [0.0, 1e-4])
def test_gradients_of_low_rank_do_not_blow_up(scale: float, eps: float) -> None:
    # In float32 the moments' null directions are rounding errors, also negative ones; their roots must not be steps.
    grads = gradients((16, 8), 30, scale)
    grads = [g[:, :1] @ g[:1] / scale for g in grads[:3]] * 10
    w = run(torch.zeros(16, 8), grads, lr=0.1, eps=eps)
    # With k steps of a kind seen before, each step is at most about lr * sqrt(rank): 30 of them.
    assert w.norm() < 30 * 0.1 * 3
