"""A built notebook, without what chance or the clock put into it.

The same cells and outputs give the same bytes: cell ids from position and content, widget ids counted from 1, no
timestamps, no pairing metadata (with it, saving the ``.ipynb`` overwrote the ``.py``), one kernelspec, streams merged.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any

import nbformat

KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
LANGUAGE = {"file_extension": ".py", "mimetype": "text/x-python", "name": "python", "pygments_lexer": "ipython3"}
_VIEW = "application/vnd.jupyter.widget-view+json"
_STATE = "application/vnd.jupyter.widget-state+json"
_BACKSPACE = re.compile(r"[^\n\x08]\x08")
_REWRITTEN = re.compile(r"^.*\r(?=[^\n])", re.MULTILINE)


def normalise(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A new notebook in normal form; ``notebook`` stays as it is.

    Holds: normalise(normalise(n)) == normalise(n); runs that differ in ids, times and the cutting of streams agree.
    """
    raw = json.loads(json.dumps(notebook))
    cells = [_cell(at, cell) for at, cell in enumerate(raw["cells"])]
    ran = 0
    for cell in cells:
        if cell["cell_type"] == "code" and cell["execution_count"] is not None:
            ran += 1
            cell["execution_count"] = ran
            for output in cell["outputs"]:
                if output["output_type"] == "execute_result":
                    output["execution_count"] = ran
    meta: dict[str, Any] = {"kernelspec": KERNELSPEC, "language_info": LANGUAGE}
    for kept in ("lilllm", "widgets"):
        if kept in raw["metadata"]:
            meta[kept] = raw["metadata"][kept]
    if _STATE in meta.get("widgets", {}):
        cells, meta = _rename_widgets(cells, meta)
    return nbformat.from_dict({"cells": cells, "metadata": meta, "nbformat": 4, "nbformat_minor": 5})


def dump(notebook: nbformat.NotebookNode) -> str:
    """The text of the file: keys sorted, one space of indent, one line end at the end."""
    return str(nbformat.writes(notebook, version=nbformat.NO_CONVERT)).rstrip("\n") + "\n"


def _cell(at: int, cell: dict[str, Any]) -> dict[str, Any]:
    source = cell["source"]
    digest = hashlib.sha256(f"{cell['cell_type']}\0{source}".encode()).hexdigest()[:8]
    meta = {key: cell["metadata"][key] for key in ("tags", "reason") if key in cell["metadata"]}
    new = {"cell_type": cell["cell_type"], "id": f"{at:03}-{digest}", "metadata": meta, "source": source}
    if cell["cell_type"] == "code":
        new |= {"execution_count": cell["execution_count"], "outputs": _merge_streams(cell["outputs"])}
    return new


def _merge_streams(outputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Neighbouring stream outputs by name, stdout first: how the kernel cuts and interleaves them is chance."""
    merged: list[dict[str, Any]] = []
    texts: dict[str, str] = {}

    def end_run() -> None:
        for name in sorted(texts, reverse=True):  # stdout before stderr
            if text := _as_shown(texts[name]):
                merged.append({"output_type": "stream", "name": name, "text": text})
        texts.clear()

    for output in outputs:
        if output["output_type"] == "stream":
            texts[output["name"]] = texts.get(output["name"], "") + output["text"]
            continue
        end_run()
        output.pop("transient", None)
        merged.append(output)
    end_run()
    return merged


def _as_shown(text: str) -> str:
    """What a terminal shows of it: backspaces and carriage returns carried out, as nbval does before it compares."""
    text = text.replace("\r\n", "\n")
    before = None
    while before != text:
        before, text = text, _BACKSPACE.sub("", text)
    return _REWRITTEN.sub("", text)


def _rename_widgets(cells: list[dict[str, Any]], meta: dict[str, Any]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Model ids in the order in which the cells show them, then by what they hold."""
    state: dict[str, Any] = meta["widgets"][_STATE]["state"]
    names: dict[str, str] = {}

    def visit(model: str) -> None:
        if model in state and model not in names:
            names[model] = f"{len(names) + 1:032x}"
            for reference in _references(state[model]):
                visit(reference)

    for cell in cells:
        for output in cell.get("outputs", []):
            if view := output.get("data", {}).get(_VIEW):
                visit(view["model_id"])
    any_id = re.compile("|".join(map(re.escape, state)) or r"(?!)")
    for model in sorted(state, key=lambda m: any_id.sub("", json.dumps(state[m], sort_keys=True))):
        visit(model)
    # Ids are 32 random hex digits: no other text of the notebook can hold one by chance.
    text = json.dumps([cells, meta])
    if names:
        text = any_id.sub(lambda found: names[found.group()], text)
    cells, meta = json.loads(text)
    new: dict[str, Any] = meta["widgets"][_STATE]
    new["state"] = {model: new["state"][model] for model in sorted(new["state"])}
    return cells, meta


def _references(value: Any) -> Iterator[str]:
    """Model ids in a widget's state, in the order of its sorted keys."""
    if isinstance(value, str) and value.startswith("IPY_MODEL_"):
        yield value.removeprefix("IPY_MODEL_")
    elif isinstance(value, list):
        for one in value:
            yield from _references(one)
    elif isinstance(value, dict):
        for key in sorted(value):
            yield from _references(value[key])
