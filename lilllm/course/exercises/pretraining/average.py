"""The average of checkpoints."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from lilllm.course.exercise import Case, Exercise, Mistake

State = dict[str, Tensor]


def solution(states: list[State]) -> State:
    """Of each tensor the mean, worked out in float32 at least, and kept as it was."""
    out = {}
    for name, first in states[0].items():
        wide = torch.promote_types(first.dtype, torch.float32)
        out[name] = torch.stack([state[name].to(wide) for state in states]).mean(0).to(first.dtype)
    return out


def by_running_mean(states: list[State]) -> State:
    mean = {name: tensor.double() for name, tensor in states[0].items()}
    for n, state in enumerate(states[1:], start=2):
        mean = {name: mean[name] + (state[name] - mean[name]) / n for name in mean}
    return {name: mean[name].to(states[0][name].dtype) for name in mean}


def by_sums(states: list[State]) -> State:
    total = {name: torch.zeros_like(tensor, dtype=torch.float64) for name, tensor in states[0].items()}
    for state in states:
        for name in total:
            total[name] += state[name]
    return {name: (total[name] / len(states)).to(states[0][name].dtype) for name in total}


def summed(states: list[State]) -> State:
    return {name: sum(state[name] for state in states) for name in states[0]}  # type: ignore[misc]


def halves(states: list[State]) -> State:
    mean = {name: tensor.double() for name, tensor in states[0].items()}
    for state in states[1:]:
        mean = {name: (mean[name] + state[name]) / 2 for name in mean}
    return {name: mean[name].to(states[0][name].dtype) for name in mean}


def last(states: list[State]) -> State:
    return dict(states[-1])


def first_and_last(states: list[State]) -> State:
    return solution([states[0], states[-1]])


def without_the_first(states: list[State]) -> State:
    n = len(states)
    return {name: (mean.double() * (n - 1) / n).to(mean.dtype) for name, mean in solution(states[1:] or states).items()}


def in_half_precision(states: list[State]) -> State:
    return {name: torch.stack([state[name] for state in states]).sum(0) / len(states) for name in states[0]}


def left_wide(states: list[State]) -> State:
    return {name: torch.stack([state[name] for state in states]).float().mean(0) for name in states[0]}


def one_number(states: list[State]) -> State:
    return {
        name: torch.stack([state[name].double() for state in states]).mean().to(first.dtype)
        for name, first in states[0].items()
    }


def own_means(states: list[State]) -> State:
    return {
        name: torch.stack([state[name].double().mean() for state in states]).to(first.dtype)
        for name, first in states[0].items()
    }


def median(states: list[State]) -> State:
    return {name: torch.stack([state[name] for state in states]).median(0).values for name in states[0]}


def off_by_one(states: list[State]) -> State:
    n = len(states)
    return {name: (mean.double() * n / (n + 1)).to(mean.dtype) for name, mean in solution(states).items()}


def first_two(states: list[State]) -> State:
    return solution(states[:2])


def end_to_end(states: list[State]) -> State:
    joined = {
        name: torch.cat([state[name].reshape(-1, *state[name].shape[1:]) for state in states]) for name in states[0]
    }
    return {name: joined[name].double().mean(0).to(states[0][name].dtype) for name in joined}


def in_float32(states: list[State]) -> State:
    wide = {name: torch.stack([state[name].float() for state in states]) for name in states[0]}
    return {name: wide[name].mean(0).to(states[0][name].dtype) for name in wide}


def cases() -> Iterator[Case]:
    def state(**tensors: object) -> State:
        return {name: torch.tensor(values, dtype=torch.float64) for name, values in tensors.items()}

    yield Case(([state(w=[1.0, 2.0]), state(w=[3.0, 6.0])],), state(w=[2.0, 4.0]))
    # Three count alike, the first as much as the last.
    yield Case(([state(w=[0.0]), state(w=[3.0]), state(w=[9.0])],), state(w=[4.0]))
    yield Case(([state(w=[[1.0], [2.0]], b=5.0), state(w=[[3.0], [4.0]], b=7.0)],), state(w=[[2.0], [3.0]], b=6.0))
    yield Case(([state(w=[1.5])],), state(w=[1.5]))
    # float16 goes to 65504: the sum of two does not fit, their mean does.
    halves = [{"w": torch.tensor([40000.0, 1.0], dtype=torch.float16)} for _ in range(2)]
    yield Case((halves,), {"w": torch.tensor([40000.0, 1.0], dtype=torch.float16)})
    draw = torch.Generator().manual_seed(5)
    for n in (3, 5):
        states = [
            {"embed": torch.randn(4, 3, generator=draw, dtype=torch.float64), "gain": torch.randn(3, generator=draw)}
            for _ in range(n)
        ]
        yield Case((states,), by_sums(states))


EXERCISE = Exercise(
    task=(
        "Return the average of checkpoints: `states` is a list of dicts of tensors, with the same names and shapes. "
        "The answer has these names, shapes and dtypes; each number is the mean of the checkpoints', worked out in "
        "float32 or wider where they are kept narrower."
    ),
    call="average(states)",
    hints=(
        "A dict with the names of the first one. What is the mean of one tensor over all states?",
        "`torch.stack([state[name] for state in states])` has the checkpoints along axis 0: take the mean over it.",
        "The sum of two float16 numbers may overflow: `.float()` (or wider) first, `.to(dtype)` at the end.",
    ),
    solution=solution,
    also_right=(by_running_mean, by_sums),
    mistakes=(
        Mistake(summed, "This is the sum: divide it by the number of checkpoints."),
        Mistake(
            halves,
            "You halve at every step, so the last checkpoint counts half, and the first ones hardly: of n "
            "checkpoints each counts 1/n.",
        ),
        Mistake(last, "This is the last checkpoint alone."),
        Mistake(first_and_last, "You average the first and the last: those between count too."),
        Mistake(without_the_first, "The first checkpoint is not added, but counted."),
        Mistake(
            in_half_precision,
            "You add in the dtype that the checkpoint is kept in: in float16 the sum overflows to inf. Widen first.",
        ),
        Mistake(left_wide, "The dtype has changed: work in float32 or wider, and give back the dtype that it had."),
        Mistake(one_number, "You average over the channels too, and are left with one number a tensor: only axis 0."),
        Mistake(own_means, "You average each tensor by itself: it is the checkpoints that are averaged, axis 0."),
        Mistake(median, "This is the median: it picks one of the checkpoints' numbers. The mean is asked for."),
        Mistake(off_by_one, "You divide by one more than there are checkpoints."),
        Mistake(first_two, "You average the first two: all of them count."),
        Mistake(
            end_to_end,
            "You join the tensors end to end, by `cat`, and average over their own first axis: `stack` makes one.",
        ),
        Mistake(in_float32, "You work in float32 what is kept in float64, and lose digits: widen, but never narrow."),
    ),
    cases=cases,
)
