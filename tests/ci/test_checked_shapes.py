"""The tests' own switch: annotated shapes are checked, and not in tests of bad input."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from jaxtyping import TypeCheckError, install_import_hook

TEXT = """
from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

def norm(x: Float[Tensor, "B C"]) -> Float[Tensor, "B"]:
    if x.ndim != 2:
        raise ValueError("x has to be (B, C)")
    return x.norm(dim=-1)

def wrong(x: Float[Tensor, "B C"]) -> Float[Tensor, "B"]:
    return x.norm(dim=0)
"""


@pytest.fixture
def shaped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    (tmp_path / "shaped_for_test.py").write_text(TEXT, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    with install_import_hook("shaped_for_test", "tests.switched_beartype.checked"):
        yield importlib.import_module("shaped_for_test")
    del sys.modules["shaped_for_test"]


def test_shapes_are_checked(shaped: ModuleType) -> None:
    import torch

    assert shaped.norm(torch.ones(2, 4)).tolist() == [2.0, 2.0]
    with pytest.raises(TypeCheckError):
        shaped.norm(torch.ones(3))
    with pytest.raises(TypeCheckError):
        shaped.wrong(torch.ones(2, 4))


def test_bad_input_meets_the_function_itself(shaped: ModuleType) -> None:
    import torch

    with pytest.raises(ValueError, match="has to be"):
        shaped.norm(torch.ones(3))


@pytest.mark.bad_input
def test_under_the_mark_too(shaped: ModuleType) -> None:
    import torch

    assert shaped.wrong(torch.ones(2, 4)).shape == (4,)
