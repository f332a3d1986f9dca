"""FLOPs a byte of a matrix product."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from lilllm.accounting.roofline import matmul_intensity
from lilllm.course.exercise import Case, Exercise, Mistake


def solution(m: int, k: int, n: int, bytes_each: int) -> float:
    """A multiplication and an addition for each of m n k terms; two matrices are read and one is written."""
    flops = 2 * m * k * n
    moved = bytes_each * (m * k + k * n + m * n)
    return flops / moved


def by_making_them(m: int, k: int, n: int, bytes_each: int) -> float:
    dtype = {1: torch.int8, 2: torch.bfloat16, 4: torch.float32, 8: torch.float64}[bytes_each]
    a, b, c = (torch.empty(shape, dtype=dtype, device="meta") for shape in ((m, k), (k, n), (m, n)))
    return 2 * c.numel() * k / (a.nbytes + b.nbytes + c.nbytes)


def as_a_sum_of_inverses(m: int, k: int, n: int, bytes_each: int) -> float:
    return 2 / bytes_each / (1 / n + 1 / m + 1 / k)


def by_the_package(m: int, k: int, n: int, bytes_each: int) -> float:
    return matmul_intensity(m, k, n, bytes_each=bytes_each)


def additions_forgotten(m: int, k: int, n: int, bytes_each: int) -> float:
    return solution(m, k, n, bytes_each) / 2


def result_not_written(m: int, k: int, n: int, bytes_each: int) -> float:
    return 2 * m * k * n / (bytes_each * (m * k + k * n))


def numbers_for_bytes(m: int, k: int, n: int, bytes_each: int) -> float:
    return solution(m, k, n, 1)


def upside_down(m: int, k: int, n: int, bytes_each: int) -> float:
    return 1 / solution(m, k, n, bytes_each)


def read_for_every_product(m: int, k: int, n: int, bytes_each: int) -> float:
    return 2 * m * k * n / (bytes_each * (2 * m * k * n + m * n))


def rounded(m: int, k: int, n: int, bytes_each: int) -> int:
    return 2 * m * k * n // (bytes_each * (m * k + k * n + m * n))


def square(m: int, k: int, n: int, bytes_each: int) -> float:
    return 2 * n / 3 / bytes_each


def cases() -> Iterator[Case]:
    yield Case((1, 1, 1, 1), 2 / 3)
    yield Case((3, 3, 3, 2), 1.0)
    yield Case((1, 2, 3, 1), 12 / 11)  # 2 + 6 + 3 bytes
    yield Case((2, 3, 4, 4), 48 / (4 * 26))
    yield Case((300, 300, 300, 2), 100.0)
    yield Case((1, 4096, 4096, 2), 2 * 4096 * 4096 / (2 * (2 * 4096 + 4096 * 4096)))
    for m, k, n, bytes_each in ((64, 4096, 4096, 2), (4096, 64, 4096, 1), (512, 768, 3072, 4), (7, 11, 13, 8)):
        yield Case((m, k, n, bytes_each), matmul_intensity(m, k, n, bytes_each=bytes_each))


EXERCISE = Exercise(
    task=(
        "Return the arithmetic intensity, FLOPs a byte, of (m, k) @ (k, n) with numbers of `bytes_each` bytes, each "
        "matrix moved once."
    ),
    call="intensity(m, k, n, bytes_each)",
    hints=(
        "FLOPs: each of the m * n results is a sum of k products. A product is one FLOP, and so is its addition.",
        "Bytes: (m, k) and (k, n) are read, (m, n) is written; each number has `bytes_each` bytes.",
        "`2 * m * k * n / (bytes_each * (m * k + k * n + m * n))`",
    ),
    solution=solution,
    also_right=(by_making_them, as_a_sum_of_inverses, by_the_package),
    mistakes=(
        Mistake(
            additions_forgotten, "Half of what it should be: a multiplication and its addition are two FLOPs, not one."
        ),
        Mistake(result_not_written, "You count what is read: the (m, n) result is written, and its bytes move too."),
        Mistake(numbers_for_bytes, "You count numbers, not bytes: each has `bytes_each` of them."),
        Mistake(upside_down, "It is upside down: bytes a FLOP, not FLOPs a byte."),
        Mistake(
            read_for_every_product,
            "You read two numbers for every product: a row, once read, serves all the columns. Count each matrix once.",
        ),
        Mistake(square, "This holds of square matrices only: m, k and n differ."),
        Mistake(rounded, "You divide with `//`, which drops what is behind the point: use `/`."),
    ),
    cases=cases,
)
