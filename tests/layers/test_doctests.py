"""The examples in the docstrings are what comes out; importing the package loads no torch."""

import doctest
import importlib
import pkgutil
import subprocess
import sys

import pytest

from lilllm import layers

MODULES = [module.name for module in pkgutil.iter_modules(layers.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    assert doctest.testmod(importlib.import_module(f"lilllm.layers.{name}")).failed == 0


def test_names_are_handed_on():
    for name in layers.__all__:
        assert getattr(layers, name).__name__ == name
    assert set(layers.__all__) <= set(dir(layers))
    assert sorted(layers._HOMES) == sorted(layers.__all__)
    with pytest.raises(AttributeError, match="no_such"):
        _ = layers.no_such


def test_importing_loads_no_torch():
    code = "import sys, lilllm.layers; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
