"""Two toy lectures, one that runs and one that fails, built once a session and copied by each test that spoils them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lilllm.lectures.files import Lecture

HEADER = """\
# ---
# jupyter:
#   jupytext:
#     comment_magics: false
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 01 Words: a list
#
# About words, of which there are $n^2$.
#
# - **You will build:** a list
# - **You need:** Python
# - **Minutes to read:** 5
# - **Budget:** 60 s, 1 GB
#
# **Napkin question.** How many words are there?
"""
WORDS = """
# %%
import sys

import matplotlib.pyplot as plt

words = "one two three".split()
for word in words:
    print(word)
print("cut", end="")
sys.stdout.flush()
print(" in two")

# %%
# ls of what there is
plt.plot([1, 2, 3])
plt.show()

# %%
import ipywidgets as widgets

slider = widgets.IntSlider(value=3, max=9)
shown = widgets.HTML("3")
slider.observe(lambda change: setattr(shown, "value", str(change.new)), "value")
slider.value = 5
widgets.VBox([slider, shown])

# %% [markdown]
# ## Napkin answer
#
# As many as the next cell says.

# %%
len(words)
"""
GOOD = HEADER + WORDS
FAILING = (
    GOOD.replace("# 01 Words", "# 02 Fails")
    + """
# %%
def divide():
    return 1 / 0


divide()

# %%
print("not reached")
"""
)
KERNEL = [pytest.mark.lecture, pytest.mark.timeout(600)]


def run(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`lilllm lectures ...` in the clone ``root``."""
    command = [sys.executable, "-P", "-m", "lilllm", "lectures", *arguments]  # -P: not the clone's empty package
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)


def make_clone(root: Path, **lectures: str) -> Path:
    """A folder that looks like a clone of the repository, with these lectures."""
    for folder in ("lectures", "traces", "viewer", "lilllm"):
        (root / folder).mkdir(parents=True)
    (root / "lilllm" / "__init__.py").touch()
    for name, text in lectures.items():
        (root / "lectures" / f"{name.lstrip('_')}.py").write_text(text, encoding="utf-8")
    return root


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The clone after one build of both lectures, and what the build said."""
    root = make_clone(tmp_path_factory.mktemp("chain") / "clone", _01_words=GOOD, _02_fails=FAILING)
    return root, run(root, "build", "--jobs", "2")


@pytest.fixture
def clone(built: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path) -> Path:
    """A copy of the built clone with the lecture that runs."""
    root = tmp_path / "clone"
    shutil.copytree(built[0], root)
    (root / "lectures" / "02_fails.py").unlink()
    return root


@pytest.fixture
def words(clone: Path) -> Lecture:
    return Lecture(clone, "01_words")
