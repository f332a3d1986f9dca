"""One step of AdamW."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from lilllm.course.exercise import Case, Exercise, Mistake

Betas = tuple[float, float]
Step = tuple[Tensor, Tensor, Tensor]


def solution(
    w: Tensor, g: Tensor, m: Tensor, v: Tensor, t: int, lr: float, betas: Betas, eps: float, weight_decay: float
) -> Step:
    """As the paper has it: decay on the bare weight, averages, both corrected, a step of about lr."""
    b1, b2 = betas
    m = b1 * m + (1 - b1) * g
    v = b2 * v + (1 - b2) * g**2
    m_hat = m / (1 - b1**t)
    v_hat = v / (1 - b2**t)
    w = w - lr * weight_decay * w
    return w - lr * m_hat / (v_hat.sqrt() + eps), m, v


def corrections_in_the_rate(
    w: Tensor, g: Tensor, m: Tensor, v: Tensor, t: int, lr: float, betas: Betas, eps: float, weight_decay: float
) -> Step:
    m = m.lerp(g, 1 - betas[0])
    v = v.mul(betas[1]).addcmul(g, g, value=1 - betas[1])
    root = (1 - betas[1] ** t) ** 0.5
    step = m / (v.sqrt() + eps * root)
    return w * (1 - lr * weight_decay) - lr * root / (1 - betas[0] ** t) * step, m, v


def by_torch(
    w: Tensor, g: Tensor, m: Tensor, v: Tensor, t: int, lr: float, betas: Betas, eps: float, weight_decay: float
) -> Step:
    p = w.clone().requires_grad_()
    optimizer = torch.optim.AdamW([p], lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)
    state = {"step": torch.tensor(float(t - 1)), "exp_avg": m.clone(), "exp_avg_sq": v.clone()}
    optimizer.state[p] = state
    p.grad = g.clone()
    optimizer.step()
    return p.detach(), state["exp_avg"], state["exp_avg_sq"]


def no_correction(
    w: Tensor, g: Tensor, m: Tensor, v: Tensor, t: int, lr: float, betas: Betas, eps: float, weight_decay: float
) -> Step:
    m, v = betas[0] * m + (1 - betas[0]) * g, betas[1] * v + (1 - betas[1]) * g**2
    return w - lr * (m / (v.sqrt() + eps) + weight_decay * w), m, v


def second_not_corrected(
    w: Tensor, g: Tensor, m: Tensor, v: Tensor, t: int, lr: float, betas: Betas, eps: float, weight_decay: float
) -> Step:
    m, v = betas[0] * m + (1 - betas[0]) * g, betas[1] * v + (1 - betas[1]) * g**2
    return w - lr * (m / (1 - betas[0] ** t) / (v.sqrt() + eps) + weight_decay * w), m, v


def counted_from_0(
    w: Tensor, g: Tensor, m: Tensor, v: Tensor, t: int, lr: float, betas: Betas, eps: float, weight_decay: float
) -> Step:
    return solution(w, g, m, v, t + 1, lr, betas, eps, weight_decay)


def in_the_gradient(
    w: Tensor, g: Tensor, m: Tensor, v: Tensor, t: int, lr: float, betas: Betas, eps: float, weight_decay: float
) -> Step:
    return solution(w, g + weight_decay * w, m, v, t, lr, betas, eps, 0.0)


def decay_without_rate(
    w: Tensor, g: Tensor, m: Tensor, v: Tensor, t: int, lr: float, betas: Betas, eps: float, weight_decay: float
) -> Step:
    return solution(w, g, m, v, t, lr, betas, eps, weight_decay / lr)


def no_decay(
    w: Tensor, g: Tensor, m: Tensor, v: Tensor, t: int, lr: float, betas: Betas, eps: float, weight_decay: float
) -> Step:
    return solution(w, g, m, v, t, lr, betas, eps, 0.0)


def decay_after(
    w: Tensor, g: Tensor, m: Tensor, v: Tensor, t: int, lr: float, betas: Betas, eps: float, weight_decay: float
) -> Step:
    w, m, v = solution(w, g, m, v, t, lr, betas, eps, 0.0)
    return w - lr * weight_decay * w, m, v


def no_root(
    w: Tensor, g: Tensor, m: Tensor, v: Tensor, t: int, lr: float, betas: Betas, eps: float, weight_decay: float
) -> Step:
    m, v = betas[0] * m + (1 - betas[0]) * g, betas[1] * v + (1 - betas[1]) * g**2
    step = m / (1 - betas[0] ** t) / (v / (1 - betas[1] ** t) + eps)
    return w - lr * (step + weight_decay * w), m, v


def not_squared(
    w: Tensor, g: Tensor, m: Tensor, v: Tensor, t: int, lr: float, betas: Betas, eps: float, weight_decay: float
) -> Step:
    m, v = betas[0] * m + (1 - betas[0]) * g, betas[1] * v + (1 - betas[1]) * g
    step = m / (1 - betas[0] ** t) / ((v / (1 - betas[1] ** t)).sqrt() + eps)
    return w - lr * (step + weight_decay * w), m, v


def eps_under_the_root(
    w: Tensor, g: Tensor, m: Tensor, v: Tensor, t: int, lr: float, betas: Betas, eps: float, weight_decay: float
) -> Step:
    m, v = betas[0] * m + (1 - betas[0]) * g, betas[1] * v + (1 - betas[1]) * g**2
    step = m / (1 - betas[0] ** t) / (v / (1 - betas[1] ** t) + eps).sqrt()
    return w - lr * (step + weight_decay * w), m, v


def eps_before_the_correction(
    w: Tensor, g: Tensor, m: Tensor, v: Tensor, t: int, lr: float, betas: Betas, eps: float, weight_decay: float
) -> Step:
    m, v = betas[0] * m + (1 - betas[0]) * g, betas[1] * v + (1 - betas[1]) * g**2
    rate = (1 - betas[1] ** t) ** 0.5 / (1 - betas[0] ** t)
    return w - lr * (rate * m / (v.sqrt() + eps) + weight_decay * w), m, v


def betas_swapped(
    w: Tensor, g: Tensor, m: Tensor, v: Tensor, t: int, lr: float, betas: Betas, eps: float, weight_decay: float
) -> Step:
    return solution(w, g, m, v, t, lr, (betas[1], betas[0]), eps, weight_decay)


def corrected_kept(
    w: Tensor, g: Tensor, m: Tensor, v: Tensor, t: int, lr: float, betas: Betas, eps: float, weight_decay: float
) -> Step:
    w, m, v = solution(w, g, m, v, t, lr, betas, eps, weight_decay)
    return w, m / (1 - betas[0] ** t), v / (1 - betas[1] ** t)


def cases() -> Iterator[Case]:
    def one(*x: float) -> Tensor:
        return torch.tensor(x, dtype=torch.float64)

    # By hand: the first step goes by lr against the gradient's sign: m_hat = 2, v_hat = 4, w = 1 - 0.1 * 2 / 2.
    first = (one(1), one(2), one(0), one(0), 1, 0.1, (0.5, 0.5), 0.0, 0.0)
    yield Case(first, (one(0.9), one(1), one(2)))
    # The same with decay: w = 1 - 0.1 * 0.5 * 1 = 0.95 first, and then 0.1 on.
    yield Case((*first[:-1], 0.5), (one(0.85), one(1), one(2)))
    # And with eps = 2: 1 - 0.1 * 2 / (2 + 2).
    yield Case((*first[:-2], 2.0, 0.0), (one(0.95), one(1), one(2)))
    # The second step, by hand: m = 0.5 * 1 + 0.5 * 2 = 1.5, m_hat = 1.5 / 0.75 = 2; v = 3, v_hat = 4.
    yield Case((one(1), one(2), one(1), one(2), 2, 0.1, (0.5, 0.5), 0.0, 0.0), (one(0.9), one(1.5), one(3)))
    # No gradient yet: only the decay moves the weight.
    still = (one(2, -1), one(0, 0), one(0, 0), one(0, 0), 1, 0.5, (0.9, 0.999), 1e-8, 0.1)
    yield Case(still, (one(1.9, -0.95), one(0, 0), one(0, 0)))
    generator = torch.Generator().manual_seed(0)
    for shape, t, betas, eps in (
        ((3,), 1, (0.9, 0.999), 1e-8),
        ((2, 3), 7, (0.8, 0.95), 0.1),
        ((2, 2), 400, (0.0, 0.9), 1.0),
    ):
        w, g, m, v = (torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(4))
        arguments = (w, g, m, v.square(), t, 0.05, betas, eps, 0.3)
        yield Case(arguments, solution(*arguments))


EXERCISE = Exercise(
    task=(
        "Return the weight and both averages after step `t` of AdamW; `t` is 1 at the first step. The decay is "
        "multiplied by `lr` and acts on the weight before the step, and `eps` is added to the corrected root, both as "
        "in torch. Leave the tensors you were given as they are."
    ),
    call="adamw_step(w, g, m, v, t, lr, betas, eps, weight_decay)",
    hints=(
        "Four things: two averages (of `g` and of `g` squared), their corrections, the decay, the step.",
        "The averages start at 0, so after t steps their weights add up to 1 - beta^t only: divide by that, in names "
        "of their own, and return the averages undivided.",
        "The decay never meets the gradient: `w = w - lr * weight_decay * w`.",
        "The step: `w - lr * m_hat / (v_hat.sqrt() + eps)`.",
    ),
    solution=solution,
    also_right=(corrections_in_the_rate, by_torch),
    mistakes=(
        Mistake(
            no_correction,
            "There is no bias correction: m and v start at 0 and are too small at first, v more than m, which makes "
            "the first steps too long. Divide m by 1 - b1^t and v by 1 - b2^t.",
        ),
        Mistake(second_not_corrected, "You correct m, but not v: divide v by 1 - b2^t before its root."),
        Mistake(counted_from_0, "You correct with t + 1: `t` is 1 at the first step already."),
        Mistake(
            in_the_gradient,
            "Your decay is added to the gradient: this is Adam with L2. The root then divides the decay too, and "
            "weights with large gradients hardly decay. Take it off the weight itself.",
        ),
        Mistake(decay_without_rate, "Your decay is not multiplied by lr: w shrinks by lr * weight_decay * w."),
        Mistake(no_decay, "There is no weight decay: w shrinks by lr * weight_decay * w before the step."),
        Mistake(decay_after, "You decay after the step, and so the step too: the decay acts on the weight before it."),
        Mistake(no_root, "You divide by the mean square: divide by its root, so that the unit of g cancels."),
        Mistake(not_squared, "`v` averages the gradient as it is: it is the average of its square, `g**2`."),
        Mistake(eps_under_the_root, "You add eps under the root: add it to the root."),
        Mistake(
            eps_before_the_correction,
            "You add eps to the root before the correction, as TensorFlow does: correct v first, then add eps.",
        ),
        Mistake(betas_swapped, "You have swapped the betas: the first is that of m, the second that of v."),
        Mistake(
            corrected_kept,
            "You return the corrected averages: they would be corrected again at the next step. Return m and v.",
        ),
    ),
    cases=cases,
    seconds=20,  # the first optimizer of torch that is made in a process imports torch's compiler: seconds of work
)
