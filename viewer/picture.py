"""Make the picture of the README: the viewer in the middle of lecture 01, in a real Chromium.

    python viewer/picture.py [--trace NAME] [--step N] [--out FILE]

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

ROOT = Path(__file__).resolve().parents[1]
WIDTH, HEIGHT = 1400, 880
# A merge being applied: the pieces in the list, the call stack, prose and code are all in sight.
TRACE, STEP = "01_tokenization", 400


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
    parser.add_argument("--step", type=int, default=STEP)
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--out", type=Path, default=ROOT / "viewer" / "picture.png")
    options = parser.parse_args()
    try:
        take(options.trace, options.step, options.out, dark=options.dark)
    except RuntimeError as error:
        sys.exit(str(error))
    print(f"{options.out} written")


if __name__ == "__main__":
    main()
