"""Predictions in a real JupyterLab: buttons and a confidence commit a guess, it is kept; Run All never waits."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import nbformat
import pytest
from playwright.sync_api import Locator, expect

from lilllm.course.record import Record
from lilllm.course.serve import lab_server
from lilllm.course.server import free_port, stop_all
from lilllm.course.workspace import Workspace
from tests.course.conftest import make_notebook
from tests.viewer.watched import Watched

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CELLS = [
    (
        "c1",
        "from lilllm.course import predict\n"
        'size = predict("How many bytes is \\u00e9 in UTF-8?", choices=["1", "2", "4"])\n'
        "size",
    ),
    ("c2", 'words = predict("How many <b>words</b>?", unit="words")\nwords'),
    ("c3", 'size.reveal("2")'),
    ("c4", "words.reveal(250)"),
]


class Lab(NamedTuple):
    address: str
    token: str
    record: Record


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab as `lilllm course start` starts it, with one notebook and a record of its own."""
    root = tmp_path_factory.mktemp("lab")
    for folder in ("clone/lectures", "clone/viewer", "clone/lilllm", "mine"):
        (root / folder).mkdir(parents=True)
    nbformat.write(make_notebook(CELLS), root / "mine" / "01_guess.ipynb")
    own = {f"JUPYTER_{name}_DIR": str(root / f"jupyter-{name}") for name in ("DATA", "CONFIG", "RUNTIME")}
    own["LILLLM_HOME"] = str(root / "home")
    before = {name: os.environ.get(name) for name in own}
    os.environ.update(own)  # the server takes them over as it starts
    token = secrets.token_hex(16)
    workspace = Workspace(root / "clone", root / "mine")
    workspace.state.mkdir()
    server = lab_server(workspace, free_port(24000), token)
    try:
        server.start()
        end = time.monotonic() + 120
        while not server.healthy():
            assert server.ended() is None, server.last_lines()
            assert time.monotonic() < end, server.last_lines()
            time.sleep(0.1)
        yield Lab(server.address, token, Record(Path(own["LILLLM_HOME"])))
    finally:
        stop_all([server])
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


@pytest.fixture(scope="module")
def notebook(browser: object, lab: Lab) -> Iterator[Watched]:
    """The notebook, open in the lab, with its kernel."""
    watched = Watched(browser, lab.address)
    watched.page.goto(f"{lab.address}/lab/tree/01_guess.ipynb?token={lab.token}")
    watched.page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=90_000)
    expect(watched.page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible(timeout=60_000)
    yield watched
    watched.context.close()
    assert watched.outside == [], "a request left the machine"


def run_all(notebook: Watched) -> None:
    notebook.page.get_by_role("menuitem", name="Run", exact=True).click()
    notebook.page.get_by_text("Run All Cells", exact=True).click()


def output(notebook: Watched, cell: int) -> Locator:
    return notebook.page.locator(".jp-Notebook .jp-CodeCell").nth(cell).locator(".jp-Cell-outputArea")


def commit(asked: Locator) -> None:
    asked.get_by_role("button", name="Commit").click()


def test_run_all_never_waits_for_a_guess(notebook: Watched, lab: Lab) -> None:
    run_all(notebook)
    told = output(notebook, 2)
    expect(told).to_contain_text("The answer: 2. You made no guess; the next question is a chance.", timeout=60_000)
    expect(output(notebook, 3)).to_contain_text("The answer: 250. You made no guess", timeout=30_000)
    asked = output(notebook, 0)
    expect(asked).to_contain_text("How many bytes is é in UTF-8?")
    for choice in ("1", "2", "4"):
        expect(asked.get_by_role("button", name=choice, exact=True)).to_be_visible()
    commit(asked)
    expect(asked).to_contain_text("Choose an answer first.")
    assert lab.record.predictions() == []


def test_a_choice_and_a_confidence_are_committed_kept_and_shown_beside_the_truth(notebook: Watched, lab: Lab) -> None:
    asked = output(notebook, 0)
    asked.get_by_role("button", name="2", exact=True).click()
    expect(asked.locator(".widget-readout")).to_have_text("50")
    handle = asked.locator(".noUi-handle")
    handle.focus()
    for _ in range(5):
        handle.press("ArrowRight")
    expect(asked.locator(".widget-readout")).to_have_text("55")
    commit(asked)
    expect(asked).to_contain_text("Your guess: 2, 55% sure. The next cells tell.")
    notebook.shot("predict-committed")
    (kept,) = lab.record.predictions()
    assert (kept.guess, kept.confidence, kept.truth) == ("2", 0.55, None)

    run_all(notebook)
    expect(output(notebook, 2)).to_contain_text("You said 2, 55% sure, and so it is.", timeout=30_000)
    expect(output(notebook, 0)).to_contain_text("Your guess: 2, 55% sure.")
    (kept,) = lab.record.predictions()
    assert (kept.guess, kept.confidence, kept.truth) == ("2", 0.55, "2")

    asked = output(notebook, 0)  # known by now: another choice changes nothing
    asked.get_by_role("button", name="4", exact=True).click()
    commit(asked)
    expect(asked).to_contain_text("The answer is known by now; your guess was 2, 55% sure.")
    assert [one.guess for one in lab.record.predictions()] == ["2"]


def test_a_number_is_typed_and_the_reveal_says_how_far_off_it_was(notebook: Watched, lab: Lab) -> None:
    asked = output(notebook, 1)
    expect(asked).to_contain_text("How many <b>words</b>?")
    field = asked.locator("input[type=number]")
    field.fill("1000")
    field.press("Tab")
    commit(asked)
    expect(asked).to_contain_text("Your guess: 1,000, 50% sure. The next cells tell.")
    run_all(notebook)
    expect(output(notebook, 3)).to_contain_text(
        "You said 1,000, 50% sure. The answer: 250, 4 times less than you said.", timeout=30_000
    )
    assert [(one.guess, one.truth) for one in lab.record.predictions()] == [("2", "2"), (1000, 250)]
