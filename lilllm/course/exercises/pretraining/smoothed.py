"""Cross-entropy with label smoothing."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from lilllm.course.exercise import Case, Exercise, Mistake


def solution(logits: Tensor, target: int, eps: float) -> Tensor:
    """Most of the weight on the target, and eps spread evenly over all V tokens, the target among them."""
    log_p = logits.log_softmax(0)
    return -(1 - eps) * log_p[target] - eps * log_p.mean()


def by_torch(logits: Tensor, target: int, eps: float) -> Tensor:
    return functional.cross_entropy(logits, torch.tensor(target), label_smoothing=eps)


def by_distribution(logits: Tensor, target: int, eps: float) -> Tensor:
    q = torch.full_like(logits, eps / len(logits))
    q[target] += 1 - eps
    return -(q * logits.log_softmax(0)).sum()


def by_logsumexp(logits: Tensor, target: int, eps: float) -> Tensor:
    return logits.logsumexp(0) - (1 - eps) * logits[target] - eps * logits.mean()


def over_the_others(logits: Tensor, target: int, eps: float) -> Tensor:
    q = torch.full_like(logits, eps / (len(logits) - 1))
    q[target] = 1 - eps
    return -(q * logits.log_softmax(0)).sum()


def target_without_share(logits: Tensor, target: int, eps: float) -> Tensor:
    q = torch.full_like(logits, eps / len(logits))
    q[target] = 1 - eps
    return -(q * logits.log_softmax(0)).sum()


def not_divided(logits: Tensor, target: int, eps: float) -> Tensor:
    q = torch.full_like(logits, eps)
    q[target] = 1 - eps
    return -(q * logits.log_softmax(0)).sum()


def summed(logits: Tensor, target: int, eps: float) -> Tensor:
    log_p = logits.log_softmax(0)
    return -(1 - eps) * log_p[target] - eps * log_p.sum()


def added_on_top(logits: Tensor, target: int, eps: float) -> Tensor:
    log_p = logits.log_softmax(0)
    return -log_p[target] - eps * log_p.mean()


def exchanged(logits: Tensor, target: int, eps: float) -> Tensor:
    return solution(logits, target, 1 - eps)


def not_smoothed(logits: Tensor, target: int, eps: float) -> Tensor:
    return -logits.log_softmax(0)[target]


def only_scaled(logits: Tensor, target: int, eps: float) -> Tensor:
    return -(1 - eps) * logits.log_softmax(0)[target]


def guess_smoothed(logits: Tensor, target: int, eps: float) -> Tensor:
    return -((1 - eps) * logits.softmax(0)[target] + eps / len(logits)).log()


def without_minus(logits: Tensor, target: int, eps: float) -> Tensor:
    return -solution(logits, target, eps)


def divergence(logits: Tensor, target: int, eps: float) -> Tensor:
    q = torch.full_like(logits, eps / len(logits))
    q[target] += 1 - eps
    return solution(logits, target, eps) + torch.special.xlogy(q, q).sum()


def log_of_softmax(logits: Tensor, target: int, eps: float) -> Tensor:
    q = torch.full_like(logits, eps / len(logits))
    q[target] += 1 - eps
    return -(q * logits.softmax(0).log()).sum()


def log_of_exp(logits: Tensor, target: int, eps: float) -> Tensor:
    log_p = (logits.exp() / logits.exp().sum()).log()
    return -(1 - eps) * log_p[target] - eps * log_p.mean()


def of_logits(logits: Tensor, target: int, eps: float) -> Tensor:
    return -(1 - eps) * logits[target] - eps * logits.mean()


def entropy_added(logits: Tensor, target: int, eps: float) -> Tensor:
    return -(1 - eps) * logits.log_softmax(0)[target] + eps * math.log(len(logits))


def eps_added(logits: Tensor, target: int, eps: float) -> Tensor:
    return -(1 - eps) * logits.log_softmax(0)[target] + eps


def one_axis(logits: Tensor, target: int, eps: float) -> Tensor:
    return solution(logits, target, eps)[None]


def cases() -> Iterator[Case]:
    def case(logits: list[float], target: int, eps: float, expected: float) -> Case:
        number = torch.tensor(expected, dtype=torch.float64)
        return Case((torch.tensor(logits, dtype=torch.float64), target, eps), number)

    ln3 = math.log(3.0)
    # Probabilities 1/4 and 3/4. Unsmoothed: -ln 3/4.
    yield case([0.0, ln3], 1, 0.0, math.log(4 / 3))
    # With eps 0.2 the target counts 0.9 and the other 0.1.
    yield case([0.0, ln3], 1, 0.2, 0.9 * math.log(4 / 3) + 0.1 * math.log(4))
    # Who knows nothing pays ln V, however much is smoothed.
    yield case([0.0, 0.0, 0.0, 0.0], 2, 0.1, math.log(4))
    # Sure by 900 nats, and right: each other token costs 900, with weight eps / 3.
    yield case([0.0, 900.0, 0.0], 1, 0.3, 2 * 0.1 * 900)
    draw = torch.Generator().manual_seed(8)
    for V, eps in ((3, 0.1), (5, 0.1), (8, 0.4)):
        logits = 2 * torch.randn(V, generator=draw, dtype=torch.float64)
        yield Case((logits, V // 2, eps), by_torch(logits, V // 2, eps))


EXERCISE = Exercise(
    task=(
        "Cross-entropy with label smoothing, for one guess: `logits` (V,), the id of the `target`, and `eps`, the part "
        "of the weight that is spread evenly over all V tokens, the target too; the rest is the target's. Return a "
        "tensor with no axes."
    ),
    call="smoothed_loss(logits, target, eps)",
    hints=(
        "Write down the distribution that the guess is compared with. Which numbers has it, and do they add up to 1?",
        "Each token has eps / V, and the target 1 - eps more. The loss is minus the sum of q * log p.",
        "With `log_p = logits.log_softmax(0)`: (1 - eps) times that of the target, eps times their mean, and a minus.",
    ),
    solution=solution,
    also_right=(by_torch, by_distribution, by_logsumexp),
    mistakes=(
        Mistake(not_smoothed, "Nothing is smoothed: `eps` of the weight goes to all tokens evenly."),
        Mistake(
            over_the_others,
            "You spread eps over the V - 1 other tokens, as some do: it goes to all V, the target too, as in torch.",
        ),
        Mistake(
            target_without_share, "The target lacks its own eps / V: your weights add up to less than 1, 1 - eps / V."
        ),
        Mistake(not_divided, "Each other token gets a whole eps: spread it, eps / V each."),
        Mistake(summed, "You add eps times the sum of all log-probabilities: it is their mean, eps / V each."),
        Mistake(added_on_top, "The target keeps its whole weight: it gives up eps, and has 1 - eps of it."),
        Mistake(exchanged, "eps and 1 - eps are exchanged: eps is the part that is spread."),
        Mistake(only_scaled, "You take eps away from the target, and give it to nobody: it goes to all V tokens."),
        Mistake(
            guess_smoothed,
            "You smooth what the model says: it is the label, with which it is compared, that is smoothed.",
        ),
        Mistake(without_minus, "The sign is wrong: a loss is minus the log-probability."),
        Mistake(
            divergence,
            "This is the divergence, less by the entropy of the smoothed label: its gradient is the same, and its "
            "value is not the cross-entropy.",
        ),
        Mistake(
            log_of_softmax,
            "The logarithm is taken of a probability that is too small to be written down, 0: use `log_softmax`.",
        ),
        Mistake(log_of_exp, "exp of large logits is infinite: use `log_softmax`, which subtracts the largest first."),
        Mistake(of_logits, "These are logits: make them log-probabilities first, by `log_softmax`."),
        Mistake(
            entropy_added,
            "You add eps * ln V, whatever the model says: it is eps times the mean of -log p over all V tokens.",
        ),
        Mistake(
            eps_added, "You add eps itself: it is the weight of a second loss, the mean of -log p over all V tokens."
        ),
        Mistake(one_axis, "An axis of length 1 is left: return a number, a tensor with no axes."),
    ),
    cases=cases,
)
