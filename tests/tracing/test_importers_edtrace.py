"""edtrace's JSON comes through whole: tested on what edtrace itself recorded of a program that shows all it can."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lilllm.tracing.importers import folder, import_trace, pack
from lilllm.tracing.reader import Trace, TraceError, load
from tests.tracing.told import Told, told

SAMPLES = Path(__file__).parent / "samples"
PUBLISHED = Path(__file__).parents[3] / "shared" / "samples" / "cs336_lecture_08.json"
PROGRAM = (SAMPLES / "edtrace_program.py").read_text().split("\n")


@pytest.fixture(scope="module")
def trace() -> Trace:
    return import_trace((SAMPLES / "edtrace_program.json").read_bytes(), beside=folder(SAMPLES))


def line_of(text: str) -> int:
    """The number of the first line that holds ``text``."""
    return next(number for number, line in enumerate(PROGRAM, 1) if text in line)


def at(trace: Trace, text: str) -> list[Told]:
    return [step for step in told(trace) if step.op in "lc" and step.line == line_of(text)]


def after(trace: Trace, text: str) -> Told:
    """The step at which what the line did is seen: the next one of its frame."""
    steps = told(trace)
    first = next(n for n, step in enumerate(steps) if step.op in "lc" and step.line == line_of(text))
    depth = len(steps[first].stack)
    return next(step for step in steps[first + 1 :] if len(step.stack) == depth)


# ------------------------------------------------------------------------------------------------- stacks and lines


def expected_stacks(document: dict) -> list[list[tuple[str, int]]]:
    """Their steps, without the second halves of lines that called something."""
    stacks = [[(e["function_name"], e["line_number"]) for e in step["stack"]] for step in document["steps"]]
    return [
        stack for n, stack in enumerate(stacks) if not (n and len(stacks[n - 1]) > len(stack) and stack in stacks[:n])
    ]


@pytest.mark.parametrize("path", [SAMPLES / "edtrace_program.json", PUBLISHED], ids=["edtrace", "cs336"])
def test_every_stack_and_line_comes_through(path: Path) -> None:
    if not path.exists():
        pytest.skip("the published CS336 trace is not beside this checkout")
    document = json.loads(path.read_text())
    ours = [step.stack[1:] for step in told(import_trace(path.read_bytes())) if step.op in "lc"]
    theirs = iter(ours)
    missing = [stack for stack in expected_stacks(document) if stack not in theirs]  # in this order
    assert missing == []
    untraced = {name for stack in ours for name, _ in stack} & {"call_with", "spawn"}
    assert untraced, "the frames of files that were not followed are on the stack too"


def test_a_call_is_entered_and_left_once_for_each_time_it_ran(trace: Trace) -> None:
    steps = told(trace)
    for function, times in {"square": 6, "factorial": 4, "call_with": 1, "fails": 1, "numbers": 3}.items():
        calls = [step for step in steps if step.op == "c" and step.stack[-1][0] == function]
        returns = [step for step in steps if step.op == "r" and step.stack[-1][0] == function]
        assert (len(calls), len(returns)) == (times, times), function


def test_two_calls_in_one_line_are_two_calls(trace: Trace) -> None:
    steps = told(trace)
    here = [(n, step) for n, step in enumerate(steps) if step.line == line_of("square(2) + square(1)")]
    assert len(here) == 1, "the second half of a line with calls is no step of its own"
    start = here[0][0]
    assert [step.op for step in steps[start : start + 9]] == list("lcllrcllr")


def test_recursion_keeps_its_frames_apart(trace: Trace) -> None:
    rests = [step.changed["rest"] for step in told(trace) if "rest" in step.changed]
    assert rests == ["1", "1", "2"]
    deepest = max(told(trace), key=lambda step: len(step.stack))
    assert [name for name, _ in deepest.stack][-4:] == ["factorial"] * 4


def by_hand(*stacks: list[tuple[str, int, str]]) -> list[Told]:
    """Steps with these stacks of (function, line, code), in one file of 99 lines."""
    steps = [
        {
            "stack": [
                {"path": "a.py", "function_name": f, "line_number": line, "code": code} for f, line, code in stack
            ],
            "env": {},
            "renderings": [],
        }
        for stack in stacks
    ]
    return told(import_trace(json.dumps({"files": {"a.py": "x\n" * 98}, "steps": steps}).encode()))


def test_a_caller_that_went_on_without_a_step_is_at_the_line_from_which_it_calls() -> None:
    steps = by_hand(
        [("main", 1, "def main():")],
        [("main", 2, "a")],
        [("main", 5, "g()"), ("g", 20, "def g():")],
        [("main", 6, "g()"), ("g", 21, "b")],
    )
    assert [(step.op, step.stack[1:]) for step in steps] == [
        ("c", [("main", 1)]),
        ("l", [("main", 2)]),
        ("l", [("main", 5)]),
        ("c", [("main", 5), ("g", 20)]),
        ("r", [("main", 5), ("g", 20)]),  # main is at another line: this g is another call
        ("l", [("main", 6)]),
        ("c", [("main", 6), ("g", 21)]),
        ("r", [("main", 6), ("g", 21)]),
        ("r", [("main", 6)]),
    ]


# ------------------------------------------------------------------------------------------------------------ values


def test_a_value_is_seen_at_the_next_step_of_the_frame_and_not_before(trace: Trace) -> None:
    (line,) = at(trace, "flag = True")
    assert "flag" not in line.env
    assert after(trace, "flag = True").changed == {"flag": "True"}
    # Over a call: not inside it, only when its caller goes on.
    (call,) = at(trace, "total = square(3)")
    assert "total" not in call.env
    assert after(trace, "total = square(3)").changed["total"] == "9"


def test_arguments_are_there_when_the_function_is_entered(trace: Trace) -> None:
    calls = [step for step in told(trace) if step.op == "c" and step.stack[-1][0] == "square"]
    assert [step.env["n"] for step in calls] == ["3", "2", "1", "5", "0", "1"]
    returns = [step for step in told(trace) if step.op == "r" and step.stack[-1][0] == "square"]
    assert [step.env["result"] for step in returns] == ["9", "4", "1", "25", "0", "1"]


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        ("count = 2**70", "count", "1180591620717411303424"),
        ("ratio = 0.1", "ratio", "0.30000000000000004"),
        ('odd = float("nan")', "odd", "nan"),
        ('name = "<script>', "name", "'<script>alert(1)</script>'"),
        ("nothing = None", "nothing", "None"),
        ("x = torch.tensor([[1.0", "x", "Tensor[2, 2] float32 [1.0, 'nan', 'inf', '-inf']"),
        ("x = torch.tensor(3,", "x", "Tensor[] int8 [3]"),
        ("x = np.zeros((2, 0))", "x", "ndarray[2, 0] float64 []"),
        ("x = np.int64(7)", "x", "7"),
        ("x = sympy.symbols", "x", "sympy.core.power.Pow(t**2)"),
        ("x = sympy.Integer(4)", "x", "4"),
        ('x = [1, "two"', "x", "list[1, 'two', list[3.0, tuple[4]], dict{k: set({5})}]"),
        ('x = {1: "int key"', "x", "dict{1: 'int key', s: None}"),
        ("point = Point(1", "point", "edtrace_program.Point(x=1, y=list[2, 3])"),
        ("point = Point(1", "point.y", "list[2, 3]"),
        ("pair = Pair()", "pair", "dict{left: 1, right: list[2.5, None]}"),
        ("total = skipped(4)", "total", "16"),
        ("total = [square(n)", "total", "list[0, 1]"),
    ],
)
def test_values(trace: Trace, line: str, name: str, value: str) -> None:
    step = after(trace, line)
    assert step.changed[name] == value
    assert name in step.pins, "@inspect pins it"


def test_a_large_tensor_keeps_its_statistics_and_a_grid(trace: Trace) -> None:
    (large,) = [value for value in trace.values if getattr(value, "shape", None) == [2, 10, 15]]
    assert (large.min, large.max, large.mean) == (0.0, 299.0, 149.5)
    assert large.std == pytest.approx(86.6020590, abs=1e-6)  # sqrt((300^2 - 1) / 12)
    assert large.data == []
    assert large.grid == [[float(row * 15 + column) for column in range(15)] for row in range(10)]  # the first matrix


def test_a_long_list_keeps_its_ends_and_its_size(trace: Trace) -> None:
    value = after(trace, "long = list").changed["long"]
    assert value.startswith("list[0, 1, 2,")
    assert value.endswith("99, +10, 110, 111, 112, 113, 114, 115, 116, 117, 118, 119]")


def test_clear_takes_the_pin_away_and_not_the_value(trace: Trace) -> None:
    step = after(trace, 'text("cleared here")')
    assert step.clears == ["x", "flag"]
    assert step.env["flag"] == "True"


# ---------------------------------------------------------------------------------------------------------- renderings


def shown(trace: Trace, text: str) -> list[tuple[str, str]]:
    (step,) = [step for step in at(trace, text) if step.shown]
    return [(output.mime, output.data) for output in step.shown]


def test_text(trace: Trace) -> None:
    assert shown(trace, "Prose with") == [("text/markdown", "Prose with $x^2$, **bold** and <b>no HTML</b>")]
    assert shown(trace, "verbatim=True") == [("text/plain", "one\n  two\n\nfour")], "one output, with its blank line"
    assert shown(trace, 'text("left ")') == [("text/markdown", "left "), ("text/markdown", "right")]
    assert shown(trace, "note(") == [("text/x-note", "Say this aloud")]
    assert shown(trace, "a lone") == [("text/markdown", "a lone \\ud800 surrogate and an emoji \U0001f600")]
    assert len(shown(trace, "@animate")) == 3, "one at a time: they stay apart"


def test_cards(trace: Trace) -> None:
    ((mime, data),) = shown(trace, "link(Reference(")
    assert mime == "application/vnd.lilllm.reference+json"
    assert json.loads(data) == {
        "text": "[Lovelace+ 1936]",
        "title": "A paper",
        "authors": ["Ada Lovelace", "Alan Turing"],
        "organization": "Here",
        "date": "1936-05-28",
        "url": "https://example.org/paper",
        "description": "What it says",
        "notes": "line 1\nline 2",
    }
    ((_, data),) = shown(trace, "link(values)")
    assert json.loads(data) == {"text": "values", "path": "edtrace_program.py", "line": line_of("def values")}


def test_a_link_without_a_text_is_named_as_edtrace_does() -> None:
    card = {"authors": ["The Kimi Team"], "date": "2025-07-28", "url": "https://example.org"}
    document = json.loads((SAMPLES / "edtrace_program.json").read_text())
    document["steps"] = document["steps"][:1]
    document["steps"][0]["renderings"] = [{"type": "link", "data": None, "external_link": card}]
    trace = import_trace(json.dumps(document).encode())
    assert json.loads(trace.steps.outputs[0][1][0].data)["text"] == "[The Kimi Team 2025]"


def test_plots_and_graphs(trace: Trace) -> None:
    ((mime, data),) = shown(trace, "plot({")
    assert mime == "application/vnd.vegalite.v5+json"
    assert json.loads(data)["mark"] == "bar"
    ((mime, data),) = shown(trace, "graph(make_graph")
    assert mime == "application/vnd.lilllm.graph+json"
    assert json.loads(data) == {
        "nodes": [{"id": "1", "label": "1", "x": 0, "y": 10}, {"id": "b", "label": "B", "x": 50, "y": 10}],
        "edges": [{"source": "1", "target": "b", "label": "to"}],
        "layout": "preset",
        "width": 500,
        "height": 200,
    }


def test_pictures_are_embedded_when_found(trace: Trace) -> None:
    (step,) = at(trace, "ramp.png")
    (output,) = step.shown
    assert (output.mime, output.alt, output.width) == ("image/png", "figures/ramp.png", 200)
    assert trace.blobs[output.data].mime == "image/png"
    assert shown(trace, "ring.svg")[0][0] == "image/svg+xml"
    assert shown(trace, "clip.mp4")[0][0] == "video/mp4"


def test_pictures_are_named_when_not_found() -> None:
    trace = import_trace((SAMPLES / "edtrace_program.json").read_bytes())
    ((mime, data),) = shown(trace, "ramp.png")
    assert mime == "application/vnd.lilllm.missing+json"
    assert json.loads(data) == {"kind": "image", "name": "figures/ramp.png"}
    assert json.loads(shown(trace, "clip.mp4")[0][1])["kind"] == "video"
    assert trace.end is not None
    assert "3 pictures or videos were not found and are named instead" in trace.end.notes


# ------------------------------------------------------------------------------------------------------------ the file


def test_it_is_a_trace_like_any_other(trace: Trace) -> None:
    packed = pack(trace)
    again = load(packed)
    assert (again.head, again.values, again.blobs, again.steps, again.end) == (
        trace.head,
        trace.values,
        trace.blobs,
        trace.steps,
        trace.end,
    )
    assert pack(again) == packed
    assert again.complete


def test_a_lecture_of_a_program_with_hostile_paths_keeps_them_relative() -> None:
    document = json.loads((SAMPLES / "edtrace_program.json").read_text())
    document["steps"][0]["stack"][0]["path"] = "../../home/me/x.py"
    document["files"]["../../home/me/x.py"] = "x\n" * 100
    names = [file.name for file in import_trace(json.dumps(document).encode()).head.files]
    assert names[0] == "home/me/x.py"


def test_a_published_lecture_comes_through() -> None:
    if not PUBLISHED.exists():
        pytest.skip("the published CS336 trace is not beside this checkout")
    document = json.loads(PUBLISHED.read_text())
    trace = import_trace(PUBLISHED.read_bytes())
    outputs = [output for _, outputs in trace.steps.outputs for output in outputs]
    assert len(outputs) == sum(len(step["renderings"]) for step in document["steps"]) == 99
    changed = [value for step in told(trace) for value in step.changed.values()]
    assert changed == [str(v) for step in document["steps"] for v in step["env"].values()]
    assert len(pack(trace)) < PUBLISHED.stat().st_size / 20


def test_older_traces_hold_bare_values() -> None:
    frame = {"path": "a.py", "line_number": 1, "function_name": "main", "code": "x = 1"}
    env = {"a": [[1.5, float("nan")]], "b": {"k": None}, "c": "s", "d": None}
    document = {
        "files": {"a.py": "x = 1\n"},
        "steps": [{"stack": [frame], "env": env, "renderings": [], "stdout": "hi"}],
    }
    trace = import_trace(json.dumps(document).encode())
    last = told(trace)[-1]
    assert last.env == {"a": "list[list[1.5, 'nan']]", "b": "dict{k: None}", "c": "'s'"}
    assert last.clears == ["d"]
    assert [(o.name, o.data) for o in told(trace)[0].shown] == [("stdout", "hi")]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": []}, "no steps"),
        ({"steps": {}}, "`steps` (a list)"),
        ({"files": []}, "`files` (an object)"),
        ({"steps": [{}]}, "step 0 has no stack"),
        ({"steps": [{"stack": [{"path": "a"}]}]}, "step 0: a frame needs"),
        ({"steps": [{"stack": [{"path": "a", "function_name": "f", "line_number": 10**9}]}]}, "line 1,000,000,000"),
        ({"steps": [{"stack": [{"path": "a.py", "function_name": "f", "line_number": 9}]}]}, "outside its file"),
    ],
)
def test_what_is_wrong_is_said(change: dict, message: str) -> None:
    document = {"files": {"a.py": "x\n"}, "steps": []} | change
    with pytest.raises(TraceError, match=message.replace("(", r"\(").replace(")", r"\)")):
        import_trace(json.dumps(document).encode())
