"""One server of the course as a child process: a free port, a start, a health check, an end that leaves nothing behind.

Read in order:  free_port, Server (start, healthy, ended, stop).
The child has a process group of its own, so that Ctrl-C in the terminal reaches only its parent, which stops it in
order: terminate, wait, kill, with the children it had (JupyterLab's kernels live in groups of their own).
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Collection, Mapping, Sequence
from http.client import HTTPException
from pathlib import Path

import psutil

LOOPBACK = "127.0.0.1"


class ServerError(RuntimeError):
    """A server cannot start, or ended when it should not."""


def free_port(wanted: int, *, taken: Collection[int] = (), tries: int = 100) -> int:
    """The first free loopback port from ``wanted`` on.

    Raises:
        ServerError: none of ``tries`` is free, or the system does not allow the port.
    """
    for port in range(wanted, min(wanted + tries, 65536)):
        if port in taken:
            continue
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.settimeout(0.5)
            # Where a server listens on every address, macOS lets another one bind to loopback: ask by connecting too.
            if probe.connect_ex((LOOPBACK, port)) == 0:
                continue
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            if os.name == "posix":  # as the servers do: a port that was left a moment ago is free
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError as error:
                if error.errno in (errno.EACCES, errno.EPERM) and os.name == "posix":
                    raise ServerError(
                        f"port {port} is not allowed here ({error.strerror}): choose one above 1023"
                    ) from error
                continue
            return port
    raise ServerError(f"no free port from {wanted} to {min(wanted + tries, 65536) - 1}: choose another with --port-...")


def answers(url: str, *, token: str | None = None, timeout: float = 2.0) -> bool:
    """Whether ``url`` answers 200; never through a proxy, since it is on this machine."""
    headers = {"Authorization": f"token {token}"} if token else {}
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(urllib.request.Request(url, headers=headers), timeout=timeout) as response:
            return bool(response.status == 200)
    except (OSError, ValueError, HTTPException):  # URLError is an OSError; who speaks no HTTP is somebody else
        return False


class Server:
    """A child process that serves on a loopback port, with its output in a log file.

    Args:
        name: what the reader calls it.
        command: program and arguments.
        port: where it will listen.
        health: path of a page that answers 200 once it is up.
        token: sent to the health page, so that only the server that knows it counts as ours.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        port: int,
        health: str,
        log: Path,
        cwd: Path,
        env: Mapping[str, str],
        token: str | None = None,
    ) -> None:
        self.name, self.command, self.port, self.health, self.token = name, list(command), port, health, token
        self.log, self.cwd, self.env = log, cwd, dict(env)
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Its address, without a slash at the end."""
        return f"http://{LOOPBACK}:{self.port}"

    def start(self) -> None:
        """Start the child; its output goes to the log, which only its owner may read (it can hold the token)."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=self.cwd,
                env=self.env,
                stdin=subprocess.DEVNULL,  # nothing may stop to ask
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),  # Windows has it
            )

    def healthy(self) -> bool:
        """Whether it runs and answers."""
        return self.ended() is None and answers(f"{self.address}{self.health}", token=self.token)

    def ended(self) -> int | None:
        """Its exit code, or None while it runs."""
        return self.process.poll() if self.process else None

    def last_lines(self, count: int = 15) -> str:
        """The end of its log."""
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(lines[-count:])


def stop_all(servers: Sequence[Server], *, patience: float = 8.0) -> None:
    """Terminate every server that runs, all at once; kill what is left after ``patience`` seconds, children too."""
    stop_processes([s.process.pid for s in servers if s.process and s.ended() is None], patience=patience)
    for server in servers:
        if server.process:
            server.process.wait()


def stop_processes(pids: Sequence[int], *, patience: float = 8.0) -> None:
    """Terminate these processes and see their descendants end too."""
    heads, family = [], []
    for pid in pids:
        try:
            head = psutil.Process(pid)
            family += [head, *head.children(recursive=True)]
        except psutil.NoSuchProcess:
            continue
        heads.append(head)
    for head in heads:
        _ask_to_end(head)
    end = time.monotonic() + patience
    _wait(heads, patience)
    alive = _wait(family, min(1.0, end - time.monotonic()))  # children normally end with their head
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    _wait(alive, 5)


def _wait(processes: Sequence[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Those that run after ``seconds``; it only looks, so whoever started one can still ask for its exit code."""
    end = time.monotonic() + seconds
    while True:
        alive = [process for process in processes if _runs(process)]
        if not alive or time.monotonic() > end:
            return alive
        time.sleep(0.05)


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _ask_to_end(process: psutil.Process) -> None:
    try:
        if sys.platform == "win32":
            process.send_signal(signal.CTRL_BREAK_EVENT)  # the only polite way; terminate() kills there
        else:
            process.terminate()
    except (psutil.NoSuchProcess, OSError):
        return
