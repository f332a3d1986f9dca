"""What runs under .ci/offline.py reaches nothing, is seen trying, and leaves nothing running."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

SCRIPT = Path(__file__).parents[2] / ".ci" / "offline.py"
ALLOWED = bool(runpy.run_path(str(SCRIPT))["allowed_namespaces"]())
needs_namespaces = pytest.mark.skipif(not ALLOWED, reason="network namespaces are not allowed here")


def offline(code: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *options, sys.executable, "-c", textwrap.dedent(code)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LILLLM_OFFLINE")}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@needs_namespaces
@pytest.mark.parametrize(
    "attempt",
    [
        "socket.create_connection(('192.0.2.1', 80), 2)",
        "socket.create_connection(('2001:db8::1', 80), 2)",
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 53))",
        "socket.getaddrinfo('example.org', 80)",
    ],
)
def test_an_attempt_fails_even_if_the_program_hides_it(attempt: str) -> None:
    code = f"import socket\ntry:\n    {attempt}\nexcept OSError:\n    pass\n"
    said = offline(code)
    assert said.returncode == 1, said
    assert "attempts to reach the network" in said.stdout
    assert offline(code, "--record-only").returncode == 0


@needs_namespaces
def test_loopback_works_and_counts_nothing() -> None:
    said = offline(
        """
        import socket
        server = socket.create_server(("127.0.0.1", 0))
        client = socket.create_connection(("localhost", server.getsockname()[1]))
        server.accept()[0].sendall(b"hello")
        print(client.recv(5).decode())
        """
    )
    assert (said.returncode, said.stdout) == (0, "hello\n")


@needs_namespaces
def test_what_is_left_running_is_named_and_ended() -> None:
    marker = f"{time.time_ns()}"
    said = offline(f"import subprocess; subprocess.Popen(['sleep', '987.{marker}'], start_new_session=True)")
    assert said.returncode == 1
    assert f"left running: sleep 987.{marker}" in said.stdout
    assert not [p for p in psutil.process_iter(["cmdline"]) if f"987.{marker}" in " ".join(p.info["cmdline"] or [])]


@pytest.mark.parametrize(("code", "expected"), [("raise SystemExit(5)", 5), ("print(1)", 0)])
def test_the_exit_code_is_that_of_the_command(code: str, expected: int) -> None:
    assert offline(code).returncode == expected
