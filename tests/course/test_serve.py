"""Starting and stopping the two servers: real ones, on loopback, with nothing left behind."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from lilllm.course import serve
from lilllm.course.browser import can_show_browser, open_browser, show
from lilllm.course.running import Child, Record, Running
from lilllm.course.server import Server, ServerError, answers, free_port, stop_all, stop_processes
from lilllm.course.workspace import Workspace

pytestmark = pytest.mark.enable_socket  # loopback only


def listening(port: int = 0, host: str = "127.0.0.1") -> socket.socket:
    held = socket.socket()
    held.bind((host, port))
    held.listen()
    return held


# -------------------------------------------------------------------------------------------------------- ports


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_a_busy_port_moves_on(host: str) -> None:
    with listening(host=host) as held:
        busy = held.getsockname()[1]
        assert busy < free_port(busy) < busy + 100
        with pytest.raises(ServerError, match="no free port"):
            free_port(busy, tries=1)


def test_who_speaks_no_http_does_not_answer() -> None:
    """As where another program took the port: it may say anything."""
    with socket.create_server(("127.0.0.1", 0)) as somebody:

        def talk() -> None:
            there, _ = somebody.accept()
            with there:
                there.sendall(there.recv(1000))  # an echo

        thread = threading.Thread(target=talk)
        thread.start()
        assert not answers(f"http://127.0.0.1:{somebody.getsockname()[1]}/")
        thread.join()


def test_a_port_is_busy_where_someone_answers_even_if_the_system_would_share_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with listening() as held:  # as on macOS, where a listener on every address leaves loopback to others
        busy = held.getsockname()[1]
        monkeypatch.setattr("lilllm.course.server.socket.socket", Sharing)
        assert free_port(busy) > busy


class Sharing(socket.socket):
    """A socket of a system that lets two listen on one port."""

    def bind(self, address: object) -> None:
        """Allow it."""


def test_a_free_port_is_taken_as_asked_and_one_promised_to_another_is_not() -> None:
    port = free_port(20000)
    assert free_port(port) == port
    assert free_port(port, taken=[port]) > port


# ------------------------------------------------------------------------------------------------------ children


def server(tmp_path: Path, code: str, name: str = "the toy") -> Server:
    command = [sys.executable, "-c", code]
    log = tmp_path / f"{uuid.uuid4().hex}.log"
    return Server(name, command, port=free_port(21000), health="/", log=log, cwd=tmp_path, env=os.environ)


def wait_for(what: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print("ready", child.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a console event cannot be ignored there")
def test_a_stubborn_server_and_its_child_in_another_session_are_killed(tmp_path: Path) -> None:
    toy = server(tmp_path, STUBBORN)
    toy.start()
    wait_for(lambda: "ready" in toy.last_lines())
    child = int(toy.last_lines().split()[1])
    assert psutil.pid_exists(child)
    stop_all([toy], patience=0.5)
    assert toy.ended() == -signal.SIGKILL
    wait_for(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE)


def test_a_servers_log_is_its_owners_alone_and_its_end_is_shown(tmp_path: Path) -> None:
    toy = server(tmp_path, "for i in range(100): print('line', i)")
    toy.start()
    wait_for(lambda: toy.ended() is not None)
    assert toy.last_lines(2) == "line 98\nline 99"
    if os.name == "posix":
        assert toy.log.stat().st_mode & 0o077 == 0


def test_stopping_what_has_ended_or_never_was_is_no_error(tmp_path: Path) -> None:
    toy = server(tmp_path, "pass")
    stop_all([toy])
    toy.start()
    wait_for(lambda: toy.ended() is not None)
    stop_all([toy])
    stop_processes([2**22 - 3])


def test_health_asks_with_the_token_and_not_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    code = (
        "import http.server as h\n"
        "class H(h.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        "        self.send_response(200 if self.headers['Authorization'] == 'token T' else 403); self.end_headers()\n"
        "s = h.HTTPServer(('127.0.0.1', 0), H); print(s.server_port, flush=True); s.serve_forever()\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        url = f"http://127.0.0.1:{int(process.stdout.readline())}/"
        try:
            assert answers(url, token="T")
            assert not answers(url, token="other")
        finally:
            process.kill()
    assert not answers(url, token="T")


# -------------------------------------------------------------------------------------------------- one at a time


def test_a_working_copy_is_held_by_one_start_at_a_time(tmp_path: Path) -> None:
    record = Record(tmp_path / "running.json")
    assert record.claim() is None
    held = Record(tmp_path / "running.json").claim()
    assert held is not None
    assert held.owner.pid == os.getpid()
    record.release()
    assert Record(tmp_path / "running.json").claim() is None


def test_what_a_killed_start_left_is_stopped_by_the_next(tmp_path: Path) -> None:
    orphan = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        stale = Running(Child(orphan.pid, 0.0), [Child.of(orphan.pid), Child(other.pid, 1.0)])
        record = Record(tmp_path / "running.json")
        record.write(stale)
        assert record.claim() is None
        assert orphan.wait(10) != 0
        assert other.poll() is None  # its id is in the file with another start time: not ours to stop
    finally:
        for process in (orphan, other):
            process.kill()
            process.wait()


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"owner": 1}', b'{"owner": {"pid": "x"}}'])
def test_a_record_that_is_not_one_is_taken_over(tmp_path: Path, data: bytes) -> None:
    record = Record(tmp_path / "running.json")
    record.path.write_bytes(data)
    assert record.claim() is not None  # it may be another start's, made this moment
    os.utime(record.path, (1, 1))
    assert record.claim() is None


# -------------------------------------------------------------------------------------------------------- browser


@pytest.mark.parametrize(
    ("environ", "platform", "can"),
    [
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({}, "linux", False),
        ({}, "darwin", True),
        ({}, "win32", True),
        ({"DISPLAY": ":10", "SSH_CONNECTION": "1 2 3 4"}, "linux", False),
        ({"SSH_TTY": "/dev/pts/0"}, "darwin", False),
    ],
)
def test_where_a_browser_is_opened(environ: dict[str, str], platform: str, can: bool) -> None:
    assert can_show_browser(environ, platform) is can


def test_a_browser_that_holds_its_caller_holds_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda url: (opened.append(url), time.sleep(2)))
    began = time.monotonic()
    open_browser("a", "b")
    assert time.monotonic() - began < 1
    wait_for(lambda: opened == ["a", "b"])


def test_over_ssh_it_says_how_to_reach_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_CONNECTION", "1 2 3 4")
    said: list[str] = []
    show("http://127.0.0.1:8501/", "http://127.0.0.1:8889/lab?token=T", say=said.append)
    assert "ssh -L 8501:127.0.0.1:8501 -L 8889:127.0.0.1:8889 " in said[-1]


# ---------------------------------------------------------------------------------------------------- all of it


class Started:
    """A `lilllm course start` in a process of its own, with what it has said so far."""

    def __init__(self, clone: Path, *options: str) -> None:
        self.said_in = clone.parent / f"{uuid.uuid4().hex}.txt"
        environ = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
        with self.said_in.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "lilllm", "course", "start", *options],
                cwd=clone,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def said(self) -> str:
        return self.said_in.read_text(encoding="utf-8")

    def wait_until_up(self) -> dict[str, str]:
        wait_for(lambda: "Ctrl-C stops" in self.said() or self.process.poll() is not None, 120)
        assert self.process.poll() is None, self.said()
        lines = [line.split() for line in self.said().splitlines() if line.startswith("  ")]
        return {words[0]: words[1] for words in lines}

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)


@pytest.fixture
def start(clone: Path) -> Iterator[Callable[..., Started]]:
    """Start the course of the toy clone, from free ports on; whatever is left is killed in the end."""
    made: list[Started] = []

    def begin(*options: str) -> Started:
        ports = ["--port-lab", str(free_port(22000)), "--port-viewer", str(free_port(23000))]
        made.append(Started(clone, *(options or ports)))
        return made[-1]

    yield begin
    for started in made:
        with contextlib.suppress(psutil.NoSuchProcess):
            for process in [*started.family(), started.process]:
                process.kill()
        started.process.wait()


def fetch(url: str) -> str:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=20) as response:
        return str(response.read().decode("utf-8"))


def bound_to(processes: list[psutil.Process]) -> set[str]:
    return {c.laddr.ip for p in processes for c in p.net_connections("inet") if c.status == psutil.CONN_LISTEN}


def run_in_kernel(lab: str, code: str) -> str:
    """What ``code`` prints in a new kernel of the lab, asked for as the browser does."""
    from tornado.httpclient import AsyncHTTPClient, HTTPRequest
    from tornado.ioloop import IOLoop
    from tornado.websocket import websocket_connect

    address, token = lab.split("/lab")[0], lab.partition("token=")[2]
    headers = {"Authorization": f"token {token}"}
    header = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "username": "", "session": uuid.uuid4().hex}
    content = {"code": code, "silent": False, "store_history": False, "user_expressions": {}, "allow_stdin": False}
    message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}

    async def ask() -> str:
        new = HTTPRequest(f"{address}/api/kernels", method="POST", headers=headers, body="{}")
        kernel = json.loads((await AsyncHTTPClient().fetch(new)).body)["id"]
        url = f"{address.replace('http', 'ws', 1)}/api/kernels/{kernel}/channels"
        channel = await websocket_connect(HTTPRequest(url, headers=headers))
        await channel.write_message(json.dumps(message))
        while True:
            answer = json.loads(await channel.read_message() or "{}")
            if answer.get("msg_type") == "stream" and answer["parent_header"]["msg_id"] == header["msg_id"]:
                return str(answer["content"]["text"]).strip()

    loop = IOLoop(make_current=False)
    try:
        return str(loop.run_sync(ask, timeout=60))
    finally:
        loop.close()


@pytest.mark.slow
def test_start_serves_both_on_loopback_with_this_python_and_ctrl_c_stops_everything(
    start: Callable[..., Started], clone: Path
) -> None:
    first = start()
    up = first.wait_until_up()
    lab = fetch(up["Notebooks"])
    assert "JupyterLab" in lab
    assert "apputils-extension:announcements" in lab.partition("disabledExtensions")[2]  # it asks nothing about news
    assert "01_one.ipynb" in up["Notebooks"]
    assert "Streamlit" in fetch(up["Viewer"])
    with pytest.raises(urllib.error.HTTPError, match="403"):
        fetch(up["Notebooks"].split("/lab")[0] + "/api/contents")  # the token is wanted
    assert run_in_kernel(up["Notebooks"], "import sys; print(sys.executable)") == sys.executable
    family = first.family()
    assert len(family) >= 3  # the two servers and the kernel
    assert bound_to(family) == {"127.0.0.1"}
    assert not any(up["Notebooks"].partition("token=")[2] in " ".join(p.cmdline()) for p in family)

    again = start()
    assert again.process.wait(30) == 0
    assert "already open" in again.said()
    assert up["Notebooks"] in again.said()

    first.process.send_signal(signal.SIGINT)
    assert first.process.wait(30) == 0
    _, alive = psutil.wait_procs(family, timeout=5)
    assert not alive
    assert "Traceback" not in first.said()
    assert first.said().rstrip().endswith(f"Your work is in {clone.resolve() / 'my-course'}")
    assert not (clone / "my-course" / ".lilllm" / "running.json").exists()


@pytest.mark.slow
def test_busy_ports_move_on_and_say_so_and_sigterm_stops(start: Callable[..., Started], clone: Path) -> None:
    (clone / "viewer" / "streamlit_app.py").write_text("raise SystemExit\n")  # a page's error is not the server's
    with listening() as lab, listening() as viewer:
        ports = [str(held.getsockname()[1]) for held in (lab, viewer)]
        first = start("--port-lab", ports[0], "--port-viewer", ports[1])
        up = first.wait_until_up()
        for port in ports:
            assert f"Port {port} is busy" in first.said()
            assert not any(f":{port}/" in url for url in up.values())
        family = first.family()
        first.process.send_signal(signal.SIGTERM)
        assert first.process.wait(30) == 0
        assert not psutil.wait_procs(family, timeout=5)[1]


@pytest.mark.slow
def test_when_one_dies_it_is_named_with_its_last_lines_and_the_other_is_stopped(start: Callable[..., Started]) -> None:
    first = start()
    first.wait_until_up()
    family = first.family()
    viewer = next(process for process in family if "streamlit" in process.cmdline())
    viewer.kill()
    assert first.process.wait(30) == 1
    assert "lilllm: the viewer ended by itself" in first.said()
    assert "Uvicorn" in first.said() or "URL:" in first.said()
    assert not psutil.wait_procs(family, timeout=5)[1]


@pytest.mark.slow
def test_a_learners_file_named_like_a_module_harms_neither_server(start: Callable[..., Started], clone: Path) -> None:
    (clone / "my-course").mkdir()
    (clone / "my-course" / "01_one.ipynb").write_text("{")  # broken, and no reason not to start
    for folder in (clone, clone / "my-course"):
        (folder / "json.py").write_text("raise RuntimeError('not the json you want')\n")
    first = start()
    first.wait_until_up()
    assert "01_one  01_one.ipynb is not a whole Jupyter notebook" in first.said()


def test_a_server_that_does_not_come_up_is_named_and_the_other_stopped(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleeper = server(tmp_path, "import time; time.sleep(600)")
    failing = server(tmp_path, "raise ImportError('no such thing')", name="the viewer")
    monkeypatch.setattr(serve, "lab_server", lambda *_: sleeper)
    monkeypatch.setattr(serve, "viewer_server", lambda *_: failing)
    workspace = Workspace(clone, clone / "my-course")
    workspace.deliver()
    with pytest.raises(ServerError, match=r"the viewer ended by itself \(exit code 1\)[^$]*no such thing"):
        serve.start(workspace, browser=False, say=lambda _: None)
    assert sleeper.ended() is not None
    assert not (workspace.state / "running.json").exists()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_lost_terminal_does_not_keep_the_servers_alive(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = [server(tmp_path, "import time; time.sleep(600)") for _ in range(2)]
    monkeypatch.setattr(serve, "lab_server", lambda *_: both[0])
    monkeypatch.setattr(serve, "viewer_server", lambda *_: both[1])
    workspace = Workspace(clone, clone / "my-course")
    workspace.deliver()

    def say(text: str) -> None:
        if "Starting" in text:
            return
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Server, "healthy", lambda _: True)
    with pytest.raises(OSError, match="Input/output"):
        serve.start(workspace, browser=False, say=say)
    assert all(toy.ended() is not None for toy in both)
