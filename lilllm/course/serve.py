"""Start the viewer and JupyterLab for a working copy, on this machine only, and stop both together.

Read in order:  lab_server, viewer_server (the two command lines), start (the whole life of `lilllm course start`).
Logs go to ``.lilllm`` of the working copy and are shown when something fails. Loopback only; the lab's token goes to
it by environment, since other users of the machine can read command lines.
"""

from __future__ import annotations

import importlib.util
import json
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from lilllm.course.browser import show
from lilllm.course.notebook import write_whole
from lilllm.course.running import Child, Record, Running
from lilllm.course.server import LOOPBACK, Server, ServerError, free_port, stop_all
from lilllm.course.workspace import Workspace

PORT_LAB, PORT_VIEWER = 8888, 8501
_PATIENCE = 180  # seconds for both to answer: the first start on a slow disk reads gigabytes
_QUIET_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")


def missing_packages() -> list[str]:
    """Those of the two servers that are not installed."""
    return [name for name in ("jupyterlab", "ipykernel", "streamlit") if importlib.util.find_spec(name) is None]


def lab_server(workspace: Workspace, port: int, token: str) -> Server:
    """JupyterLab on the working copy, with this Python's kernel first, without news, updates or new extensions."""
    command = [sys.executable, "-P", "-m", "jupyterlab", "--no-browser"]  # -P: a learner's json.py is not Python's
    command += [f"--ServerApp.ip={LOOPBACK}", f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]
    command += [f"--ServerApp.root_dir={workspace.folder}"]
    command += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    command += ["--LabApp.extension_manager=readonly"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command += ["--ServerApp.allow_root=True"]  # containers; it listens on loopback and wants a token
    env = dict(os.environ, JUPYTER_TOKEN=token, JUPYTER_PREFER_ENV_PATH="1", PYTHONUNBUFFERED="1")
    env["JUPYTER_CONFIG_PATH"] = os.pathsep.join(
        [str(_lab_settings(workspace)), *filter(None, [os.environ.get("JUPYTER_CONFIG_PATH")])]
    )
    log = workspace.state / "lab.log"
    return Server(
        "JupyterLab", command, port=port, health="/api/status", token=token, log=log, cwd=workspace.folder, env=env
    )


def _lab_settings(workspace: Workspace) -> Path:
    """A folder of settings for this lab alone: it does not ask whether to fetch news."""
    folder = workspace.state / "jupyter"
    settings = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
    write_whole(folder / "labconfig" / "page_config.json", json.dumps(settings).encode())
    return folder


def viewer_server(workspace: Workspace, port: int) -> Server:
    """The viewer; nothing is asked, watched or reported."""
    command = [sys.executable, "-P", "-m", "streamlit", "run", str(workspace.clone / "viewer")]
    command += ["--server.address", LOOPBACK, "--server.port", str(port), "--server.headless", "true"]
    command += ["--browser.gatherUsageStats", "false", "--server.showEmailPrompt", "false"]
    command += ["--server.fileWatcherType", "none"]
    env = dict(os.environ, PYTHONUNBUFFERED="1")
    log = workspace.state / "viewer.log"
    return Server("the viewer", command, port=port, health="/_stcore/health", log=log, cwd=workspace.clone, env=env)


def start(
    workspace: Workspace,
    *,
    port_lab: int = PORT_LAB,
    port_viewer: int = PORT_VIEWER,
    browser: bool = True,
    say: Callable[[str], None] = print,
) -> int:
    """Serve the working copy until Ctrl-C, SIGTERM or the end of one of the two; the exit code.

    Raises:
        ServerError: no port, or a server that ended or did not answer; both are stopped by then.
    """
    record = Record(workspace.state / "running.json")
    other = record.claim()
    if other:
        return _already_running(other, workspace, browser=browser, say=say)
    servers: list[Server] = []
    with _Signals() as stopped:
        try:
            _start_both(workspace, record, servers, port_lab, port_viewer, stopped=stopped, browser=browser, say=say)
            ended = _watch(servers, stopped)
            if ended:
                say(f"\n{ended.name} was shut down.")
        finally:
            if stopped.by and any(server.process for server in servers):
                _quietly(say, "\nStopping ...")
            stop_all(servers)
            record.release()
        if servers:
            _quietly(say, f"Both are stopped. Your work is in {workspace.folder}")
    return 0


def _start_both(
    workspace: Workspace,
    record: Record,
    servers: list[Server],
    port_lab: int,
    port_viewer: int,
    *,
    stopped: _Signals,
    browser: bool,
    say: Callable[[str], None],
) -> None:
    lab_port, viewer_port = free_port(port_lab), 0
    viewer_port = free_port(port_viewer, taken=[lab_port])
    for name, wanted, got in (("JupyterLab", port_lab, lab_port), ("the viewer", port_viewer, viewer_port)):
        if wanted != got:
            say(f"Port {wanted} is busy: {name} takes {got}.")
    token = secrets.token_hex(24)
    servers += [lab_server(workspace, lab_port, token), viewer_server(workspace, viewer_port)]
    lab, viewer = servers
    running = Running(Child.of(os.getpid()))
    say("Starting JupyterLab and the viewer ...")
    for server in servers:
        server.start()
        assert server.process
        running.servers.append(Child.of(server.process.pid))
        record.write(running)
    waiting, end = list(servers), time.monotonic() + _PATIENCE
    while waiting and not stopped.by:
        for server in list(waiting):
            if server.ended() is not None:
                raise ServerError(_why_ended(server))
            if server.healthy():
                waiting.remove(server)
        if waiting and time.monotonic() > end:
            raise ServerError(
                f"{waiting[0].name} did not answer in {_PATIENCE} s; the end of its log:\n{waiting[0].last_lines()}"
            )
        time.sleep(0.1)
    if stopped.by:
        return
    notebook = workspace.last_worked_on()
    running.lab = f"{lab.address}/lab{f'/tree/{notebook}.ipynb' if notebook else ''}?token={token}"
    running.viewer = f"{viewer.address}/"
    record.write(running)
    _say_addresses(running, say)
    say("Ctrl-C stops both; what you write stays.")
    _show(running, browser, say)


def _watch(servers: list[Server], stopped: _Signals) -> Server | None:
    """Wait for a signal (None) or for a server that was shut down in order (that one).

    Raises:
        ServerError: a server ended with an error.
    """
    while not stopped.by:
        for server in servers:
            code = server.ended()
            if code == 0:
                return server
            if code is not None:
                raise ServerError(_why_ended(server))
        time.sleep(0.2)
    return None


def _why_ended(server: Server) -> str:
    code = server.ended()
    return f"{server.name} ended by itself (exit code {code}); the end of {server.log}:\n{server.last_lines()}"


def _already_running(other: Running, workspace: Workspace, *, browser: bool, say: Callable[[str], None]) -> int:
    if not other.lab:
        say(f"{workspace.folder} is being started by process {other.owner.pid}; wait a moment.")
        return 0
    say(f"{workspace.folder} is already open (process {other.owner.pid}):")
    _say_addresses(other, say)
    say("Ctrl-C in its terminal stops it.")
    _show(other, browser, say)
    return 0


def _say_addresses(running: Running, say: Callable[[str], None]) -> None:
    say(f"\n  Notebooks  {running.lab}\n  Viewer     {running.viewer}\n")


def _show(running: Running, browser: bool, say: Callable[[str], None]) -> None:
    if browser:
        show(running.viewer, running.lab, say=say)


def _quietly(say: Callable[[str], None], text: str) -> None:
    try:
        say(text)
    except OSError:  # the terminal is gone, and that must not keep the servers alive
        return


class _Signals:
    """While it is entered, the signals that end a program are noted in ``by`` and not raised."""

    def __init__(self) -> None:
        self.by = 0
        self._before: dict[int, Any] = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.by = number

    def __enter__(self) -> _Signals:
        for name in _QUIET_SIGNALS:
            if hasattr(signal, name):
                number = getattr(signal, name)
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
