"""FLOPs equal torch's own counter; bytes are those of the tensors read and written."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from lilllm.tracing.operations import Operations, cpu_attention, statement_of
from lilllm.tracing.recorder import Source
from lilllm.tracing.source import plan

TEXT = Path(__file__).read_text(encoding="utf-8")
SOURCES = {__file__: Source(0, plan(ast.parse(TEXT), TEXT))}


def _counted(run: Callable[[], object]) -> tuple[int, int]:
    sums = [0, 0]

    def book(flops: int, size: int, frame: FrameType) -> None:
        sums[0] += flops
        sums[1] += size

    with Operations(book).running():
        run()
    return sums[0], sums[1]


def test_a_product_of_matrices() -> None:
    a, b = torch.ones(64, 128), torch.ones(128, 32)
    assert _counted(lambda: a @ b) == (2 * 64 * 128 * 32, 4 * (64 * 128 + 128 * 32 + 64 * 32))


F32 = 4
MATRIX = torch.ones(8, 16)


@pytest.mark.parametrize(
    ("run", "size"),
    [
        (lambda x: x.relu(), 2 * F32 * 128),
        (lambda x: x + x, 3 * F32 * 128),
        (lambda x: x + x[0], F32 * (128 + 16 + 128)),
        (lambda x: x.view(-1).t().unsqueeze(0).expand(3, 128), 0),
        (lambda x: x.detach(), 0),
        (lambda x: torch.empty_like(x), 0),
        (lambda x: x.clone(), 2 * F32 * 128),
        (lambda x: x.sum(), F32 * (128 + 1)),
        (lambda x: torch.zeros(8, 16), F32 * 128),
        (lambda x: torch.empty(8, 16).copy_(x), 2 * F32 * 128),
        (lambda x: torch.empty(8, 16).fill_(1.0), F32 * 128),
        (lambda x: torch.add(x, x, out=torch.empty(8, 16)), 3 * F32 * 128),
        (lambda x: x[torch.tensor([1, 2])], None),
        (lambda x: x.expand(1000, 8, 16).sum(), F32 * (128 + 1)),
        (lambda x: x.half(), 6 * 128),
    ],
)
def test_bytes(run: Callable[[torch.Tensor], object], size: int | None) -> None:
    flops, found = _counted(lambda: run(MATRIX))
    assert flops == 0
    if size is None:  # a gather: two rows read and written, and its two numbers made and read
        assert 2 * F32 * 32 + 16 <= found <= 2 * F32 * 32 + 3 * 16
    else:
        assert found == size


def _block(training: bool) -> Callable[[], Any]:
    torch.manual_seed(0)
    mix, up, down = torch.nn.Linear(32, 96), torch.nn.Linear(32, 64), torch.nn.Linear(64, 32)
    convolve = torch.nn.Conv1d(32, 16, 3)
    x = torch.randn(2, 10, 32)

    def forward() -> Any:
        q, k, v = mix(x).unflatten(-1, (3, 4, 8)).permute(2, 0, 3, 1, 4)  # (3, B, H, T, D)
        y = torch.nn.functional.scaled_dot_product_attention(q, k, v)
        return convolve(down(up(y.transpose(1, 2).reshape(2, 10, 32)).relu()).transpose(1, 2)).square().mean()

    def step() -> None:
        forward().backward()

    def inference() -> None:
        with torch.inference_mode():
            forward()

    return step if training else inference


@pytest.mark.parametrize("training", [True, False], ids=["forward and backward", "inference"])
def test_flops_are_those_of_torchs_own_counter(training: bool) -> None:
    run = _block(training)
    with FlopCounterMode(display=False, custom_mapping=cpu_attention()) as theirs:
        run()
    assert theirs.get_total_flops() > 200_000
    assert _counted(run)[0] == theirs.get_total_flops()


def test_results_are_those_without_it() -> None:
    torch.manual_seed(0)
    plain = [torch.randn(4, 4) @ torch.randn(4, 4) for _ in range(3)]
    torch.manual_seed(0)
    counted: list[torch.Tensor] = []
    _counted(lambda: counted.extend(torch.randn(4, 4) @ torch.randn(4, 4) for _ in range(3)))
    assert all(torch.equal(a, b) for a, b in zip(plain, counted, strict=True))


def _calls(w: torch.Tensor) -> None:
    x = torch.ones(2, 4)
    y = [
        x @ w
        for _ in range(3)
    ]  # fmt: skip
    loss = torch.nn.Linear(4, 1)(y[0]).sum()
    loss.backward()


def test_the_statement_is_the_innermost_of_the_program_also_of_a_backward_pass() -> None:
    lines: dict[int, int] = {}

    def book(flops: int, size: int, frame: FrameType) -> None:
        file, line = statement_of(frame, SOURCES) or (-1, 0)
        assert file == 0
        lines[line] = lines.get(line, 0) + flops

    w = torch.ones(4, 4, requires_grad=True)
    with Operations(book).running():
        _calls(w)
    first = _calls.__code__.co_firstlineno
    assert {line - first: flops for line, flops in lines.items() if flops} == {
        2: 3 * 2 * 2 * 4 * 4, 6: 2 * 2 * 4, 7: 2 * (2 * 2 * 4) + 2 * 2 * 4 * 4,
    }  # fmt: skip
    assert statement_of(None, SOURCES) is None


def test_what_runs_in_a_pause_is_not_counted() -> None:
    found: list[int] = []
    operations = Operations(lambda flops, size, frame: found.append(size))
    with operations.running():
        MATRIX.relu()
        with operations.paused(), operations.paused():
            MATRIX.relu()
        MATRIX.relu()
    assert len(found) == 2


def test_what_has_a_shape_and_no_memory_is_counted_only_when_asked() -> None:
    a = torch.ones(4, 4, device="meta")
    for imagined, expected in ((True, 2 * 4**3), (False, 0)):
        found = []
        with Operations(lambda flops, size, frame: found.append(flops), imagined=imagined).running():  # noqa: B023
            a @ a
        assert sum(found) == expected
