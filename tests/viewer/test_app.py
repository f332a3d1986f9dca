"""The pages without a browser: what they list, what they say of broken files, what they hand to the player."""

from __future__ import annotations

import contextlib
import gzip
import json
import re
import sqlite3
import sys
from pathlib import Path

import msgspec
import pytest
from streamlit.testing.v1 import AppTest

from lilllm.course.plan import LECTURES
from lilllm.course.record import Record
from lilllm.tracing.cost import Cost, LineCost, cost_path
from lilllm.tracing.reader import load
from tests.viewer.course import built_course

VIEWER = Path(__file__).resolve().parents[2] / "viewer"


@pytest.fixture
def app(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setenv("LILLLM_VIEWER_ROOT", str(folder))
    monkeypatch.syspath_prepend(str(VIEWER))
    for name in [path.stem for path in VIEWER.glob("*.py")]:
        monkeypatch.delitem(sys.modules, name, raising=False)
    return AppTest.from_file(str(VIEWER / "streamlit_app.py"), default_timeout=30)


def text(app: AppTest) -> str:
    parts = [*app.markdown, *app.caption, *app.warning, *app.error, *app.info]
    return "\n".join(str(part.value) for part in parts)


def test_the_list_tells_what_each_lecture_is_and_costs(app: AppTest) -> None:
    app.run()
    assert not app.exception
    shown = text(app)
    assert "01  Pairs of bytes" in shown
    assert "What a tokenizer merges, and why." in shown
    assert "**You will build** a byte-pair encoder" in shown
    assert "5 minutes to read · runs in 31 s · 0.6 GB of memory" in shown
    assert app.selectbox(key="trace").options == ["01_pairs", "02_broken", "03_stopped", "04_hostile"]


def test_a_lecture_that_cannot_be_read_harms_only_itself(app: AppTest) -> None:
    app.run()
    assert len(app.warning) == 1
    assert "05\\_planned" in text(app)
    assert "The source cannot be read" in app.warning[0].value
    assert "not built yet" in [caption.value for caption in app.caption]


def test_the_chosen_trace_goes_to_the_player_prepared(app: AppTest) -> None:
    app.run()
    app.button(key="open-01_pairs").click().run()
    assert not app.exception
    sent = [element.proto for element in app.main if "bidi" in type(element.proto).__name__.lower()]
    assert len(sent) == 1
    name, _, packed = sent[0].bytes.partition(b"\n")
    assert name == b"01_pairs"
    assert msgspec.json.decode(gzip.decompress(packed))["title"] == "Pairs of bytes, merged"


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "01_pairs.trace.jsonl.gz", "nothing", ""])
def test_a_name_from_the_address_selects_from_the_list_or_nothing(app: AppTest, name: str) -> None:
    app.query_params["trace"] = name
    app.run()
    assert not app.exception
    assert app.selectbox(key="trace").value is None
    assert "01  Pairs of bytes" in text(app)
    assert ("There is no trace called" in text(app)) == bool(name)


def test_a_broken_trace_says_why_in_one_line(app: AppTest) -> None:
    app.query_params["trace"] = "02_broken"
    app.run()
    assert not app.exception
    assert [error.value.split(":")[0] for error in app.error] == ["The trace of 02\\_broken cannot be opened"]
    assert "not gzip" in app.error[0].value.replace("\\", "")


PLANNED = re.compile(r'class="state">planned')


def drawn(app: AppTest) -> str:
    """The map's markup, as the browser is given it."""
    (sent,) = [element.proto for element in app.main if "bidi" in type(element.proto).__name__.lower()]
    return str(json.loads(sent.json)["markup"])


@pytest.fixture
def course(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone with the first two lectures of the plan, and a record of one's own."""
    built_course(tmp_path, (folder / "traces" / "01_pairs.trace.jsonl.gz").read_bytes())
    monkeypatch.setenv("LILLLM_HOME", str(tmp_path / "home"))
    return tmp_path


def test_the_map_has_all_lectures_by_part_and_opens_those_that_are_built(
    app: AppTest, course: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LILLLM_VIEWER_ROOT", str(course))
    app.run()
    assert not app.exception
    markup = drawn(app)
    for lecture in LECTURES:
        assert f'<span class="number">{lecture.number}</span> <span class="title">{lecture.title}</span>' in markup
    assert re.findall(r'data-open="(\w+)" title', markup) == ["01_tokenization", "02_tensors"]
    assert len(PLANNED.findall(markup)) == 24
    assert markup.count('<span class="minutes">5 min</span>') == 2
    assert ">needs 01, 04, 07</span>" in markup
    for part in dict.fromkeys(lecture.part for lecture in LECTURES):
        assert f"{part.partition('. ')[2]}</span>" in markup
    wide, narrow = re.findall(r"<svg class=\"(?:wide|narrow)\".*?</svg>", markup)
    for svg in (wide, narrow):
        assert svg.count("<path") == sum(len(lecture.needs) for lecture in LECTURES)
    assert "Begin with 01 tokenization." in markup
    assert 'href="?trace=01_tokenization" data-open="01_tokenization">Open 01 tokenization</a>' in markup


def test_the_map_shows_what_the_reader_has_done_and_where_to_go_on(
    app: AppTest, course: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LILLLM_VIEWER_ROOT", str(course))
    record = Record(course / "home")
    record.tried("one.a", "solved", hint=1)
    record.tried("one.b", "wrong")
    record.guessed("key", "How many for 01?", 3, 0.5)
    app.run()
    markup = drawn(app)
    assert '<span class="state">1 of 2<span class="more"> solved</span></span>' in markup
    assert '<i style="width:50%">' in markup
    told = "1 of 2 exercises solved, 1 tried, 1 with help, 1 of 1 prediction made"
    assert f"Go on with 01 tokenization: {told}." in markup
    assert f"You: {told}" in text(app)
    assert "<b>1</b> of 4 exercises" in markup
    record.tried("one.b", "solved")
    app.run()
    markup = drawn(app)
    assert '<li class="done"' in markup
    assert "Next: 02 tensors." in markup
    assert ">Open 02 tensors</a>" in markup
    assert re.search(r'data-from="01" data-to="08" class="done"', markup)
    assert "1 of 9 done" in markup


@pytest.mark.parametrize("harm", ["broken", "newer", "empty"])
def test_a_record_that_cannot_be_read_or_is_not_kept_is_told_and_breaks_nothing(
    app: AppTest, course: Path, monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    monkeypatch.setenv("LILLLM_VIEWER_ROOT", str(course))
    (course / "home").mkdir()
    if harm == "broken":
        (course / "home" / "progress.sqlite3").write_bytes(b"no record" * 200)
    elif harm == "newer":
        with contextlib.closing(sqlite3.connect(course / "home" / "progress.sqlite3")) as connection:
            connection.execute("PRAGMA user_version = 99")
    else:
        monkeypatch.setenv("LILLLM_HOME", "")
    app.run()
    assert not app.exception
    (note,) = re.findall(r'<p class="note">(.*?)</p>', drawn(app))
    assert {
        "broken": "move it away to begin anew",
        "newer": "written by a newer lilllm",
        "empty": "Nothing is kept of what you do: LILLLM_HOME is empty.",
    }[harm] in note
    assert "Begin with 01 tokenization." in drawn(app)
    assert app.button(key="open-01_tokenization")


def test_names_and_titles_in_the_map_are_text(app: AppTest, course: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LILLLM_VIEWER_ROOT", str(course))
    monkeypatch.setenv("LILLLM_HOME", str(course / "<img src=x onerror=alert(1)>"))
    (course / "<img src=x onerror=alert(1)>").write_text("a file where the folder should be")
    app.run()
    assert not app.exception
    assert "<img" not in drawn(app)


def test_no_line_of_the_map_runs_through_a_lecture(app: AppTest) -> None:
    app.run()  # puts the viewer's folder on the path
    import map_layout as layout

    places = layout.PLACES
    assert len(set(places.values())) == len(LECTURES)
    for source, target in layout.edges():
        (left, row), (right, end) = places[source], places[target]
        assert left < right
        between = [number for number, (c, r) in places.items() if r == row and left < c < right]
        assert between == [], f"the line from {source} to {target} runs through {between}"
        if row != end:
            at = layout.turn(source, target)
            assert (right - 1) * layout.COLUMN + layout.BOX < at < right * layout.COLUMN, "it turns in the gap"
    for number, lane in layout.lanes().items():
        last = max(int(b) for a, b in layout.edges() if a == number)
        for other, its in layout.lanes().items():
            if other > number and its == lane:
                assert int(other) >= last, "two lines lie on each other"


def test_without_lectures_and_traces_it_says_how_to_make_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, app: AppTest
) -> None:
    monkeypatch.setenv("LILLLM_VIEWER_ROOT", str(tmp_path))
    app.run()
    assert not app.exception
    assert "lilllm lectures build" in app.info[0].value


def test_measured_figures_that_are_broken_leave_the_list_standing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, app: AppTest, folder: Path
) -> None:
    (tmp_path / "lectures").mkdir()
    (tmp_path / "lectures" / "01_pairs.py").write_text((folder / "lectures" / "01_pairs.py").read_text())
    (tmp_path / "lectures" / "measured.json").write_text("[broken")
    monkeypatch.setenv("LILLLM_VIEWER_ROOT", str(tmp_path))
    app.run()
    assert not app.exception
    assert "01  Pairs of bytes" in text(app)


@pytest.mark.parametrize("stale", [False, True])
def test_what_lines_cost_goes_along_and_a_stale_file_is_told(
    app: AppTest, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stale: bool
) -> None:
    (tmp_path / "traces").mkdir()
    path = tmp_path / "traces" / "01_pairs.trace.jsonl.gz"
    path.write_bytes((folder / "traces" / path.name).read_bytes())
    trace = load(path)
    name = trace.head.files[0].name
    digest = "0" * 64 if stale else trace.digest
    lines = [LineCost(file=0, line=18, hits=1, seconds=0.5, total=0.5)]
    cost = Cost(version=1, trace=digest, machine="here", seconds=0.5, files=[name], lines=lines)
    cost_path(path).write_bytes(cost.to_json())
    monkeypatch.setenv("LILLLM_VIEWER_ROOT", str(tmp_path))
    app.query_params["trace"] = "01_pairs"
    app.run()
    assert not app.exception
    sent = [element.proto for element in app.main if "bidi" in type(element.proto).__name__.lower()]
    data = msgspec.json.decode(gzip.decompress(sent[0].bytes.partition(b"\n")[2]))
    if stale:
        assert data["cost"] is None
        assert len(data["notes"]) == 1
        assert data["notes"][0].startswith("The cost of its lines is not shown: the costs were measured for another")
    else:
        assert data["cost"]["lines"] == [[0, 18, 1, 0.5, 0.5, 0, 0]]
        assert data["notes"] == []
