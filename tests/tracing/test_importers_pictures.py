"""Pictures beside an imported file: found by relative path, never outside the folder, kept for what they are."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest

from lilllm.tracing.format import Output
from lilllm.tracing.importers import Beside, folder, import_trace, limits, pack, save
from lilllm.tracing.importers.pictures import mime
from lilllm.tracing.reader import Trace, TraceError, load

PNG = (Path(__file__).parent / "samples" / "figures" / "ramp.png").read_bytes()


def shows(*names: str, beside: Beside | None = None, kind: str = "image") -> Trace:
    frame = {"path": "a.py", "line_number": 1, "function_name": "main", "code": "x"}
    step = {"stack": [frame], "env": {}, "renderings": [{"type": kind, "data": name} for name in names]}
    return import_trace(json.dumps({"files": {"a.py": "x"}, "steps": [step]}).encode(), beside=beside)


def mimes(trace: Trace) -> list[str]:
    return [output.mime for _, outputs in trace.steps.outputs for output in outputs]


MISSING = "application/vnd.lilllm.missing+json"


def test_found_in_the_folder_and_below(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a b.png").write_bytes(PNG)
    trace = shows("images/a b.png", "./images/a b.png", "images/no.png", beside=folder(tmp_path))
    assert mimes(trace) == ["image/png", "image/png", MISSING]
    assert len(trace.blobs) == 1


@pytest.mark.parametrize(
    "name",
    ["../secret.png", "images/../../secret.png", "/etc/passwd", "{outside}", "link.png", "linked/secret.png",
     "..\\secret.png", "file:///etc/passwd",
     "http://attack.invalid/a.png", "//attack.invalid/a.png", "C:/a.png", "a\0.png", "", ".",
     "images", "loop", "a" * 5_000],
)  # fmt: skip
def test_never_outside_the_folder(tmp_path: Path, name: str) -> None:
    inside, outside = tmp_path / "in", tmp_path / "secret.png"
    (inside / "images").mkdir(parents=True)
    outside.write_bytes(PNG)
    (inside / "link.png").symlink_to(outside)
    (inside / "linked").symlink_to(tmp_path)
    (inside / "loop").symlink_to(inside / "loop")
    assert folder(inside)(name.format(outside=outside)) is None
    assert mimes(shows(name.format(outside=outside), beside=folder(inside))) == [MISSING]


def test_addresses_and_ways_out_are_not_even_asked_for() -> None:
    asked: list[str] = []

    def beside(name: str) -> bytes | None:
        asked.append(name)
        return PNG

    shows("../a.png", "/a.png", "http://x/a.png", "data:image/png;base64,!!", "b\\c.png", "ok.png", beside=beside)
    assert asked == ["ok.png"]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0rest", "image/jpeg"),
        (b"\0\0\0\x18ftypmp42", "video/mp4"),
        (b"\x1aE\xdf\xa3rest", "video/webm"),
        (b"<svg xmlns='x'/>", "image/svg+xml"),
        (b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- a --><svg>", "image/svg+xml"),
        (b"<svgx>", None),
        (b"<html><svg>", None),
        (b"<?xml version='1.0'?><html><svg>", None),
        (b"GIF89a", None),
        (b"", None),
    ],
)
def test_a_picture_is_what_its_first_bytes_say(data: bytes, expected: str | None) -> None:
    assert mime(data) == expected
    trace = shows("a.png", beside=lambda name: data)
    assert mimes(trace) == [expected or MISSING]


def test_large_ones_are_named_instead(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(limits, "PICTURE", 200)
    monkeypatch.setattr(limits, "PICTURES", 250)
    different = [PNG + bytes([number]) for number in range(3)]
    for number, data in enumerate(different):
        (tmp_path / f"{number}.png").write_bytes(data)
    (tmp_path / "large.png").write_bytes(PNG + bytes(200))
    trace = shows("large.png", "0.png", "1.png", "2.png", "0.png", beside=folder(tmp_path))
    assert mimes(trace) == [MISSING, "image/png", "image/png", MISSING, "image/png"]  # 104 bytes each


def test_a_picture_in_the_file_itself() -> None:
    import base64

    trace = shows("data:image/png;base64," + base64.b64encode(PNG).decode())
    assert mimes(trace) == ["image/png"]


def test_saved_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trace, path = shows("a.png"), tmp_path / "a.trace.jsonl.gz"
    size = save(trace, path)
    assert (path.stat().st_size, load(path).steps) == (size, trace.steps)
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", full)
    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="no space"):
        save(trace, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_long_trace_is_written_in_pieces() -> None:
    trace = shows("a.png")
    steps, count = trace.steps, 10_000
    steps.op, steps.names = "c" + "l" * (count - 1), ["x", "y"]
    steps.line, steps.depth = [1] + [0] * (count - 1), [2] * count
    steps.arg = [steps.arg[0]] + [0] * (count - 1)
    steps.changes = [(number, [(number % 2, 0)]) for number in range(0, count, 3)]
    steps.pins = [(0, ["x"]), (9_999, ["y"])]
    steps.outputs = [(number, [Output(name="stdout", mime="text/plain", data="x" * 1_000)]) for number in range(2_500)]
    assert trace.end is not None
    trace.end.steps = count
    packed = pack(trace)
    assert load(packed).steps == steps
    assert gzip.decompress(packed).count(b"\n") > 6


def test_what_no_reader_would_open_is_not_written(tmp_path: Path) -> None:
    trace = shows("a.png")
    trace.head.files[0].text = "x" * 9_000_000
    with pytest.raises(TraceError, match="longer than"):
        save(trace, tmp_path / "a.trace.jsonl.gz")
    assert list(tmp_path.iterdir()) == []
