"""How small must the matrices that write into the residual stream start?"""

from __future__ import annotations

import math
from collections.abc import Iterator

from lilllm.course.exercise import Case, Exercise, Mistake


def solution(n_layers: int, std: float) -> float:
    """Every block adds twice, so 2 L terms of equal variance: each shrinks by the root of their number."""
    return std / math.sqrt(2 * n_layers)


def by_power(n_layers: int, std: float) -> float:
    return std * (n_layers * 2) ** -0.5


def by_variance(n_layers: int, std: float) -> float:
    return math.sqrt(std**2 / sum(2 for _ in range(n_layers)))


def per_block(n_layers: int, std: float) -> float:
    return std / math.sqrt(n_layers)


def without_root(n_layers: int, std: float) -> float:
    return std / (2 * n_layers)


def root_of_half(n_layers: int, std: float) -> float:
    return std / math.sqrt(n_layers / 2)


def twice_the_root(n_layers: int, std: float) -> float:
    return std / (2 * math.sqrt(n_layers))


def the_other_way(n_layers: int, std: float) -> float:
    return std * math.sqrt(2 * n_layers)


def always_002(n_layers: int, std: float) -> float:
    return 0.02 / math.sqrt(2 * n_layers)


def variance(n_layers: int, std: float) -> float:
    return std**2 / (2 * n_layers)


def cases() -> Iterator[Case]:
    # Two layers write four times: half of the std, a quarter of the variance.
    yield Case((2, 1.0), 0.5)
    # Eight layers, sixteen terms.
    yield Case((8, 0.4), 0.1)
    # Fifty layers, a hundred terms.
    yield Case((50, 0.5), 0.05)
    for n_layers, std in ((1, 0.02), (12, 0.02), (48, 0.03)):
        yield Case((n_layers, std), by_power(n_layers, std))


EXERCISE = Exercise(
    task=(
        "A decoder of `n_layers` blocks starts with matrices of standard deviation `std`. Return the one for the two "
        "matrices of each block that write into the residual stream, such that what all of them add together has the "
        "variance that one of them would add with `std`."
    ),
    call="residual_std(n_layers, std)",
    hints=(
        "How many matrices write into the stream? Attention's output and the feed-forward's, in every block.",
        "Independent terms: variances add up. N terms of variance v have N v together.",
        "Each variance is to be 1/N of `std` squared. What is that of the standard deviation, with N = 2 n_layers?",
    ),
    solution=solution,
    also_right=(by_power, by_variance),
    mistakes=(
        Mistake(per_block, "You count one write a block: attention and feed-forward both write, so N is 2 n_layers."),
        Mistake(without_root, "You divide by N: variances add up, so standard deviations shrink by sqrt(N)."),
        Mistake(root_of_half, "It is sqrt(2 n_layers), not sqrt(n_layers / 2): two writes a block."),
        Mistake(twice_the_root, "The 2 belongs under the root: sqrt(2 n_layers)."),
        Mistake(the_other_way, "You make them larger: the more terms there are, the smaller each has to be."),
        Mistake(always_002, "You use 0.02 whatever `std` is."),
        Mistake(variance, "This is the variance: return its root, the standard deviation."),
    ),
    cases=cases,
)
