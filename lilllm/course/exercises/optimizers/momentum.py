"""One step of gradient descent with momentum."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from lilllm.course.exercise import Case, Exercise, Mistake

Step = tuple[Tensor, Tensor]


def solution(w: Tensor, g: Tensor, v: Tensor, lr: float, beta: float) -> Step:
    """The velocity first; then a step along the new one."""
    v = beta * v + g
    return w - lr * v, v


def in_place_on_copies(w: Tensor, g: Tensor, v: Tensor, lr: float, beta: float) -> Step:
    v = v.clone().mul_(beta).add_(g)
    return w.clone().add_(v, alpha=-lr), v


def by_torch(w: Tensor, g: Tensor, v: Tensor, lr: float, beta: float) -> Step:
    p = w.clone().requires_grad_()
    optimizer = torch.optim.SGD([p], lr=lr, momentum=beta or 1e-300)  # at 0 torch would keep no velocity at all
    optimizer.state[p]["momentum_buffer"] = v.clone()
    p.grad = g.clone()
    optimizer.step()
    return p.detach(), optimizer.state[p]["momentum_buffer"]


def averaged(w: Tensor, g: Tensor, v: Tensor, lr: float, beta: float) -> Step:
    v = beta * v + (1 - beta) * g
    return w - lr * v, v


def along_the_old(w: Tensor, g: Tensor, v: Tensor, lr: float, beta: float) -> Step:
    return w - lr * v, beta * v + g


def along_the_gradient(w: Tensor, g: Tensor, v: Tensor, lr: float, beta: float) -> Step:
    return w - lr * g, beta * v + g


def rate_inside(w: Tensor, g: Tensor, v: Tensor, lr: float, beta: float) -> Step:
    v = beta * v + lr * g
    return w - v, v


def step_kept(w: Tensor, g: Tensor, v: Tensor, lr: float, beta: float) -> Step:
    v = beta * v - lr * g
    return w + v, v


def uphill(w: Tensor, g: Tensor, v: Tensor, lr: float, beta: float) -> Step:
    v = beta * v + g
    return w + lr * v, v


def look_ahead(w: Tensor, g: Tensor, v: Tensor, lr: float, beta: float) -> Step:
    v = beta * v + g
    return w - lr * (g + beta * v), v


def no_friction(w: Tensor, g: Tensor, v: Tensor, lr: float, beta: float) -> Step:
    v = v + g
    return w - lr * v, v


def velocity_not_kept(w: Tensor, g: Tensor, v: Tensor, lr: float, beta: float) -> Step:
    return w - lr * (beta * v + g), v


def wrong_order(w: Tensor, g: Tensor, v: Tensor, lr: float, beta: float) -> Step:
    v = beta * v + g
    return v, w - lr * v


def cases() -> Iterator[Case]:
    one = torch.tensor
    # By hand: v = 0.5 * 4 + 2 = 4, w = 1 - 0.1 * 4.
    yield Case((one([1.0]), one([2.0]), one([4.0]), 0.1, 0.5), (one([0.6]), one([4.0])))
    # The first step: nothing to remember, so this is plain gradient descent.
    yield Case((one([1.0]), one([2.0]), one([0.0]), 0.1, 0.9), (one([0.8]), one([2.0])))
    # No gradient: it rolls on.
    yield Case((one([1.0, 0.0]), one([0.0, 0.0]), one([1.0, -2.0]), 0.5, 0.5), (one([0.75, 0.5]), one([0.5, -1.0])))
    # beta = 0 forgets at once.
    yield Case((one([1.0]), one([3.0]), one([5.0]), 0.25, 0.0), (one([0.25]), one([3.0])))
    generator = torch.Generator().manual_seed(0)
    for shape, lr, beta in (((), 0.3, 0.9), ((2, 3), 0.1, 0.9), ((3, 1, 2), 0.02, 0.99)):
        w, g, v = (torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(3))
        yield Case((w, g, v, lr, beta), solution(w, g, v, lr, beta))


EXERCISE = Exercise(
    task=(
        "Return the weight and the velocity after one step of gradient descent with momentum, as torch's SGD makes it: "
        "`v` becomes `beta * v + g`, and the weight moves by `lr` times it. Leave the tensors you were given as they "
        "are."
    ),
    call="momentum_step(w, g, v, lr, beta)",
    hints=(
        "Two lines: the velocity first, then the weight. Which of the two velocities does the weight follow?",
        "The gradient enters the velocity whole. What fades is what was there before: it is multiplied by `beta`.",
        "`v = beta * v + g`, then `return w - lr * v, v`.",
    ),
    solution=solution,
    also_right=(in_place_on_copies, by_torch),
    mistakes=(
        Mistake(
            averaged,
            "You multiply the gradient by 1 - beta, as an average does. In torch's SGD it enters whole: steady "
            "gradients then add up to a step 1 / (1 - beta) times as long.",
        ),
        Mistake(along_the_old, "You step along the velocity from before: update it first, then step along the new."),
        Mistake(along_the_gradient, "Your velocity is right, but the weight follows the gradient alone."),
        Mistake(
            rate_inside,
            "You have multiplied by lr inside of the velocity. The two differ as soon as the rate changes: keep `v` "
            "free of lr.",
        ),
        Mistake(
            step_kept,
            "Your velocity is the step itself, with the sign and the rate in it, as Keras keeps it. In torch's SGD `v` "
            "is a sum of gradients, and `lr` and the sign come when the weight moves.",
        ),
        Mistake(uphill, "You step uphill: the loss falls against the gradient, so subtract."),
        Mistake(look_ahead, "This is Nesterov's look ahead: plain momentum steps along `v` and nothing else."),
        Mistake(no_friction, "Nothing fades: multiply the old velocity by beta."),
        Mistake(velocity_not_kept, "The weight is right, but you return the velocity you were given: return the new."),
        Mistake(wrong_order, "You return the velocity first: return the weight, then the velocity."),
    ),
    cases=cases,
    seconds=20,  # the first optimizer of torch that is made in a process imports torch's compiler: seconds of work
)
