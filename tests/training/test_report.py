"""What is printed of a run where there is no terminal: a line now and then."""

import re
import sys

import pytest

from lilllm.training import report
from tests.training import tiny


@pytest.fixture
def clock(monkeypatch):
    """Time that goes on by a second whenever somebody looks."""
    now = [0.0]

    def look():
        now[0] += 1
        return now[0]

    monkeypatch.setattr(report.time, "monotonic", look)
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)  # a plugin of pytest imports it; this is no notebook


def test_a_line_now_and_then(clock, capsys):
    told = report.Report(True)
    told.open(10, 100)
    for step in range(11, 61):
        told.step(step, 2.0, 1234.5)
    told.close()
    lines = capsys.readouterr().err.splitlines()
    assert [re.match(r"step (\d+) of 100: loss 2\.000, 1,234 tokens/s, about", line)[1] for line in lines] == [
        "15",
        "35",
        "55",
    ]
    # 45 steps took 45 s: 45 more
    assert "about 0.8 minutes left" in lines[-1]
    quiet = report.Report(False)
    quiet.open(0, 100)
    for step in range(1, 50):
        quiet.step(step, 2.0, 1.0)
    assert capsys.readouterr().err == ""


def test_samples_are_harmless_and_an_empty_one_says_so(capsys):
    for text, said in (("red \x1b[31m\x07 \u202e\n", r"step 1: red \x1b[31m\x07 \u202e"), (" \n", "step 1: (no text:")):
        tiny.trainer(progress=True, sample=lambda model, text=text: text, changes={"steps": 1, "warmup": 0}).run()
        assert said in capsys.readouterr().err
