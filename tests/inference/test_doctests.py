"""The examples in the docstrings are true."""

from __future__ import annotations

import doctest
import importlib

import pytest


@pytest.mark.parametrize("name", ["dola", "drawing", "factual", "samplers", "stop"])
def test_examples(name: str) -> None:
    result = doctest.testmod(importlib.import_module(f"lilllm.inference.{name}"))
    assert (result.failed, result.attempted > 0) == (0, True)
