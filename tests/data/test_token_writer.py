"""Writing token files: cut off anywhere and begun again, by one process or several, the bytes are the same."""

from __future__ import annotations

import multiprocessing
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lilllm.data import TokenFiles, documents, token_encoding, token_pool, token_shards, write_tokens
from lilllm.tokenizers import BPETokenizer
from tests.data.corpora import END, EOS, contents, texts, tokenizer

DOCUMENTS = texts()
SHARD = 1000

if sys.platform == "win32":
    pytest.skip("processes are forked and killed here", allow_module_level=True)


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the system was given it keeps when a process is killed; fsync is for machines that lose their power."""
    monkeypatch.setattr(os, "fsync", lambda file: None)


def write(folder: Path, given: Any = DOCUMENTS, **options: Any) -> TokenFiles:
    wanted = {"eos": EOS, "shard_tokens": SHARD, "workers": 1, "progress": False} | options
    return write_tokens(given, tokenizer(), folder, **wanted)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("whole")
    write(folder)
    return contents(folder)


def run_until_killed(work: Callable[[], None], after: float | None = None) -> int:
    """Exit code of a forked process that does ``work`` and may kill itself, or is killed ``after`` seconds."""
    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join(after)
    process.kill()
    process.join()
    assert process.exitcode is not None
    return process.exitcode


class KilledAt:
    """Kills this process with SIGKILL at the n-th time that it touches the disk; a write gets through by half."""

    def __init__(self, n: int) -> None:
        self.left = n
        for owner, name in (
            (os, "fsync"),
            (os, "truncate"),
            (Path, "replace"),
            (Path, "unlink"),
            (Path, "mkdir"),
            (Path, "open"),
            (token_shards, "_write"),
        ):
            setattr(owner, name, self._counted(getattr(owner, name), half=name == "_write"))

    def _counted(self, call: Callable[..., Any], *, half: bool) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            self.left -= 1
            if not self.left:
                if half:
                    call(arguments[0], arguments[1][: len(arguments[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **options)

        return counted


def test_killed_at_every_touch_of_the_disk(
    whole: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_shards, "MARK_TOKENS", 700)
    monkeypatch.setattr(token_encoding, "CHUNK_CHARACTERS", 300)
    for n in range(1, 1000):
        folder = tmp_path / str(n)

        def work(n: int = n, folder: Path = folder) -> None:
            KilledAt(n)
            write(folder)

        if run_until_killed(work) == 0:
            break
        if folder.exists() and not (folder / "index.json").exists():
            with pytest.raises(
                ValueError, match=r"not finished \([\d,]+ tokens are safe\): writing was cut|no token fil"
            ):
                TokenFiles(folder)
        write(folder)
        assert contents(folder) == whole, n
    assert n > 40  # so many moments there were
    assert contents(folder) == whole


@pytest.mark.parametrize("seed", range(2))
def test_killed_again_and_again_at_random_moments(
    seed: int, whole: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_shards, "MARK_TOKENS", 100)
    monkeypatch.setattr(token_encoding, "CHUNK_CHARACTERS", 100)
    chance = random.Random(seed)

    def slowly(skip: int) -> Iterator[str]:
        for text in DOCUMENTS[skip:]:
            time.sleep(0.0005)
            yield text

    kills = 0
    while run_until_killed(lambda: write(tmp_path, slowly) and None, after=chance.uniform(0.005, 0.06)) != 0:
        kills += 1
        assert kills < 2000
    assert kills >= 3
    assert contents(tmp_path) == whole


def test_a_restart_does_not_begin_again(
    whole: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_shards, "MARK_TOKENS", 200)
    monkeypatch.setattr(token_encoding, "CHUNK_CHARACTERS", 200)

    def breaks(skip: int) -> Iterator[str]:
        yield from DOCUMENTS[skip:150]
        raise OSError("the network is gone")

    with pytest.raises(OSError, match="the network is gone"):
        write(tmp_path, breaks)
    assert "shard-00002.bin" in contents(tmp_path)
    asked = []

    def rest(skip: int) -> list[str]:
        asked.append(skip)
        return DOCUMENTS[skip:]

    write(tmp_path, rest)
    assert contents(tmp_path) == whole
    assert len(asked) == 1
    assert 140 < asked[0] < 150


def test_files_do_not_depend_on_chunks_or_form(
    whole: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {
        "iterator": iter(DOCUMENTS),
        "generator": (text for text in DOCUMENTS),
        "function": lambda skip: DOCUMENTS[skip:],
    }
    for size, (name, form) in zip((1, 50, 5000), given.items(), strict=True):
        monkeypatch.setattr(token_encoding, "CHUNK_CHARACTERS", size)
        write(tmp_path / name, form)
        assert contents(tmp_path / name) == whole
    monkeypatch.setattr(token_encoding, "CHUNK_DOCUMENTS", 3)
    write(tmp_path / "three")
    assert contents(tmp_path / "three") == whole


@pytest.fixture(scope="module")
def trained() -> BPETokenizer:
    return BPETokenizer.train(documents("liltown", count=300), vocab_size=400, special_tokens=[END])


def test_processes_write_the_same_bytes(trained: BPETokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_encoding, "CHUNK_CHARACTERS", 5000)
    monkeypatch.setattr(token_pool, "FEW", 2)
    for name, n in (("one", 1), ("several", 3)):
        write_tokens(
            documents("liltown", count=1500),
            trained,
            tmp_path / name,
            eos=trained.special_tokens[END],
            workers=n,
            progress=False,
            shard_tokens=50_000,
        )
    assert contents(tmp_path / "one") == contents(tmp_path / "several")
    files = TokenFiles(tmp_path / "several")
    files.verify()
    assert trained.decode(files.read(0, len(files)).tolist()).split(END)[:-1] == list(documents("liltown", count=1500))


PROGRAM = """
import sys
from pathlib import Path
from lilllm.data import token_encoding, token_pool, token_shards, write_tokens
from tests.data.corpora import EOS, texts, tokenizer

if __name__ == "__main__":
    token_encoding.CHUNK_CHARACTERS, token_pool.FEW, token_shards.MARK_TOKENS = 300, 1, 300
    def slowly(skip):
        import time
        for number, text in enumerate(texts()[skip:]):
            time.sleep(0.002)
            if number == 60:
                print("now", flush=True)
                time.sleep(60)
            yield text
    write_tokens(slowly, tokenizer(), sys.argv[1], eos=EOS, shard_tokens=1000, workers=2, progress=False)
"""


def test_killed_with_its_processes(whole: dict[str, bytes], tmp_path: Path) -> None:
    """kill -9 of the first process: the others end by themselves, and another call goes on."""
    script = tmp_path / "script.py"
    script.write_text(PROGRAM, "utf-8")
    root = Path(__file__).parents[2]
    folder = tmp_path / "tokens"
    environment = os.environ | {"PYTHONPATH": str(root)}
    with subprocess.Popen(
        [sys.executable, str(script), str(folder)], stdout=subprocess.PIPE, env=environment, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "now\n"
        children = _children(process.pid)
        with pytest.raises(ValueError, match="another process is writing the token files"):
            write(folder)
        with pytest.raises(ValueError, match=r"not finished \(.* tokens are safe\): a process is still writing them"):
            TokenFiles(folder)
        process.kill()
    assert children or sys.platform != "linux"
    for _ in range(200):
        if not any(Path(f"/proc/{child}").exists() for child in children):
            break
        time.sleep(0.05)
    else:
        pytest.fail("processes are left")
    write(folder)
    assert contents(folder) == whole


def _children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in found.read_text("utf-8").split()] if found.exists() else []


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the name of an open file")
def test_no_mark_before_the_disk_has_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For machines that lose their power: ids first, then the line that says that they are safe."""
    monkeypatch.setattr(token_shards, "MARK_TOKENS", 300)
    monkeypatch.setattr(token_encoding, "CHUNK_CHARACTERS", 200)
    waiting: set[str] = set()
    synced_once: set[str] = set()
    marks = 0
    write_bytes, rename = token_shards._write, Path.replace

    def written(file: Any, data: memoryview) -> None:
        nonlocal marks
        if file.name.endswith("journal.jsonl"):
            marks += 1
            assert not waiting
        waiting.add(Path(file.name).name)
        write_bytes(file, data)

    def synced(number: int) -> None:
        name = Path(f"/proc/self/fd/{number}").readlink().name
        waiting.discard(name)
        synced_once.add(name)

    def renamed(path: Path, target: Path) -> Path:
        assert path.name in synced_once
        assert not waiting  # the journal least of all: it tells a restart what the names mean
        return rename(path, target)

    monkeypatch.setattr(Path, "replace", renamed)
    monkeypatch.setattr(token_shards, "_write", written)
    monkeypatch.setattr(os, "fsync", synced)
    write(tmp_path)
    assert marks > 10


def test_a_full_disk_loses_nothing(whole: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit on the size of files refuses a write as a full disk does: some of it gets through, then an error."""
    monkeypatch.setattr(token_shards, "MARK_TOKENS", 100)
    monkeypatch.setattr(token_encoding, "CHUNK_CHARACTERS", 100)
    for limit in (0, 100, 700, 1501, 1999):
        folder = tmp_path / str(limit)

        def work(limit: int = limit, folder: Path = folder) -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            try:
                write(folder)
            except OSError as error:
                said = str(error)
                assert "there is no room for the tokens (File too large)" in said
                assert "are safe: make room and write again as before" in said
                assert str(folder) in said
                os._exit(7)

        assert run_until_killed(work) == 7
        write(folder)
        assert contents(folder) == whole


def test_no_room_for_the_index(whole: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(token_shards, "write_index", _no_room)
        with pytest.raises(OSError, match=r"200 documents \([\d,]+ tokens\) are safe"):
            write(tmp_path)
    write(tmp_path)
    assert contents(tmp_path) == whole


def test_what_is_said_to_be_safe_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line that would have said so did not reach the disk."""
    monkeypatch.setattr(token_shards, "MARK_TOKENS", 1)
    writing = token_shards.ShardWriter._write_line
    monkeypatch.setattr(
        token_shards.ShardWriter,
        "_write_line",
        lambda self, line: writing(self, line) if b"shard_tokens" in line else _no_room(),
    )
    with pytest.raises(OSError, match=r"0 documents \(0 tokens\) are safe"):
        write(tmp_path)


def _no_room(*_: Any) -> None:
    raise OSError(28, "No space left on device")


def test_more_documents_after_all_were_written(
    whole: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the last mark and the index: the short last shard is taken up again."""
    with monkeypatch.context() as patch:
        patch.setattr(token_shards, "write_index", _no_room)
        for n in (50, 120):
            with pytest.raises(OSError, match="safe"):
                write(tmp_path, DOCUMENTS[:n])
    write(tmp_path)
    assert contents(tmp_path) == whole


def test_finished_files_are_opened_and_not_written_again(tmp_path: Path) -> None:
    first = write(tmp_path, documents("liltown", count=30))
    before = (tmp_path / "shard-00000.bin").stat().st_mtime_ns
    (tmp_path / "journal.jsonl").write_bytes(b"")  # as if killed after the index
    assert write(tmp_path, documents("liltown", count=30)).digest == first.digest
    assert (tmp_path / "shard-00000.bin").stat().st_mtime_ns == before
    assert not (tmp_path / "journal.jsonl").exists()
    assert first.about == {"source": "liltown", "skip": 0, "count": 30}


def test_the_bar_shows_how_far_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.txt").write_text("some text", "utf-8")
    write(tmp_path / "tokens", documents(tmp_path / "a.txt"), progress=True)
    assert "100%" in capsys.readouterr().err
    write(tmp_path / "more", ["x" * 2_500_000], progress=True, shard_tokens=1 << 20)
    assert "2 MB of text, 2.5 M tokens" in capsys.readouterr().err
