"""The examples in the docstrings are what comes out."""

import doctest
import importlib
import pkgutil

import pytest

from lilllm import tokenizers

MODULES = [module.name for module in pkgutil.iter_modules(tokenizers.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    assert doctest.testmod(importlib.import_module(f"lilllm.tokenizers.{name}")).failed == 0
