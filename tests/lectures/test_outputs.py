"""What outputs may not hold: each kind found, and what only looks like it left alone."""

from __future__ import annotations

import msgspec
import pytest
from nbformat.v4 import new_code_cell, new_output

from lilllm.lectures.outputs import escapes, unstable, unstable_values
from lilllm.lectures.source import comments
from lilllm.tracing.format import Instance, Rich, Scalar, Text


def found_in(text: str) -> list[str]:
    return list(unstable(new_code_cell("x", outputs=[new_output("stream", name="stdout", text=text)])))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("<matplotlib.lines.Line2D at 0x7f3a5c0b1d90>", "a memory address: '0x7f3a5c0b1d90'"),
        ("/tmp/ipykernel_123/456.py:3: UserWarning", "a path of the machine"),
        ("saved to /home/anna/notes.txt", "a path of the machine: '/home/anna'"),
        (r"C:\Users\anna", "a path of the machine"),
        ("2026-11-21 07:25:17", "a time of day"),
        ("started 07:25:17", "a time of day"),
        ("Wall time: 3 s", "a measured time"),
        ("4.1 ms ± 12 µs per loop", "a measured time"),
        ("100/100 [00:01<00:00, 83.2it/s]", "a measured time"),
        ("{'b', 'a'}", "a set, whose order varies"),
        ("words = {\"b'\", 'a'} of", "a set, whose order varies"),
    ],
)
def test_what_varies_is_found(text: str, what: str) -> None:
    found = found_in(text)
    assert any(what in one for one in found), found


@pytest.mark.parametrize(
    "text",
    [
        "{'a': 1, 'b': 2}",
        "{'one'}",
        "{1, 2, 3}",
        "0xff 0x1F30D 0x0001",
        "and/or, 3/4, http://example.org/home/page",
        "a ratio of 12:30, 99:99:99 and 1:02:03:04",
        "4.2 s of audio at 16 kHz",
        "+/-2 ms",
        "['/', 'r', 'o']",
    ],
)
def test_what_stays_the_same_is_left_alone(text: str) -> None:
    assert found_in(text) == []


def test_errors_and_stderr() -> None:
    error = new_output("error", ename="KeyError", evalue="'x'", traceback=[])
    warning = new_output("stream", name="stderr", text="\nwarned\nagain")
    rich = new_output("display_data", data={"text/html": "<b>0x7f3a5c0b1d90</b>", "image/png": "0x7f3a5c0b1d90"})
    found = list(unstable(new_code_cell("x", outputs=[error, warning, rich])))
    assert found == [
        "ends in KeyError: 'x' (catch an intended exception and print it)",
        "writes to stderr: 'warned'",
        "shows a memory address: '0x7f3a5c0b1d90'",
    ]


def test_values_of_a_trace() -> None:
    about = {"label": "saved to /home/anna/notes.txt"}
    values = [
        Text(kind="ValueError", text="/tmp/tmpilpvt8uk/llama: not the weights", size=40),
        Scalar(kind="int", text="0x7f3a5c0b1d907f3a... (2,048 bits)"),
        Instance(kind="function", text="f"),
        Rich(kind="Thing", view="tree", text="two nodes", data=msgspec.Raw(msgspec.json.encode(about))),
    ]
    assert list(unstable_values(values)) == [
        "shows a path of the machine: '/tmp/tmpilpvt8uk'",
        "shows a path of the machine: '/home/anna'",
    ]


def test_escapes_and_their_reasons() -> None:
    assert escapes(new_code_cell("x = '# NBVAL_SKIP'")) == (False, "")
    assert escapes(new_code_cell("# NBVAL_IGNORE_OUTPUT\nx")) == (True, "")
    assert escapes(new_code_cell("# NBVAL_IGNORE_OUTPUT\n# Reason: it is random\nx")) == (True, "it is random")
    assert escapes(new_code_cell("# NBVAL_SKIP\n# Reason:\nx")) == (True, "")
    assert escapes(new_code_cell("x", metadata={"tags": ["nbval-skip"]})) == (True, "")
    assert escapes(new_code_cell("# reason: x\nx", metadata={"tags": ["raises-exception"]})) == (True, "x")


def test_comments_are_not_strings() -> None:
    assert comments("x = '# no'  # yes\n## two\n") == ["yes", "two"]
    assert comments("x = (") == []
