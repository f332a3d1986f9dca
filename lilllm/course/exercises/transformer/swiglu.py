"""SwiGLU: a feed-forward with a gate."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from lilllm.course.exercise import Case, Exercise, Mistake


def solution(x: Tensor, w_gate: Tensor, w_up: Tensor, w_down: Tensor) -> Tensor:
    """One projection opens and closes the other, channel by channel."""
    gate = x @ w_gate  # (..., F)
    return (gate * torch.sigmoid(gate) * (x @ w_up)) @ w_down


def by_torch(x: Tensor, w_gate: Tensor, w_up: Tensor, w_down: Tensor) -> Tensor:
    return functional.linear(functional.silu(functional.linear(x, w_gate.T)) * functional.linear(x, w_up.T), w_down.T)


def one_matrix(x: Tensor, w_gate: Tensor, w_up: Tensor, w_down: Tensor) -> Tensor:
    gate, up = (x @ torch.cat((w_gate, w_up), dim=1)).chunk(2, dim=-1)
    return functional.silu(gate) * up @ w_down


def by_tanh(x: Tensor, w_gate: Tensor, w_up: Tensor, w_down: Tensor) -> Tensor:
    gate = torch.einsum("...c,cf->...f", x, w_gate)
    hidden = gate * 0.5 * (1 + torch.tanh(gate / 2)) * torch.einsum("...c,cf->...f", x, w_up)
    return torch.einsum("...f,fc->...c", hidden, w_down)


def exchanged(x: Tensor, w_gate: Tensor, w_up: Tensor, w_down: Tensor) -> Tensor:
    return (functional.silu(x @ w_up) * (x @ w_gate)) @ w_down


def glu(x: Tensor, w_gate: Tensor, w_up: Tensor, w_down: Tensor) -> Tensor:
    return (torch.sigmoid(x @ w_gate) * (x @ w_up)) @ w_down


def geglu(x: Tensor, w_gate: Tensor, w_up: Tensor, w_down: Tensor) -> Tensor:
    return (functional.gelu(x @ w_gate) * (x @ w_up)) @ w_down


def reglu(x: Tensor, w_gate: Tensor, w_up: Tensor, w_down: Tensor) -> Tensor:
    return (torch.relu(x @ w_gate) * (x @ w_up)) @ w_down


def added(x: Tensor, w_gate: Tensor, w_up: Tensor, w_down: Tensor) -> Tensor:
    return (functional.silu(x @ w_gate) + x @ w_up) @ w_down


def of_the_product(x: Tensor, w_gate: Tensor, w_up: Tensor, w_down: Tensor) -> Tensor:
    return functional.silu((x @ w_gate) * (x @ w_up)) @ w_down


def both_sides(x: Tensor, w_gate: Tensor, w_up: Tensor, w_down: Tensor) -> Tensor:
    return (functional.silu(x @ w_gate) * functional.silu(x @ w_up)) @ w_down


def no_gate(x: Tensor, w_gate: Tensor, w_up: Tensor, w_down: Tensor) -> Tensor:
    return functional.silu(x @ w_up) @ w_down


def with_residual(x: Tensor, w_gate: Tensor, w_up: Tensor, w_down: Tensor) -> Tensor:
    return x + solution(x, w_gate, w_up, w_down)


def hidden_alone(x: Tensor, w_gate: Tensor, w_up: Tensor, w_down: Tensor) -> Tensor:
    return functional.silu(x @ w_gate) * (x @ w_up)


def cases() -> Iterator[Case]:
    def case(*given: object) -> Case:
        *arguments, expected = (torch.tensor(one, dtype=torch.float64) for one in given)
        return Case(tuple(arguments), expected)

    # A gate of 0 is shut.
    yield case([[1.0]], [[0.0]], [[5.0]], [[7.0]], [[0.0]])
    # silu(ln 3) = ln 3 * 3/4; times 4, times 2.
    yield case([[1.0]], [[math.log(3.0)]], [[4.0]], [[2.0]], [[6 * math.log(3.0)]])
    # A gate far open is nearly the identity, far below 0 nearly shut: 50 * 2 and nothing.
    yield case([[1.0], [-1.0]], [[50.0]], [[2.0]], [[1.0]], [[100.0], [0.0]])
    draw = torch.Generator().manual_seed(2)
    for shape, F in (((2, 2), 3), ((1, 3, 4), 5), ((2, 3, 4), 11)):
        C = shape[-1]
        x, a, b, down = (torch.randn(s, generator=draw, dtype=torch.float64) for s in (shape, (C, F), (C, F), (F, C)))
        yield Case((x, a, b, down), by_torch(x, a, b, down))


EXERCISE = Exercise(
    task=(
        "SwiGLU: silu(x W_gate) times x W_up, channel by channel, then W_down. `x` is (..., C), `w_gate` and `w_up` "
        "(C, F), `w_down` (F, C); silu(z) = z * sigmoid(z). No biases."
    ),
    call="swiglu(x, w_gate, w_up, w_down)",
    hints=(
        "Two projections of the same x, both (..., F). Which of the two goes through silu?",
        "`torch.nn.functional.silu(x @ w_gate)`, or z * torch.sigmoid(z): the gate.",
        "The product of the two is of elements, `*`; then `@ w_down` leads back to C.",
    ),
    solution=solution,
    also_right=(by_torch, one_matrix, by_tanh),
    mistakes=(
        Mistake(
            exchanged,
            "Gate and up are exchanged: silu is for x W_gate. A model trained so would work; loaded weights would not.",
        ),
        Mistake(glu, "You use the sigmoid alone, which is GLU: silu(z) is z * sigmoid(z)."),
        Mistake(geglu, "This is GEGLU: its gate has a GELU, SwiGLU's a silu."),
        Mistake(reglu, "This is ReGLU: its gate has a ReLU, SwiGLU's a silu."),
        Mistake(added, "You add gate and up: a gate multiplies."),
        Mistake(of_the_product, "You take silu of the product: it is for the gate, before the product."),
        Mistake(both_sides, "Both projections go through silu: the one that is let through stays linear."),
        Mistake(no_gate, "The gate is not used: this is a plain feed-forward with silu."),
        Mistake(with_residual, "You add x again: the residual connection is the block's part, not the feed-forward's."),
        Mistake(hidden_alone, "This is the hidden layer (..., F): `@ w_down` leads back to (..., C)."),
    ),
    cases=cases,
)
