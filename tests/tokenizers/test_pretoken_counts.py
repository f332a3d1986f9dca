from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lilllm.tokenizers import pretoken_counts
from lilllm.tokenizers.pretoken_counts import count_pretokens, file_parts
from lilllm.tokenizers.pretokenize import GPT2_PATTERN, GPT4_PATTERN, pretokens, split_special
from tests.tokenizers.bpe_texts import PROSE, texts


def expected(text: str, pattern: str | None, special=()) -> Counter[str]:
    parts = [part for is_special, part in split_special(text, special) if not is_special]
    return Counter(word for part in parts for word in pretokens(part, pattern))


def test_texts_by_hand():
    assert count_pretokens(["a b b", "a"], pattern=GPT2_PATTERN) == {"a": 2, " b": 2}
    assert count_pretokens("a b b", pattern=GPT2_PATTERN) == {"a": 1, " b": 2}  # one text, not five
    assert count_pretokens("ab<|end|>ab", pattern=GPT2_PATTERN, special_tokens=["<|end|>"]) == {"ab": 2}


@settings(deadline=None, max_examples=300)
@given(
    text=texts,
    size=st.integers(1, 40),
    pattern=st.sampled_from([GPT2_PATTERN, GPT4_PATTERN, None]),
    # One holds another, and some overlap themselves or each other.
    special=st.sampled_from([[], ["<|end|>"], ["<|", "<|end|>"], ["aa"], ["end", "de", "nde"]]),
)
def test_parts_of_a_file_count_as_the_whole(tmp_path_factory, text, size, pattern, special):
    path = tmp_path_factory.getbasetemp() / "part.txt"
    path.write_bytes(text.encode())
    counted = count_pretokens(path, pattern=pattern, special_tokens=special, part_bytes=size)
    assert counted == expected(text, pattern, special)


@pytest.mark.parametrize("size", range(1, 25))
def test_a_file_is_not_cut_inside_special_tokens_that_overlap(tmp_path, size):
    path = tmp_path / "overlaps.txt"
    text = "x" + "aa" * 9 + "a y " + "a" * 30 + " ab ab ab a ab " * 3
    path.write_text(text)
    counted = count_pretokens(path, pattern=GPT2_PATTERN, special_tokens=["aa", "b a"], part_bytes=size)
    assert counted == expected(text, GPT2_PATTERN, ["aa", "b a"])


def test_a_file_is_cut_at_special_tokens(tmp_path):
    path = tmp_path / "documents.txt"
    path.write_bytes(b"one two three<|end|>" * 100)
    parts = list(file_parts(path, GPT2_PATTERN, ["<|end|>"], 50))
    assert len(parts) > 20
    assert [(part.start, part.end) for part in parts[:2]] == [(0, 73), (73, 133)]
    data = path.read_bytes()
    assert all(data.startswith(b"<|end|>", part.start) for part in parts[1:])


def test_a_file_without_special_tokens_is_cut_too(tmp_path):
    path = tmp_path / "text.txt"
    path.write_bytes(("\u4e2d\u6587\u3002" * 50 + "word ").encode() * 20)
    assert max(part.end - part.start for part in file_parts(path, GPT4_PATTERN, [], 100)) < 130
    assert len(list(file_parts(path, None, [], 100))) == 1


def test_the_cut_is_found_behind_a_window_without_one(tmp_path, monkeypatch):
    monkeypatch.setattr(pretoken_counts, "WINDOW", 64)
    path = tmp_path / "text.txt"
    text = "a" * 1000 + " b " + "c" * 500
    path.write_text(text)
    parts = list(file_parts(path, GPT2_PATTERN, [], 100))
    assert [part.end for part in parts] == [1000, len(text)]
    assert count_pretokens(path, pattern=GPT2_PATTERN, part_bytes=100) == expected(text, GPT2_PATTERN)


def test_several_processes_count_the_same(tmp_path, capsys):
    paths = [tmp_path / "a.txt", tmp_path / "b.txt", tmp_path / "empty.txt"]
    for path, times in zip(paths, (40, 30, 0), strict=True):
        path.write_text((PROSE + "<|end|>") * times, encoding="utf-8")
    text = (PROSE + "<|end|>") * 70
    counted = count_pretokens(
        [*paths, "and a text"],
        pattern=GPT4_PATTERN,
        special_tokens=["<|end|>"],
        processes=2,
        progress=True,
        part_bytes=10_000,
    )
    assert counted == expected(text, GPT4_PATTERN, ["<|end|>"]) + expected("and a text", GPT4_PATTERN)
    assert "pre-tokens: 100%" in capsys.readouterr().err


@pytest.mark.parametrize("processes", [1, 2])
def test_bad_input_a_file_that_is_not_utf8(tmp_path, processes):
    path = tmp_path / "latin.txt"
    path.write_bytes(b"good words " * 30 + b"caf\xe9 " + b"good words " * 30)
    with pytest.raises(ValueError, match=r"latin\.txt: not UTF-8 at byte 333; convert the file"):
        count_pretokens(path, pattern=GPT2_PATTERN, processes=processes, part_bytes=100)


def test_bad_input_of_other_kinds(tmp_path):
    with pytest.raises(ValueError, match="processes=0: at least 1"):
        count_pretokens("x", pattern=None, processes=0)
    with pytest.raises(TypeError, match=r"expected texts \(str\) or files \(pathlib.Path\), got bytes"):
        count_pretokens([b"x"], pattern=None)
    with pytest.raises(ValueError, match=r"lone surrogate U\+D800 at character 1"):
        count_pretokens("x\ud800", pattern=None)
    with pytest.raises(FileNotFoundError):
        count_pretokens(tmp_path / "missing", pattern=None)


ENDLESS = """
    import sys
    from pathlib import Path
    from lilllm.tokenizers import pretoken_counts

    if __name__ == "__main__":
        paths = [Path(sys.argv[1])] * 100_000
        parts = pretoken_counts._count_parts(
            (part for path in paths for part in pretoken_counts.file_parts(path, None, [], 1)), None, (), 2
        )
        for part, counted in parts:
            print("counted", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="process groups and SIGINT are POSIX")
def test_ctrl_c_stops_all_processes(tmp_path):
    script, text = tmp_path / "endless.py", tmp_path / "text.txt"
    script.write_text(textwrap.dedent(ENDLESS))
    text.write_text(PROSE)
    running = subprocess.Popen(
        [sys.executable, script, text],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | {"PYTHONPATH": str(Path(pretoken_counts.__file__).parents[2])},
    )
    assert running.stdout is not None
    assert running.stdout.readline() == "counted\n"
    os.killpg(running.pid, signal.SIGINT)  # as a terminal does: to all of them
    _, errors = running.communicate(timeout=60)
    assert errors.count("Traceback") == 1
    assert errors.rstrip().endswith("KeyboardInterrupt")
    for _ in range(100):  # the resource tracker leaves a moment later
        try:
            os.killpg(running.pid, 0)
        except ProcessLookupError:
            break
        time.sleep(0.05)
    else:
        pytest.fail("a process is left")
