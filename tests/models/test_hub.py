"""Checkpoints by name: which files are asked for, of which commit, and what is said when there are none.

A small server on this machine stands for the hub: what it was asked for is the test. huggingface_hub itself does the
fetching, in a process of its own, since it reads its settings when it is imported.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from lilllm.models import hub
from lilllm.models.config import ModelConfig
from lilllm.models.decoder import Decoder
from lilllm.models.export_hf import export
from lilllm.models.pretrained import from_pretrained

pytestmark = pytest.mark.bad_input
FIRST, SECOND = "1" * 40, "2" * 40  # two commits; main is the second


class _Hub(ThreadingHTTPServer):
    """Repositories of this folder: files/COMMIT/FILE of the model me/tiny, and others that are not to be had."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.folder, self.asked = folder, list[str]()


class _Answer(BaseHTTPRequestHandler):
    server: _Hub

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def _answer(self, *, body: bool) -> None:
        name, _, place = self.path.strip("/").partition("/resolve/")
        revision, _, file = place.partition("/")
        commit = {"main": SECOND, "v1": FIRST}.get(revision, revision)
        self.server.asked.append(f"{name} {revision} {file}")
        path = self.server.folder / commit / file
        if name == "me/gated":
            self._refuse(403, "GatedRepo")
        elif name == "me/down":
            self._refuse(500, "")
        elif name != "me/tiny":
            self._refuse(404, "RepoNotFound")
        elif not (self.server.folder / commit).is_dir():
            self._refuse(404, "RevisionNotFound")
        elif not path.is_file():
            self._refuse(404, "EntryNotFound", commit)
        else:
            data = path.read_bytes()
            self.send_response(200)
            self.send_header("X-Repo-Commit", commit)
            self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if body:
                self.wfile.write(data)

    def _refuse(self, status: int, code: str, commit: str = "") -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        if commit:
            self.send_header("X-Repo-Commit", commit)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


def _model(seed: int) -> Decoder:
    import torch

    config = ModelConfig(vocab_size=20, n_layers=1, d_model=8, n_heads=2, context_len=8)
    return Decoder(config, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Hub]:
    """v1 is in one file, main in shards; beside them lie what must never be fetched."""
    folder = tmp_path_factory.mktemp("hub")
    export(_model(1), folder / FIRST)
    export(_model(2), folder / SECOND, shard_size=500)
    for commit in (FIRST, SECOND):
        for extra in ("pytorch_model.bin", "consolidated.safetensors", "modeling.py", "tokenizer.json", "README.md"):
            (folder / commit / extra).write_bytes(b"not to be fetched")
    (folder / ("3" * 40)).mkdir()
    (folder / ("3" * 40) / "config.json").write_text("{}")
    (folder / ("3" * 40) / "pytorch_model.bin").write_bytes(b"")
    export(_model(1), folder / ("4" * 40), shard_size=500)
    index = folder / ("4" * 40) / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "../../../../secret.safetensors"}}))
    server = _Hub(folder)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


_RUN = """
import json, sys, time
time.sleep = lambda seconds: None  # huggingface_hub tries again after a while, and again
from lilllm.models.pretrained import from_pretrained
import lilllm.models.hub
for name, revision in json.loads(sys.argv[1]):
    try:
        model = from_pretrained(name, revision=revision, progress=len(sys.argv) > 2)
        print(json.dumps(["read", model.embed.weight.flatten()[:3].tolist()]))
    except Exception as error:
        print(json.dumps([type(error).__name__, str(error)]))
assert "transformers" not in sys.modules
"""


def _run(
    wanted: list[tuple[str, str | None]], address: str, home: Path, *, bars: bool = False, **more: str
) -> tuple[list[list[Any]], str]:
    """What comes of each name and revision, and what was written to stderr, by a process with a cache of its own."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    env |= {"HF_ENDPOINT": address, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    out = subprocess.run(
        [sys.executable, "-c", _RUN, json.dumps(wanted), *(["bars"] if bars else [])],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        env=env | more,
        timeout=120,
    )
    assert out.returncode == 0, out.stderr
    return [json.loads(line) for line in out.stdout.splitlines()], out.stderr


def _start_of(seed: int) -> list[float]:
    return _model(seed).embed.weight.flatten()[:3].tolist()


def test_by_name(server: _Hub, tmp_path: Path) -> None:
    address = f"http://127.0.0.1:{server.server_port}"
    server.asked.clear()
    wanted = [("me/tiny", "v1"), ("me/tiny", None), ("me/tiny", FIRST)]
    found, err = _run(wanted, address, tmp_path / "one")
    assert found == [["read", _start_of(1)], ["read", _start_of(2)], ["read", _start_of(1)]]
    assert "%|" not in err
    files = {asked.split()[2] for asked in server.asked}
    shards = {path.name for path in (server.folder / SECOND).glob("model-*.safetensors")}
    assert len(shards) > 1
    assert files == {"config.json", "model.safetensors", "model.safetensors.index.json", *shards}
    at = {asked.split()[1] for asked in server.asked if not asked.endswith("config.json")}
    assert at == {FIRST, SECOND}  # all files of one commit, even if main moves in between
    # The second time nothing need be fetched, and offline it works; what the cache lacks is told.
    wanted = [("me/tiny", "v1"), ("me/tiny", None), ("me/tiny", "3" * 40)]
    server.asked.clear()
    found, _ = _run(wanted, address, tmp_path / "one", HF_HUB_OFFLINE="1")
    assert found[:2] == [["read", _start_of(1)], ["read", _start_of(2)]]
    assert found[2][0] == "ConnectionError"
    assert "not whole in the hub's cache" in found[2][1]
    assert not server.asked


def test_what_is_not_to_be_had(server: _Hub, tmp_path: Path) -> None:
    wanted = [
        ("me/none", None),
        ("me/gated", None),
        ("me/down", None),
        ("me/tiny", "v9"),
        ("me/tiny", "3" * 40),
        ("me/tiny", "4" * 40),
    ]
    (tmp_path / "secret.safetensors").write_bytes(b"")
    found, err = _run(wanted, f"http://127.0.0.1:{server.server_port}", tmp_path / "home", bars=True)
    kinds = [kind for kind, _ in found]
    assert kinds == ["ValueError", "ValueError", "ConnectionError", "ValueError", "ValueError", "ValueError"]
    said = [text for _, text in found]
    assert "no folder 'me/none' here, and the hub has no model of that name that you may read" in said[0]
    assert "accepted its terms" in said[1]
    assert "me/down" in said[2]
    assert "no revision 'v9'" in said[3]
    assert "no weights as safetensors" in said[4]
    assert "a shard is a plain name" in said[5]
    assert "config.json" in err  # the bars of what was fetched


def test_nobody_there(tmp_path: Path) -> None:
    found, _ = _run([("me/tiny", None)], "http://127.0.0.1:9", tmp_path)
    assert found[0][0] == "ConnectionError"
    assert "the hub cannot be reached" in found[0][1]
    assert "give the path of a folder" in found[0][1]


def test_without_huggingface_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'lilllm\[hub\]'"):
        from_pretrained("me/tiny")


@pytest.mark.parametrize(
    "name",
    [
        "a/b/c",
        "a--b/c",
        "a/../b",
        "a/..",
        "models/..secret",
        "me/tiny.git",
        "me/tiny\n",
        "me\\tiny",
        "me/",
        "https://huggingface.co/me/tiny",
        "me/tiny@main",
        "-me/tiny",
        "me/tiny-",
        "me tiny",
        "me/" + "a" * 97,
        "mé/tiny",
    ],
)
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(ValueError, match="neither a folder here nor a name on the hub"):
        from_pretrained(name)


@pytest.mark.parametrize("revision", ["", "..", "a/../b", "/main", "a//b", "a b", "main\n", "-x", "a" * 300])
def test_revisions_that_are_none(revision: str) -> None:
    with pytest.raises(ValueError, match="give a branch, a tag or a commit"):
        from_pretrained("me/tiny", revision=revision)


def test_names_and_revisions_that_are() -> None:
    for name in ("gpt2", "openai-community/gpt2", "Qwen/Qwen3-0.6B", "a/b_c.d", "0x/1", "x"):
        hub.check_name(name)
    for revision in (None, "main", "refs/pr/1", "v1.0", FIRST, "feature/x_y"):
        hub.check_revision(revision)
