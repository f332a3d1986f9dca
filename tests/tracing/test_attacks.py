"""The attacks of ``attacks.py`` at the door: each opens as a checked trace or is refused, and none takes the memory.

That nothing fires in a page is the browser tests' part.
"""

from __future__ import annotations

import base64
import gzip
import re
import subprocess
import sys

import pytest

from lilllm.tracing.importers import import_trace
from lilllm.tracing.reader import Trace, TraceError, load
from tests.tracing.attacks import ATTACKS, HTML, JS, PROSE, SITE, SVG


def opened(data: bytes) -> tuple[Trace | None, str]:
    """The trace, or None and why not."""
    try:
        return (load(data) if data[:2] == b"\x1f\x8b" else import_trace(data)), ""
    except TraceError as error:
        return None, str(error)


def test_there_are_enough_and_each_has_its_name() -> None:
    names = [name for name, _ in ATTACKS]
    assert len(names) == len(set(names)) >= 60


@pytest.mark.timeout(30)
@pytest.mark.parametrize(("name", "data"), ATTACKS, ids=[name for name, _ in ATTACKS])
def test_it_opens_or_is_refused(name: str, data: bytes) -> None:
    trace, refusal = opened(data)
    if trace is not None:
        assert len(trace.steps.op) == len(trace.steps.line) == len(trace.steps.depth)
    else:
        assert 0 < len(refusal) < 1_000
        # These are whole traces, meant to reach the page: refused, they would test nothing there.
        assert not name.startswith(("html-", "svg-", "link-", "formula-", "card-", "vega-", "mxss-", "name-word-")), (
            refusal
        )


def test_those_that_reach_a_page_would_show_themselves() -> None:
    """An attack that neither sets the mark nor asks for an address could never be seen to fire."""
    silent = {"html-deep", "html-attributes", "html-clobbering", "many-brackets", "deep-quotes", "deep-lists"}
    silent |= {"emphasis-run", "backtick-runs", "svg-laughs"}
    for name, text in (PROSE | HTML | SVG).items():
        text = re.sub(r"base64,([A-Za-z0-9+/=]+)", lambda data: base64.b64decode(data[1]).decode(), text)
        assert name in silent or JS in text or f"{SITE}/" in text or "attack.invalid" in text, name


def test_refusals_are_refusals_of_what_is_wrong() -> None:
    """The small trace that every attack is made from is itself in order."""
    assert sum(opened(data)[0] is not None for name, data in ATTACKS if not name.startswith("broken-")) > 150
    for name, data in ATTACKS:
        if name.startswith("broken-cut-before-") and not name.endswith("-head"):
            trace = load(data)
            assert not trace.complete, name
    whole = dict(ATTACKS)["broken-cut-before-4-end"]
    end = b'{"type":"end","steps":3,"values":1}\n'
    assert load(gzip.compress(gzip.decompress(whole) + end)).complete


# VmHWM and not ru_maxrss: that one starts with what the process that forked had.
_MEASURE = """
import sys
from lilllm.tracing.importers import import_trace
from lilllm.tracing.reader import TraceError, load
data = sys.stdin.buffer.read()
try:
    load(data) if data[:2] == b"\\x1f\\x8b" else import_trace(data)
except TraceError:
    pass
print(open("/proc/self/status").read().split("VmHWM:")[1].split()[0])
"""
BOMBS = [(name, data) for name, data in ATTACKS if "bomb" in name or "many" in name]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(("name", "data"), BOMBS, ids=[name for name, _ in BOMBS])
def test_no_bomb_takes_300_megabytes(name: str, data: bytes) -> None:
    run = subprocess.run([sys.executable, "-c", _MEASURE], input=data, capture_output=True, check=True)
    assert int(run.stdout) * 1024 < 300 << 20
