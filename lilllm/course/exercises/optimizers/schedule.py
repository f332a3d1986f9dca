"""The learning rate of a step: a linear warm-up, then half a cosine."""

from __future__ import annotations

import math
from collections.abc import Iterator

from lilllm.course.exercise import Case, Exercise, Mistake, Property
from lilllm.optim import schedules


def solution(step: int, peak: float, warmup: int, total: int, floor: float) -> float:
    """Rise to the peak; then the cosine of how much of the rest is done; then the floor."""
    if step < warmup:
        return peak * (step + 1) / warmup
    done = min(1.0, (step - warmup) / (total - warmup))
    return floor + (peak - floor) * 0.5 * (1 + math.cos(math.pi * done))


def by_lilllm(step: int, peak: float, warmup: int, total: int, floor: float) -> float:
    return schedules.cosine(peak=peak, total=total, warmup=warmup, floor=floor)(step)


def by_the_half_angle(step: int, peak: float, warmup: int, total: int, floor: float) -> float:
    if step >= total:
        return floor
    if step + 1 <= warmup:
        return (step + 1) * (peak / warmup)
    weight = math.cos(math.pi / 2 * (step - warmup) / (total - warmup)) ** 2
    return weight * peak + (1 - weight) * floor


def from_nothing(step: int, peak: float, warmup: int, total: int, floor: float) -> float:
    return peak * step / warmup if step < warmup else solution(step, peak, warmup, total, floor)


def from_the_floor(step: int, peak: float, warmup: int, total: int, floor: float) -> float:
    if step < warmup:
        return floor + (peak - floor) * (step + 1) / warmup
    return solution(step, peak, warmup, total, floor)


def counted_from_the_start(step: int, peak: float, warmup: int, total: int, floor: float) -> float:
    if step < warmup:
        return peak * (step + 1) / warmup
    return floor + (peak - floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, step / total)))


def after_the_warmup(step: int, peak: float, warmup: int, total: int, floor: float) -> float:
    return solution(step, peak, warmup, total + warmup, floor)


def rises_again(step: int, peak: float, warmup: int, total: int, floor: float) -> float:
    if step < warmup:
        return peak * (step + 1) / warmup
    return floor + (peak - floor) * 0.5 * (1 + math.cos(math.pi * (step - warmup) / (total - warmup)))


def straight(step: int, peak: float, warmup: int, total: int, floor: float) -> float:
    return schedules.linear(peak=peak, total=total, warmup=warmup, floor=floor)(step)


def cut_at_the_floor(step: int, peak: float, warmup: int, total: int, floor: float) -> float:
    if step < warmup:
        return peak * (step + 1) / warmup
    return max(floor, solution(step, peak, warmup, total, 0.0))


def floor_on_top(step: int, peak: float, warmup: int, total: int, floor: float) -> float:
    if step < warmup:
        return peak * (step + 1) / warmup
    return floor + solution(step, peak, warmup, total, 0.0)


def whole_cosine(step: int, peak: float, warmup: int, total: int, floor: float) -> float:
    if step < warmup:
        return peak * (step + 1) / warmup
    return floor + (peak - floor) * math.cos(math.pi * min(1.0, (step - warmup) / (total - warmup)))


def in_degrees(step: int, peak: float, warmup: int, total: int, floor: float) -> float:
    if step < warmup:
        return peak * (step + 1) / warmup
    done = min(1.0, (step - warmup) / (total - warmup))
    return floor + (peak - floor) * 0.5 * (1 + math.cos(180 * done))


def cases() -> Iterator[Case]:
    # By hand: four steps up, at the peak; half way down the mean of peak and floor; the floor at `total` and after it.
    values = {0: 0.25, 1: 0.5, 3: 1.0, 4: 1.0, 8: 0.6, 12: 0.2, 13: 0.2, 20: 0.2}
    for step, rate in values.items():
        yield Case((step, 1.0, 4, 12, 0.2), rate)
    yield Case((6, 1.0, 4, 12, 0.2), 0.2 + 0.8 * (0.5 + math.sqrt(0.125)))  # cos 45 degrees = sqrt(1/2)
    yield Case((0, 0.5, 0, 10, 0.0), 0.5)  # no warm-up: the peak at once
    for step in (0, 99, 100, 500, 1000, 5000):
        arguments = (step, 3e-4, 100, 1000, 3e-5)
        yield Case(arguments, solution(*arguments))


EXERCISE = Exercise(
    task=(
        "Return the learning rate of `step`, counted from 0. Over the first `warmup` steps it rises by equal parts to "
        "`peak`: the first has `peak / warmup`, the last `peak`. From step `warmup` to step `total` it falls from "
        "`peak` to `floor` along half a cosine, and stays there."
    ),
    call="learning_rate(step, peak, warmup, total, floor)",
    hints=(
        "Two branches. In the second, first compute how much of the way down is done, from 0 to 1.",
        "The way down starts at `warmup` and ends at `total`: `done = (step - warmup) / (total - warmup)`, at most 1.",
        "`(1 + cos(pi * done)) / 2` goes from 1 to 0: it is the share of `peak`; the rest is the share of `floor`.",
    ),
    solution=solution,
    also_right=(by_lilllm, by_the_half_angle),
    mistakes=(
        Mistake(from_nothing, "Your first step has rate 0 and is wasted: use step + 1 in the warm-up."),
        Mistake(
            from_the_floor, "Your warm-up starts from the floor: it rises from 0, the first step has peak / warmup."
        ),
        Mistake(
            counted_from_the_start,
            "Your cosine starts at step 0: it has come down already when the warm-up ends. Count from `warmup`.",
        ),
        Mistake(after_the_warmup, "Your way down takes `total` steps after the warm-up: it ends at step `total`."),
        Mistake(rises_again, "After `total` your rate rises again, as the cosine does: let `done` be at most 1."),
        Mistake(straight, "This falls along a straight line: half a cosine is flat at both ends."),
        Mistake(
            cut_at_the_floor,
            "You fall towards 0 and cut at the floor: fall from `peak` to `floor`, which is reached at `total`.",
        ),
        Mistake(floor_on_top, "You add the floor to the whole cosine: at the start the rate is peak + floor."),
        Mistake(whole_cosine, "A cosine goes from 1 to -1: move it up by 1 and halve it, so that it ends at 0."),
        Mistake(in_degrees, "math.cos takes radians: half a turn is pi, not 180."),
    ),
    cases=cases,
    properties=(
        Property(lambda a, rate: rate <= a[1] * (1 + 1e-9), "Your rate is above `peak`, which nothing may exceed."),
        Property(
            lambda a, rate: a[0] < a[2] or rate >= a[4] * (1 - 1e-9), "After the warm-up your rate is below `floor`."
        ),
    ),
)
