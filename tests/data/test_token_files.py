"""Token files: what is read is what was written, across shards, and damage is named."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lilllm.data import TokenArray, TokenFiles, Tokens, document_ids, write_tokens
from lilllm.data.token_encoding import tokenizer_digest
from lilllm.data.token_index import id_dtype
from lilllm.tokenizers import BPETokenizer
from tests.data.corpora import END, EOS, Given, contents, expected, texts, tokenizer

DOCUMENTS = texts()
SHARD = 1000


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> TokenFiles:
    folder = tmp_path_factory.mktemp("tokens") / "new" / "folder"
    return write_tokens(DOCUMENTS, tokenizer(), folder, eos=EOS, shard_tokens=SHARD, progress=False)


def test_all_is_there(files: TokenFiles) -> None:
    ids = expected(DOCUMENTS)
    assert files.read(0, len(files)).tolist() == ids
    assert len(files) == len(ids) > 5 * SHARD
    assert (files.vocab_size, files.eos, files.dtype) == (257, EOS, np.uint16)
    assert files.n_documents == len(DOCUMENTS)
    assert files.n_bytes == sum(len(text.encode()) for text in DOCUMENTS)
    assert isinstance(files, Tokens)
    assert TokenFiles(files.folder).digest == files.digest
    files.verify()


def test_the_text_of_the_eos_token_is_text(files: TokenFiles) -> None:
    assert sum(text.endswith(END) for text in DOCUMENTS) > 5
    ids = files.read(0, len(files))
    assert (ids == EOS).sum() == len(DOCUMENTS)
    ends = np.flatnonzero(ids == EOS)
    starts = np.concatenate([[0], ends[:-1] + 1])
    found = [tokenizer().decode(ids[a:b].tolist()) for a, b in zip(starts, ends, strict=True)]
    assert found == DOCUMENTS
    assert document_ids(torch.from_numpy(ids.astype(np.int64))[None], EOS).max() == len(DOCUMENTS) - 1


@given(st.data())
def test_any_part(files: TokenFiles, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(files)))
    stop = data.draw(st.integers(start, len(files)))
    found = files.read(start, stop)
    assert found.tolist() == expected(DOCUMENTS)[start:stop]
    assert found.dtype == np.uint16
    found[:] = 0  # an array of its own: no file changes, and no later reader
    assert files.read(start, stop).tolist() == expected(DOCUMENTS)[start:stop]


@pytest.mark.parametrize(("start", "stop"), [(-1, 3), (5, 4), (0, 10**9)])
def test_parts_that_are_not_there(files: TokenFiles, start: int, stop: int) -> None:
    with pytest.raises(IndexError, match=f"tokens {start} to {stop} of a corpus that has"):
        files.read(start, stop)


@pytest.mark.parametrize(("start", "stop"), [(0.0, 3.0), (0, 3.0), ("0", 3), (None, 3)])
def test_bad_input_parts_that_are_no_whole_numbers(files: TokenFiles, start: int, stop: int) -> None:
    for corpus in (files, TokenArray([1, 2, 3], vocab_size=4, eos=None)):
        with pytest.raises(ValueError, match=f"tokens {start!r} to {stop!r} of a corpus; give whole numbers"):
            corpus.read(start, stop)


@pytest.mark.parametrize("n_bytes", [-5, 1.5, "5"])
def test_bad_input_bytes_that_are_no_count(n_bytes: int) -> None:
    with pytest.raises(ValueError, match=f"n_bytes is {n_bytes!r}; give how many bytes"):
        TokenArray([1], vocab_size=4, eos=None, n_bytes=n_bytes)


def test_another_process_opens_them_itself(files: TokenFiles) -> None:
    files.read(0, 5)
    again = pickle.loads(pickle.dumps(files))
    assert (again.digest, again.read(990, 1010).tolist()) == (files.digest, expected(DOCUMENTS)[990:1010])


def test_raw_little_endian_ids(files: TokenFiles) -> None:
    found = contents(files.folder)
    raw = b"".join(data for name, data in found.items() if name != "index.json")
    assert np.frombuffer(raw, "<u2").tolist() == expected(DOCUMENTS)
    assert [len(data) for name, data in found.items() if name != "index.json"][:-1] == [2 * SHARD] * (len(found) - 2)


def test_the_same_in_memory(files: TokenFiles) -> None:
    array = TokenFiles.from_tokens(expected(DOCUMENTS), 257, EOS, files.n_bytes)
    assert isinstance(array, TokenArray)
    assert isinstance(array, Tokens)
    assert (len(array), array.n_documents, array.n_bytes) == (len(files), files.n_documents, files.n_bytes)
    assert (array.read(3, 9) == files.read(3, 9)).all()
    assert array.digest != TokenArray(expected(DOCUMENTS)[:-1], vocab_size=257, eos=EOS).digest
    assert array.digest != TokenArray(expected(DOCUMENTS)[::-1], vocab_size=257, eos=EOS).digest
    assert array.digest != TokenArray(expected(DOCUMENTS), vocab_size=257, eos=None).digest


def test_as_many_tokens_that_are_others_have_another_name(tmp_path: Path) -> None:
    digests = {
        write_tokens([text], tokenizer(), tmp_path / text, eos=EOS, progress=False).digest for text in ("abc", "abd")
    }
    assert len(digests) == 2


def test_tokenizers_that_differ_in_one_thing_have_other_names() -> None:
    merges = [(b"e", b" "), (b"z", b"z")]
    different = [
        BPETokenizer(merges, pattern=None),
        BPETokenizer(merges),  # another split
        BPETokenizer([(b"e", b" ")], pattern=None, special_tokens=["zz"]),  # the same bytes, but a special token
        BPETokenizer(merges[::-1], pattern=None),  # the same tokens in another order
    ]
    assert len({tokenizer_digest(each) for each in different}) == len(different)
    assert tokenizer_digest(BPETokenizer(merges, pattern=None)) == tokenizer_digest(different[0])


@pytest.mark.parametrize(("vocab_size", "dtype"), [(65_536, np.uint16), (65_537, np.uint32)])
def test_two_bytes_up_to_65536_ids(vocab_size: int, dtype: Any, tmp_path: Path) -> None:
    largest = vocab_size - 1
    for shard in (1, 2, 100):
        folder = tmp_path / str(shard)
        found = write_tokens(
            [f"0 {largest}", "5"], Given(vocab_size), folder, eos=7, shard_tokens=shard, progress=False
        )
        assert found.dtype == dtype == id_dtype(vocab_size)
        assert found.read(0, 5).tolist() == [0, largest, 7, 5, 7]
        found.verify()


def damaged(files: TokenFiles, folder: Path) -> Path:
    folder.mkdir()
    for name, data in contents(files.folder).items():
        (folder / name).write_bytes(data)
    return folder


def test_a_byte_that_changed_is_found_by_verify(files: TokenFiles, tmp_path: Path) -> None:
    folder = damaged(files, tmp_path / "copy")
    path = folder / "shard-00002.bin"
    data = bytearray(path.read_bytes())
    data[77] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"shard-00002\.bin is damaged: its checksum .* copy the shard again"):
        TokenFiles(folder).verify()


def test_a_shard_that_is_cut_or_missing(files: TokenFiles, tmp_path: Path) -> None:
    folder = damaged(files, tmp_path / "copy")
    path = folder / "shard-00001.bin"
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(ValueError, match=r"shard-00001\.bin has 1,998 bytes, but 2,000 were written"):
        TokenFiles(folder)
    path.write_bytes(path.read_bytes() + bytes(4))
    with pytest.raises(ValueError, match=r"shard-00001\.bin has 2,002 bytes, but 2,000 were written"):
        TokenFiles(folder)
    path.unlink()
    with pytest.raises(ValueError, match=r"shard-00001\.bin is missing; copy it again"):
        TokenFiles(folder)


def change(**values: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda index: index | values


def change_header(**values: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda index: index | {"header": index["header"] | values}


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (change(tokens=12), "contradict each other"),
        (change(tokens=-1), "contradict each other"),
        (change(shards=[]), "contradict each other"),
        (change(digest="0" * 64), "contradict each other"),
        (change(tokens="many"), "Expected `int`"),
        (change_header(eos=999), "eos is 999"),
        (change_header(dtype="object"), "dtype 'object' does not fit vocab_size 257"),
        (change_header(dtype="<u4"), "does not fit"),
        (change_header(vocab_size=0), "vocab_size is 0"),
        (change_header(shard_tokens=0), "shard_tokens is 0"),
        (change_header(format="lilllm tokens 9"), "no index of token files that this version reads"),
        (lambda index: {"weight_map": {}}, "no index of token files that this version reads"),
        (lambda index: [], "no index of token files that this version reads"),
    ],
)
def test_an_index_that_says_something_else(
    how: Callable[[dict[str, Any]], Any], said: str, files: TokenFiles, tmp_path: Path
) -> None:
    folder = damaged(files, tmp_path / "copy")
    path = folder / "index.json"
    path.write_text(json.dumps(how(json.loads(path.read_text("utf-8")))), "utf-8")
    with pytest.raises(ValueError, match=f"index.json is .*{said}"):
        TokenFiles(folder)


def test_an_index_that_is_cut(files: TokenFiles, tmp_path: Path) -> None:
    folder = damaged(files, tmp_path / "copy")
    whole = (folder / "index.json").read_bytes()
    for length in (0, 1, len(whole) // 2, len(whole) - 3):
        (folder / "index.json").write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"index\.json is damaged .* delete the folder and write the tokens again"):
            TokenFiles(folder)


def test_folders_of_others(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*none; write_tokens makes one"):
        TokenFiles(tmp_path / "none")
    (tmp_path / "notes.txt").write_text("mine", "utf-8")
    with pytest.raises(ValueError, match=r"holds no token files \(there is no index\.json\)"):
        TokenFiles(tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the memory of a process from /proc")
def test_memory_stays_small_for_a_large_corpus(tmp_path: Path) -> None:
    """80 MB of text become 160 MB of ids, which are read twice, in order and anywhere."""
    program = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
import random
import re
from pathlib import Path
from lilllm.data import TokenFiles, documents, write_tokens
from tests.data.corpora import Fast

def memory(what):
    return int(re.search(what + r":\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024

path = Path({str(tmp_path)!r}) / "a.jsonl"
with path.open("w") as file:
    for _ in range(10_000):
        file.write('{{"text": "' + "abcdefg " * 1024 + '"}}\\n')
write_tokens(["warm", "up"], Fast(), path.with_name("small"), eos=256, progress=False)
before = memory("VmRSS")
files = write_tokens(documents(path), Fast(), path.with_name("large"), eos=256, workers=1, progress=False)
written = memory("VmHWM") - before
assert len(files) == (10_000) * 8193
Path("/proc/self/clear_refs").write_text("5")  # the high-water mark begins again
before = memory("VmRSS")
for start in range(0, len(files) - 4096, 4096):
    files.read(start, start + 4097)
chance = random.Random(0)
for _ in range(20_000):
    start = chance.randrange(len(files) - 4097)
    files.read(start, start + 4097)
print(written, memory("VmHWM") - before)
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    written, read = map(float, run.stdout.split())
    print(f"writing took {written:.0f} MB, reading {read:.0f} MB")
    assert written < 64  # some chunks of a megabyte, each with its texts, lists of ids and array
    assert read < 96  # handed back after 64 MB by our count; how much the system maps is its own affair
