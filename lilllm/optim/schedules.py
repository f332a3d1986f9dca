"""Learning rates as functions of the step: ``rate(step)`` for step 0, 1, 2, ... Each is plain arithmetic, so it
resumes by itself.

    rate = cosine(peak=3e-4, warmup=100, total=1000)
    for group in optimizer.param_groups: group["lr"] = rate(step)

Steps are counted from 0. A warm-up of w steps is linear: its first step has peak / w, not 0, so that no step is wasted,
and its last has the peak. For a torch scheduler: `LambdaLR(optimizer, lambda step: rate(step) / peak)` of an optimizer
whose lr is ``peak``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from numbers import Real

Schedule = Callable[[int], float]


def constant(*, peak: float, warmup: int = 0) -> Schedule:
    """Warm up, then stay."""
    _check(peak, warmup)
    return lambda step: peak * _rise(step, warmup)


def inverse_sqrt(*, peak: float, warmup: int) -> Schedule:
    """Rise to ``peak``, then fall as 1 / sqrt(step). With peak = (d_model * warmup)^-0.5 and warmup 4000 it is the
    Transformer's.

    Source: Vaswani et al. 2017, arXiv:1706.03762, section 5.3 (which counts steps from 1, as this does inside).

    >>> rate = inverse_sqrt(peak=1.0, warmup=4)
    >>> [rate(s) for s in (0, 3, 15)]
    [0.25, 1.0, 0.5]
    """
    _check(peak, warmup)
    if warmup < 1:
        raise ValueError(f"inverse_sqrt needs a warmup of at least 1 step, got {warmup}")

    def rate(step: int) -> float:
        return peak * (_rise(step, warmup) if step < warmup else math.sqrt(warmup / (step + 1)))

    return rate


def cosine(*, peak: float, total: int, warmup: int = 0, floor: float = 0.0) -> Schedule:
    """Warm up, then half a cosine from ``peak`` to ``floor`` at step ``total``, and ``floor`` after it.

    Source: Loshchilov & Hutter 2017, arXiv:1608.03983 (without its restarts).
    """
    _check(peak, warmup, total, floor)

    def rate(step: int) -> float:
        if step < warmup:
            return peak * _rise(step, warmup)
        done = min(1.0, (step - warmup) / max(1, total - warmup))
        return floor + (peak - floor) * 0.5 * (1 + math.cos(math.pi * done))

    return rate


def linear(*, peak: float, total: int, warmup: int = 0, floor: float = 0.0) -> Schedule:
    """Warm up, then a straight line to ``floor`` at step ``total``."""
    _check(peak, warmup, total, floor)

    def rate(step: int) -> float:
        if step < warmup:
            return peak * _rise(step, warmup)
        return peak + (floor - peak) * min(1.0, (step - warmup) / max(1, total - warmup))

    return rate


def steps(
    *, peak: float, total: int, warmup: int = 0, at: Sequence[float] = (0.8, 0.9), factor: float = 0.316
) -> Schedule:
    """Warm up, stay, and multiply by ``factor`` when a fraction ``at`` of ``total`` is done: 0.316 twice is about a
    tenth.

    Source: DeepSeek-AI 2024, arXiv:2401.02954, section 2.3 (80 % and 90 %, to 31.6 % and 10 % of the peak).
    """
    _check(peak, warmup, total)
    if any(not 0 <= a <= 1 for a in at):
        raise ValueError(f"at holds fractions of the run, from 0 to 1, got {tuple(at)}")
    if not 0 < factor <= 1:
        raise ValueError(f"factor must be above 0 and at most 1, got {factor}")
    drops = [math.ceil(a * total - 1e-9) for a in at]  # 0.07 * 100 is a little above 7
    return lambda step: peak * _rise(step, warmup) * factor ** sum(step >= drop for drop in drops)


def wsd(*, peak: float, total: int, warmup: int, decay: float = 0.1, floor: float = 0.0) -> Schedule:
    """Warm up, stay, and fall to ``floor`` over the last fraction ``decay`` of the run, as 1 - sqrt.

    Source: Hu et al. 2024, arXiv:2404.06395 (MiniCPM); the 1 - sqrt shape: Hägele et al. 2024, arXiv:2405.18392.
    """
    _check(peak, warmup, total, floor)
    if not 0 < decay <= 1:
        raise ValueError(f"decay is the fraction of the run that cools down, above 0 and at most 1, got {decay}")
    start = total - decay * total
    if warmup > start + 1e-9:
        raise ValueError(
            f"the warmup of {warmup} steps reaches into the last {decay:.0%} of {total} that cool down; shorten one"
        )

    def rate(step: int) -> float:
        if step < start:
            return peak * _rise(step, warmup)
        done = min(1.0, (step - start) / (total - start))
        return floor + (peak - floor) * (1 - math.sqrt(done))

    return rate


def _rise(step: int, warmup: int) -> float:
    if step < 0:
        raise ValueError(f"steps are counted from 0, got {step}")
    return min(1.0, (step + 1) / warmup) if warmup else 1.0


def _check(peak: float, warmup: int, total: int | None = None, floor: float = 0.0) -> None:
    given = {"peak": peak, "warmup": warmup, "total": total, "floor": floor}
    for name, value in given.items():
        if value is not None and (not isinstance(value, Real) or not math.isfinite(value)):
            raise ValueError(f"{name} must be a finite number, got {value!r} (a {type(value).__name__})")
    if not peak > 0 or not 0 <= floor <= peak:
        raise ValueError(f"peak must be above 0 and floor between 0 and peak, got peak {peak} and floor {floor}")
    if warmup < 0 or (total is not None and not warmup < total):
        raise ValueError(f"warmup must be at least 0 and below total, got warmup {warmup} and total {total}")
