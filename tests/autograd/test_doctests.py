"""The examples in the docstrings are what comes out."""

import doctest
import importlib
import pkgutil

import pytest

from lilllm import autograd

MODULES = [module.name for module in pkgutil.iter_modules(autograd.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    assert doctest.testmod(importlib.import_module(f"lilllm.autograd.{name}")).failed == 0
