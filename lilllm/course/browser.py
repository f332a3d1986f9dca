"""Show an address to the reader, where there is a browser that they would see."""

from __future__ import annotations

import os
import sys
import threading
import webbrowser
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from lilllm.course.server import LOOPBACK


def can_show_browser(environ: Mapping[str, str] = os.environ, platform: str = sys.platform) -> bool:
    """Whether a browser would open before the reader's eyes: not over SSH, and on Linux only with a display."""
    if any(environ.get(name) for name in ("SSH_CONNECTION", "SSH_TTY")):
        return False
    return platform in ("darwin", "win32") or any(environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def open_browser(*urls: str) -> None:
    """Open these addresses in a browser, from the background: some browsers hold their caller until they end."""

    def work() -> None:
        for url in urls:
            try:
                webbrowser.open(url)
            except (webbrowser.Error, OSError):
                return

    threading.Thread(target=work, daemon=True).start()


def show(*urls: str, say: Callable[[str], None]) -> None:
    """Open ``urls`` where the reader sees them, or say how to."""
    if can_show_browser():
        open_browser(*urls)
        return
    say("No browser can be opened from here: open the two addresses in yours.")
    if os.environ.get("SSH_CONNECTION"):
        tunnels = " ".join(f"-L {port}:{LOOPBACK}:{port}" for port in (urlsplit(url).port for url in urls))
        say(f"They are on this machine; from yours, first: ssh {tunnels} THIS-MACHINE")
