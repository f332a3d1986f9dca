"""The pages of runs and the playground without a browser: what they say when there is nothing, and of odd names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from tests.viewer.modules import VIEWER, module
from tests.viewer.runs import event, made, records

TRAIN = "lilllm train --preset liltown --data liltown"


def page(name: str, root: Path, monkeypatch: pytest.MonkeyPatch, **query: str | list[str]) -> AppTest:
    monkeypatch.setenv("LILLLM_RUNS", str(root))
    monkeypatch.syspath_prepend(str(VIEWER))
    app = AppTest.from_string(f"from {name} import {name}\n{name}()", default_timeout=60)
    for key, value in query.items():
        app.query_params[key] = value
    app.run()
    assert not app.exception
    return app


def text(app: AppTest) -> str:
    return "\n".join(str(part.value) for part in [*app.markdown, *app.caption, *app.warning, *app.error, *app.info])


def charts(app: AppTest) -> int:
    return len(app.get("vega_lite_chart"))


def test_without_runs_the_page_tells_how_to_make_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = page("runs_page", tmp_path / "runs", monkeypatch)
    assert [one.value for one in app.code] == [TRAIN]
    assert "There is no run in" in text(app)
    made(tmp_path / "runs" / "first", records(20))
    app.run()
    assert app.multiselect(key="run").value == ["first"]
    assert not app.code


def test_without_models_the_playground_has_tokenizers_and_tells_how_to_make_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of the function that the page has: Streamlit's watcher may have had `checkpoints` imported anew since.
    monkeypatch.setitem(module("playground_page").find_models.__globals__, "LILTOWN", tmp_path / "none")
    app = page("playground_page", tmp_path / "runs", monkeypatch)
    assert "256 tokens for every text there is" in text(app)
    app = page("playground_page", tmp_path / "runs", monkeypatch, view="Chat")
    assert [one.value for one in app.code] == [TRAIN]
    assert "There is no model yet" in text(app)


def test_the_newest_run_is_shown_first_and_others_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path / "old", records(20), age=500, lr=1)
    made(tmp_path / "new", records(20), age=400, lr=2)
    app = page("runs_page", tmp_path, monkeypatch)
    assert app.multiselect(key="run").value == ["new"]
    assert charts(app) == 6, "loss, bits a byte, rate, gradient norm, throughput, memory; no MFU, which nobody measured"
    assert "In what they differ" not in text(app)
    app.multiselect(key="run").select("old").run()
    assert not app.exception
    assert charts(app) == 6
    assert "In what they differ" in text(app)
    app.multiselect(key="run").set_value([]).run()
    assert "Choose one run or several." in text(app)


@pytest.mark.parametrize("name", ["../../etc", "/etc/passwd", "nothing", "<b>x</b>"])
def test_a_name_from_the_address_selects_from_the_list_or_nothing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(tmp_path / "runs" / "one", records(20))
    made(tmp_path / "outside", records(20))
    app = page("runs_page", tmp_path / "runs", monkeypatch, run=name)
    assert "There is no run called" in text(app)
    assert app.multiselect(key="run").options == ["one"]
    app = page("playground_page", tmp_path / "runs", monkeypatch, model=name)
    assert "There is no model called" in text(app)


def test_a_run_that_has_no_numbers_yet_and_one_that_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(tmp_path / "begun", [event("start", 0, "just now")], age=0)
    app = page("runs_page", tmp_path, monkeypatch)
    assert "There is no number to draw yet." in text(app)
    (tmp_path / "begun" / "metrics.jsonl").unlink()
    app = page("runs_page", tmp_path, monkeypatch)
    assert "cannot be read: No such file or directory" in text(app)


def test_a_damaged_checkpoint_is_said_to_be_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path / "one", records(20))
    folder = tmp_path / "one" / "checkpoints" / "step-000020"
    folder.mkdir(parents=True)
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        (folder / name).write_bytes(os.urandom(200))
    for view in ("Tokens", "Next token", "Chat"):
        app = page("playground_page", tmp_path, monkeypatch, view=view)
        assert app.selectbox(key="model").value == "one"
        assert len(app.error) + len(app.warning) == 1, view


def test_what_was_written_and_set_is_there_again_when_the_reader_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(tmp_path / "one", records(20))
    monkeypatch.setenv("LILLLM_RUNS", str(tmp_path))
    monkeypatch.syspath_prepend(str(VIEWER))
    app = AppTest.from_string(
        "import streamlit as st\nfrom runs_page import runs_page\nfrom playground_page import playground_page\n"
        "(runs_page if st.toggle('runs') else playground_page)()",
        default_timeout=60,
    ).run()
    app.text_area(key="text").set_value("a text of the reader's").run()
    app.toggle[0].set_value(True).run()
    app.select_slider(key="half_life").set_value(50)
    app.toggle[0].set_value(False).run()  # in the same run of the script as the change
    assert app.text_area(key="text").value == "a text of the reader's"
    app.toggle[0].set_value(True).run()
    assert app.select_slider(key="half_life").value == 50
    assert not app.exception
