"""The normal form of a notebook: chance and clock taken out, all that a reader sees kept."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from lilllm.lectures.normalise import dump, normalise

STATE = "application/vnd.jupyter.widget-state+json"
VIEW = "application/vnd.jupyter.widget-view+json"


def stream(name: str, text: str) -> Any:
    return new_output("stream", name=name, text=text)


def widgets(unseen: int = 0) -> nbformat.NotebookNode:
    """A notebook that shows a box of two sliders, under ids of chance, and has models that it does not show."""
    box, first, second = (uuid4().hex for _ in range(3))
    state = {
        box: {"model_name": "VBoxModel", "state": {"children": [f"IPY_MODEL_{first}", f"IPY_MODEL_{second}"]}},
        second: {"model_name": "IntSliderModel", "state": {"value": 2}},
        first: {"model_name": "IntSliderModel", "state": {"value": 1}},
        **{uuid4().hex: {"model_name": "LayoutModel", "state": {"width": number}} for number in range(unseen)},
    }
    shuffled = dict(sorted(state.items()))
    shown = new_output("display_data", data={VIEW: {"model_id": box, "version_major": 2}, "text/plain": "VBox()"})
    cell = new_code_cell("box", execution_count=1, outputs=[shown])
    metadata = {"widgets": {STATE: {"state": shuffled, "version_major": 2, "version_minor": 0}}}
    return new_notebook(cells=[cell], metadata=nbformat.from_dict(metadata))


def test_ids_times_and_pairing_go() -> None:
    def make() -> nbformat.NotebookNode:
        cell = new_code_cell("1 + 1", execution_count=7, metadata={"execution": {"iopub.execute_input": str(uuid4())}})
        cell.outputs = [new_output("execute_result", data={"text/plain": "2"}, execution_count=7)]
        last = new_code_cell("x", metadata={"tags": ["nbval-ignore-output"], "collapsed": True})
        metadata = {"jupytext": {"formats": "ipynb,py"}, "kernelspec": {"name": str(uuid4()), "display_name": "any"}}
        return new_notebook(cells=[new_markdown_cell("# A"), cell, last], metadata=metadata)

    one, two = normalise(make()), normalise(make())
    assert dump(one) == dump(two)
    nbformat.validate(one)
    assert len({cell.id for cell in one.cells}) == 3
    assert one.cells[1].execution_count == one.cells[1].outputs[0].execution_count == 1
    assert one.cells[2].execution_count is None, "a cell that was not run is not made to look as if it was"
    assert one.cells[1].metadata == {}
    assert one.cells[2].metadata == {"tags": ["nbval-ignore-output"]}
    assert set(one.metadata) == {"kernelspec", "language_info"}
    assert one.metadata.kernelspec.name == "python3"


def test_it_is_a_normal_form() -> None:
    once = normalise(widgets(unseen=3))
    assert dump(normalise(once)) == dump(once)


def test_ids_change_with_content_and_position() -> None:
    ids = [cell.id for cell in normalise(new_notebook(cells=[new_code_cell("x"), new_code_cell("x")])).cells]
    other = normalise(new_notebook(cells=[new_code_cell("y")])).cells[0].id
    assert len({*ids, other}) == 3


def test_streams_are_merged_as_a_terminal_shows_them() -> None:
    picture = new_output("display_data", data={"text/plain": "picture"})
    outputs = [
        stream("stdout", "a"), stream("stderr", "!"), stream("stdout", "b\n"), picture,
        stream("stdout", " 10 %\r100 %\nab\x08c\r\n"), stream("stderr", "gone\r"),
    ]  # fmt: skip
    new = normalise(new_notebook(cells=[new_code_cell("", execution_count=1, outputs=outputs)])).cells[0].outputs
    assert [(o.output_type, o.get("name"), o.get("text")) for o in new] == [
        ("stream", "stdout", "ab\n"),
        ("stream", "stderr", "!"),
        ("display_data", None, None),
        ("stream", "stdout", "100 %\nac\n"),
        ("stream", "stderr", "gone\r"),
    ]


def test_how_the_kernel_cut_a_stream_is_not_seen() -> None:
    def cut(*parts: str) -> str:
        outputs = [stream("stdout", part) for part in parts]
        return dump(normalise(new_notebook(cells=[new_code_cell("", execution_count=1, outputs=outputs)])))

    assert cut("one\ntwo\n") == cut("on", "e\nt", "wo\n") != cut("one\ntwo")


def test_widget_ids_are_counted_as_they_are_shown() -> None:
    texts = {dump(normalise(widgets(unseen=3))) for _ in range(20)}
    assert len(texts) == 1
    new = json.loads(texts.pop())
    state = new["metadata"]["widgets"][STATE]["state"]
    shown = new["cells"][0]["outputs"][0]["data"][VIEW]["model_id"]
    children = state[shown]["state"]["children"]
    values = [state[child.removeprefix("IPY_MODEL_")]["state"]["value"] for child in children]
    assert values == [1, 2], "the box still holds its sliders, in order"
    assert len(state) == 6
