"""The gradient of a large batch from those of its parts."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from lilllm.course.exercise import Case, Exercise, Mistake


def solution(parts: list[Tensor], sizes: list[int]) -> Tensor:
    """Each part counts as many times as it has examples."""
    total = torch.zeros_like(parts[0])
    for part, size in zip(parts, sizes, strict=True):
        total += part * size / sum(sizes)
    return total


def back_to_sums(parts: list[Tensor], sizes: list[int]) -> Tensor:
    return torch.stack([part * size for part, size in zip(parts, sizes, strict=True)]).sum(0) / sum(sizes)


def running_mean(parts: list[Tensor], sizes: list[int]) -> Tensor:
    mean, seen = torch.zeros_like(parts[0]), 0
    for part, size in zip(parts, sizes, strict=True):
        seen += size
        mean = mean + (part - mean) * (size / seen)
    return mean


def added(parts: list[Tensor], sizes: list[int]) -> Tensor:
    return torch.stack(parts).sum(0)


def mean_of_means(parts: list[Tensor], sizes: list[int]) -> Tensor:
    return torch.stack(parts).mean(0)


def sum_of_the_losses(parts: list[Tensor], sizes: list[int]) -> Tensor:
    return torch.stack([part * size for part, size in zip(parts, sizes, strict=True)]).sum(0)


def divided_twice(parts: list[Tensor], sizes: list[int]) -> Tensor:
    return torch.stack([part / size for part, size in zip(parts, sizes, strict=True)]).sum(0)


def added_over_the_batch(parts: list[Tensor], sizes: list[int]) -> Tensor:
    return torch.stack(parts).sum(0) / sum(sizes)


def over_the_parts(parts: list[Tensor], sizes: list[int]) -> Tensor:
    return torch.stack([part * size for part, size in zip(parts, sizes, strict=True)]).mean(0)


def the_last(parts: list[Tensor], sizes: list[int]) -> Tensor:
    return parts[-1].clone()


def cases() -> Iterator[Case]:
    one = torch.tensor
    yield Case(([one([2.0])], [4]), one([2.0]))  # one part is the whole batch
    yield Case(([one([1.0]), one([4.0])], [2, 1]), one([2.0]))  # (1 + 1 + 4) / 3
    yield Case(([one([1.0]), one([3.0])], [2, 2]), one([2.0]))  # equal parts: the mean
    yield Case(([one([1.0, 0.0]), one([0.0, 2.0]), one([4.0, 4.0])], [3, 4, 1]), one([0.875, 1.5]))
    generator = torch.Generator().manual_seed(0)
    for shape, sizes in (((), [3, 5]), ((2, 2), [8, 8, 3]), ((3, 2), [1, 2, 4, 8])):
        parts = [torch.randn(shape, generator=generator, dtype=torch.float64) for _ in sizes]
        yield Case((parts, sizes), solution(parts, sizes))


EXERCISE = Exercise(
    task=(
        "A batch was too large and came in parts: `sizes[i]` examples in part i, and `parts[i]` is the gradient of the "
        "mean loss over them. Return the gradient of the mean loss over the whole batch."
    ),
    call="gradient(parts, sizes)",
    hints=(
        "The losses of part i add up to `sizes[i]` times their mean. So does their gradient.",
        "Sum over parts of `sizes[i] * parts[i]` is the gradient of the sum of all losses. How many losses are there?",
        "Divide by `sum(sizes)`: each part counts by its share of the examples.",
    ),
    solution=solution,
    also_right=(back_to_sums, running_mean),
    mistakes=(
        Mistake(
            added,
            "You add the parts, which is what backward() does when nothing is divided: the step grows with the number "
            "of parts. Each counts by its share of the examples.",
        ),
        Mistake(
            mean_of_means,
            "This is the mean of the means: an example in a small part counts more than one in a large. Weigh each "
            "part by its size.",
        ),
        Mistake(sum_of_the_losses, "This is the gradient of the sum of the losses: divide by the number of examples."),
        Mistake(divided_twice, "You divide by the size of the part: its mean has done that already. Multiply by it."),
        Mistake(added_over_the_batch, "Each part is a mean: multiply it by its size before you divide by the batch's."),
        Mistake(over_the_parts, "You divide by the number of parts: divide by the number of examples."),
        Mistake(the_last, "You return the gradient of the last part alone: the others are lost."),
    ),
    cases=cases,
)
