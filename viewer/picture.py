"""Make the picture of the README: the viewer in the middle of lecture 01, in a real Chromium.

    python viewer/picture.py [--trace NAME] [--line TEXT --turn N | --step N] [--dark] [--out FILE]

Needs Chromium (or CHROMIUM=/path/to/it) and the `test` extra. No request leaves the machine.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

from lilllm.course.server import Server, free_port, stop_all
from lilllm.tracing.reader import load

ROOT = Path(__file__).resolve().parents[1]
WIDTH, HEIGHT = 1400, 880
TRACE = "01_tokenization"
LINE, TURN = 'pair = " + ".join(repr(part.decode()) for part in best)', 6  # the text's tokens after six merges


def step_at(trace: str, text: str, turn: int) -> int:
    """The step, as addresses count them, about to run the line ``text`` for the ``turn``-th time.

    A line and a turn outlive a new build of the lecture; the number of a step does not.

    Raises:
        RuntimeError: that does not happen in the trace.
    """
    recorded = load(ROOT / "traces" / f"{trace}.trace.jsonl.gz")
    lines = recorded.head.files[0].text.splitlines()
    wanted = {number for number, line in enumerate(lines, start=1) if line.strip() == text}
    at = 0
    for step, (difference, op) in enumerate(zip(recorded.steps.line, recorded.steps.op, strict=True)):
        at += difference
        if op == "l" and at in wanted:
            turn -= 1
            if turn == 0:
                return step + 1  # addresses begin at 1
    raise RuntimeError(f"the trace of {trace} does not run {text!r} that often: choose another with --line and --turn")


def take(trace: str, step: int, out: Path, *, dark: bool = False) -> None:
    """Start the viewer, open ``trace`` at ``step``, and write what a reader sees to ``out``.

    Raises:
        RuntimeError: there is no Chromium, or the viewer did not come up.
    """
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise RuntimeError("no Chromium found: install it, or name it in CHROMIUM")
    with tempfile.TemporaryDirectory() as folder:
        port = free_port(8600)
        command = [sys.executable, "-m", "streamlit", "run", str(ROOT / "viewer"), "--server.port", str(port)]
        log = Path(folder) / "viewer.log"
        server = Server(
            "the viewer", command, port=port, health="/_stcore/health", log=log, cwd=ROOT, env=dict(os.environ)
        )
        try:
            server.start()
            end = time.monotonic() + 60
            while not server.healthy():
                if server.ended() is not None or time.monotonic() > end:
                    raise RuntimeError(f"the viewer did not come up:\n{server.last_lines()}")
                time.sleep(0.1)
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
                page = browser.new_page(
                    viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="dark" if dark else "light"
                )
                page.goto(f"{server.address}/?trace={trace}&step={step}")
                page.wait_for_selector(".player .line")
                page.wait_for_timeout(1500)  # the first drawing of figures and fonts
                page.screenshot(path=out)
                browser.close()
        finally:
            stop_all([server])


def main() -> None:
    """Take the picture as asked on the command line."""
    parser = argparse.ArgumentParser(description="Make the picture of the README.")
    parser.add_argument("--trace", default=TRACE)
    parser.add_argument("--line", default=LINE, help="show the step about to run this line of the lecture")
    parser.add_argument("--turn", type=int, default=TURN, help="its first, second, ... time")
    parser.add_argument("--step", type=int, help="or this step")
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--out", type=Path, default=ROOT / "viewer" / "picture.png")
    options = parser.parse_args()
    try:
        step = options.step or step_at(options.trace, options.line, options.turn)
        take(options.trace, step, options.out, dark=options.dark)
    except RuntimeError as error:
        sys.exit(str(error))
    print(f"{options.out} written")


if __name__ == "__main__":
    main()
