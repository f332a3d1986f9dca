"""The viewer in a real Chromium: a folder of made traces, a server on a free port, a page that keeps what it saw."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lilllm.tracing.player.page import page
from lilllm.tracing.reader import load
from tests.viewer.hostile import hostile_trace
from tests.viewer.lesson import SOURCE
from tests.viewer.made import record
from tests.viewer.runs import HTML, hostile, made, records, trained
from tests.viewer.serving import ARGUMENTS, chromium_path, serving
from tests.viewer.watched import Watched, opened


def chromium() -> str:
    """The path of a Chromium, or a skip with its reason; under CI=true its absence is a failure."""
    path = chromium_path()
    if path:
        return path
    reason = "no chromium on this machine (put it on PATH, or name it in CHROMIUM)"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``lectures/`` and ``traces/`` as the viewer finds them: one good trace, a hostile, a broken and a stopped one."""
    root = tmp_path_factory.mktemp("viewer")
    traces, lectures = root / "traces", root / "lectures"
    traces.mkdir()
    lectures.mkdir()
    lesson = record(SOURCE, title="Pairs of bytes, merged")
    whole = lesson.trace()
    (traces / "01_pairs.trace.jsonl.gz").write_bytes(whole)
    (traces / "02_broken.trace.jsonl.gz").write_bytes(b"this is no trace")
    (traces / "03_stopped.trace.jsonl.gz").write_bytes(lesson.trace(stopped="it ran longer than 60 s"))
    (traces / "04_hostile.trace.jsonl.gz").write_bytes(hostile_trace())
    header = """# ---
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
# # 01 Pairs of bytes
#
# What a tokenizer merges, and why.
#
# - **You will build:** a byte-pair encoder
# - **You need:** Python
# - **Minutes to read:** 5
# - **Budget:** 10 s, 1 GB
#
# **Napkin question.** How many?

# %%
x = 1

# %% [markdown]
# **Napkin answer.** One.
"""
    (lectures / "01_pairs.py").write_text(header)
    (lectures / "05_planned.py").write_text("x = 1\n")
    (lectures / "measured.json").write_text(
        '{"01_pairs": {"seconds": 31.4, "peak_mb": 612, "machine": "test", "flops": 0, "moved": 0}}'
    )
    (lectures / "GLOSSARY.md").write_text("# Glossary\n\n**Token.** A piece of text that has a number.\n")
    return root


@pytest.fixture(scope="session")
def app(folder: Path) -> Iterator[str]:
    """The address of a running viewer."""
    with serving(folder) as address:
        yield address


@pytest.fixture(scope="session")
def runs_folder(folder: Path) -> Path:
    """``runs/`` beside them: one run that was really trained, with checkpoints, two made up and a hostile one."""
    root = folder / "runs"
    trained(root / "tiny")
    made(root / "second", records(300, floor=0.5), age=7200, steps=300, lr=0.003)
    made(root / "sweep" / "third", records(200, floor=2.0), age=7300, steps=200, lr=0.001)
    hostile(root / HTML.replace("/", ""))
    return root


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    from playwright.sync_api import sync_playwright

    path = chromium()
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield running
        running.close()


@pytest.fixture
def watched(browser: object, app: str) -> Iterator[Watched]:
    page = Watched(browser, app)
    yield page
    page.context.close()
    assert page.outside == [], "a request left the machine"
    assert page.errors == [], "the page raised"


@pytest.fixture(scope="session")
def lesson(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page from disk with the made lesson; a module that needs another trace has a fixture of this name."""
    file = tmp_path_factory.mktemp("page") / "lesson.html"
    file.write_text(page(load(record(SOURCE, title="Pairs of bytes").trace())), encoding="utf-8")
    return file


@pytest.fixture
def player(browser: object, lesson: Path) -> Iterator[Watched]:
    """The lesson's page, opened at its first step; afterwards nothing has left it, and nothing was raised."""
    watched = opened(browser, lesson)
    yield watched
    watched.context.close()
    assert (watched.outside, watched.errors) == ([], [])
