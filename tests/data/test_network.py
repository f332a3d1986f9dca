"""Network sets: what is asked of `datasets`, what stays on the disk, what is said without a network.

The hub is not reached: `load_dataset` is replaced at the border by one that opens local parquet files, with the real
streaming of `datasets` behind it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lilllm.data import documents, network_cache, write_tokens
from lilllm.data.network import NETWORK, NetworkSet, articles, network_documents
from tests.data.corpora import EOS, contents, tokenizer

TEXTS = [f"document {i} " + "x" * (i % 40) for i in range(1000)]
LOAD = datasets.load_dataset


class Hub:
    """A hub of one set: three files of rows. ``fetched`` counts rows that went over the wire; ``breaks`` cuts it."""

    def __init__(self, folder: Path, texts: list[str]) -> None:
        folder.mkdir()
        for n in range(3):
            part = texts[n * len(texts) // 3 : (n + 1) * len(texts) // 3]
            table = pa.table({"id": list(range(len(part))), "text": part})
            pq.write_table(table, folder / f"{n}.parquet", row_group_size=100)
        self.folder = folder
        self.asked: list[tuple[Any, ...]] = []
        self.fetched = self.states_loaded = 0
        self.there = True
        self.breaks: int | None = None

    def load_dataset(self, path: str, config: str | None, *, split: str, revision: str, streaming: bool) -> Any:
        if not self.there:
            raise ConnectionError("Couldn't reach the Hub")
        self.asked.append((path, config, split, revision, streaming))
        files = [str(self.folder / f"{n}.parquet") for n in range(3)]
        return Wire(self, LOAD("parquet", data_files=files, split="train", streaming=True))


class Wire:
    """A stream that counts."""

    def __init__(self, hub: Hub, stream: datasets.IterableDataset) -> None:
        self.hub, self.stream = hub, stream
        self.state_dict = stream.state_dict

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.hub.states_loaded += 1
        self.stream.load_state_dict(state)

    def skip(self, n: int) -> Wire:
        return Wire(self.hub, self.stream.skip(n))

    def __iter__(self) -> Iterator[Any]:
        for row in self.stream:
            if self.hub.fetched == self.hub.breaks:
                raise TimeoutError("the line is dead")
            self.hub.fetched += 1
            yield row


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    hub = Hub(tmp_path / "hub", TEXTS)
    monkeypatch.setattr(datasets, "load_dataset", hub.load_dataset)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(network_cache, "PART_CHARACTERS", 4000)
    monkeypatch.setattr(network_cache, "_GROUP_CHARACTERS", 900)
    return hub


def test_every_set_is_asked_for_at_its_commit(hub: Hub) -> None:
    for name, found in NETWORK.items():
        for split in found.splits:
            with pytest.raises(ConnectionError, match="no text question") if found.form else nullcontext():
                list(documents(f"{name}:{split}", count=1))
            assert hub.asked[-1] == (found.path, found.config, split, found.revision, True)
        assert documents(name).about["revision"] == found.revision
        assert len(found.revision) == 40
    assert len({asked[0] for asked in hub.asked}) == 6


def test_what_was_read_once_needs_no_network(hub: Hub, tmp_path: Path) -> None:
    assert list(documents("tinystories")) == TEXTS
    assert hub.fetched == 1000
    assert len(list((tmp_path / "cache").rglob("*.parquet"))) > 5
    hub.there = False
    assert list(documents("tinystories")) == TEXTS
    for skip, count in ((0, 3), (7, 500), (130, 1), (999, 5), (1000, 5), (5000, 1)):
        assert list(documents("tinystories", skip=skip, count=count)) == TEXTS[skip:][:count]
    assert hub.fetched == 1000


@pytest.mark.parametrize("first", [1, 20, 333, 999])
def test_a_reader_who_has_enough_begins_there_again(first: int, hub: Hub) -> None:
    assert list(documents("openwebtext", count=first)) == TEXTS[:first]
    assert hub.fetched == first
    assert list(documents("openwebtext", count=first)) == TEXTS[:first]
    assert list(documents("openwebtext", skip=first)) == TEXTS[first:]
    # datasets reads the file that it stood in again, up to where it stood; none of that is counted here.
    assert hub.fetched == 1000
    assert list(documents("openwebtext")) == TEXTS


def test_a_line_that_breaks(hub: Hub, tmp_path: Path) -> None:
    cache = tmp_path / "cache" / "lilllm"
    hub.breaks = 700
    found = documents("openwebtext")
    got = []
    with pytest.raises(
        ConnectionError, match=r"openwebtext \(Skylion007/openwebtext at 79d93d786212\) cannot be read"
    ) as e:
        got.extend(found)
    assert "(TimeoutError: the line is dead)" in str(e.value)
    assert "the same call goes on behind them" in str(e.value)
    kept = int(str(e.value).split(" rows of it")[0].rsplit(" ", 1)[1])
    assert 600 < kept <= 700
    hub.breaks = None
    assert list(documents("openwebtext")) == TEXTS
    assert hub.fetched == 700 + 1000 - kept
    assert all(path.name.startswith("rows-") for path in cache.rglob("*") if path.is_file())  # nothing half written


def test_tokens_are_taken_up_again_where_the_line_broke(hub: Hub, tmp_path: Path) -> None:
    hub.breaks = 500
    options: dict[str, Any] = {"eos": EOS, "progress": False, "workers": 1}
    with pytest.raises(ConnectionError, match="cannot be read"):
        write_tokens(documents("openwebtext"), tokenizer(), tmp_path / "tokens", **options)
    hub.breaks = None
    write_tokens(documents("openwebtext"), tokenizer(), tmp_path / "tokens", **options)
    write_tokens(TEXTS, tokenizer(), tmp_path / "whole", about=documents("openwebtext").about, **options)
    assert contents(tmp_path / "tokens") == contents(tmp_path / "whole")


def test_another_version_of_datasets_passes_over_rows(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    list(documents("openwebtext", count=400))
    assert list(documents("openwebtext", count=500)) == TEXTS[:500]
    assert hub.states_loaded == 1
    monkeypatch.setattr(datasets, "__version__", "99.0")
    assert list(documents("openwebtext")) == TEXTS
    assert hub.states_loaded == 1


@pytest.mark.parametrize("n", [0, 1, 30])
def test_a_set_that_ends_where_a_file_does(n: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its end is kept too: nobody asks the hub again whether more follows."""
    monkeypatch.setattr(network_cache, "PART_CHARACTERS", 100)
    asked = []
    texts = [f"{i:010}" for i in range(n)]

    def stream() -> Any:
        asked.append(1)
        return datasets.IterableDataset.from_generator(lambda: ({"text": text} for text in texts))

    cache = network_cache.Cache(tmp_path / "cache", "1")
    for _ in range(2):
        assert list(cache.rows(stream, lambda row: row["text"])) == texts
    assert cache.kept() == n
    assert len(asked) == 1


def test_another_revision_is_another_set(hub: Hub) -> None:
    wanted = NETWORK["openwebtext"]
    assert list(network_documents(wanted)) == TEXTS
    list(network_documents(replace(wanted, revision="0" * 40)))
    assert [asked[3] for asked in hub.asked] == [wanted.revision, "0" * 40]


def test_a_row_without_text_is_named_by_its_number_in_the_set(hub: Hub) -> None:
    def form(text: str) -> str:
        if text.startswith("document 500 "):
            raise ValueError("no luck")
        return text

    wanted = NetworkSet(
        name="x", path="a/b", revision="0" * 40, splits=("train",), about="", columns=("text",), form=form
    )
    with pytest.raises(ConnectionError, match="row 500 has no luck"):
        list(network_documents(wanted))


def test_without_a_network(hub: Hub) -> None:
    hub.there = False
    with pytest.raises(ConnectionError) as caught:
        next(documents("fineweb-edu"))
    said = str(caught.value)
    for part in ("fineweb-edu", "HuggingFaceFW/fineweb-edu", "0 rows of it", "without HF_HUB_OFFLINE", "give liltown"):
        assert part in said


def test_without_datasets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ImportError, match=r"not installed; pip install 'lilllm\[data\]', or give a file .* or liltown"):
        next(documents("wikitext"))


def test_no_room_for_what_comes(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(network_cache._Part, "_write", full)
        with pytest.raises(OSError, match=r"no room to keep openwebtext .* let HF_HOME name a folder on a larger disk"):
            list(documents("openwebtext"))
    with monkeypatch.context() as patch:  # and where it shows only when a file is closed
        patch.setattr(pq.ParquetWriter, "close", full)
        with pytest.raises(OSError, match="no room to keep openwebtext"):
            list(documents("openwebtext"))
    assert not [path for path in (tmp_path / "cache" / "lilllm").rglob("*") if path.is_file()]
    assert list(documents("openwebtext")) == TEXTS


def test_rows_without_text(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = NetworkSet(name="x", path="a/b", revision="0" * 40, splits=("train",), about="", field="body")
    with pytest.raises(ConnectionError, match="row 0 has no text 'body'; it has id, text"):
        next(network_documents(wanted))


@pytest.mark.parametrize("revision", ["main", "f54c09f", "", "g" * 40])
def test_a_branch_is_no_revision(revision: str) -> None:
    with pytest.raises(ValueError, match=r"x: revision '.*' is no commit; give the 40 hexadecimal digits"):
        NetworkSet(name="x", path="a/b", revision=revision, splits=("train",), about="")


WIKI = [
    "",
    " = Rain = \n",
    "",
    " It is wet . x = y = z \n",
    " = = Kinds = = \n",
    "",
    " = = = Small = = = \n",
    " Drizzle . \n",
    "",
    " = R = \n",
    " A letter . \n",
    " = Snow and ice = \n",
    " White . \n",
]


def test_lines_become_articles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = Hub(tmp_path / "hub", WIKI)
    monkeypatch.setattr(datasets, "load_dataset", hub.load_dataset)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    expected = ["".join(WIKI[:9]), "".join(WIKI[9:11]), "".join(WIKI[11:])]
    assert list(articles(WIKI)) == expected
    assert list(documents("wikitext")) == expected
    assert list(documents("wikitext", skip=1, count=1)) == expected[1:2]
    assert hub.fetched == len(WIKI)
    short = Hub(
        tmp_path / "short", [" = A = \n", " = B = \n", " b \n", " = C = \n"]
    )  # articles are passed over, not rows
    monkeypatch.setattr(datasets, "load_dataset", short.load_dataset)
    found = network_documents(NETWORK["wikitext"], skip=1, folder=tmp_path / "kept")
    assert list(found) == [" = B = \n b \n", " = C = \n"]


SUMS = [
    {"question": "Ann has 2 eggs and buys 3. How many?", "answer": "2 + 3 = <<2+3=5>>5\n#### 5"},
    {"question": "And if one breaks?", "answer": "5 - 1 = 4\n#### 4"},
]
CHOICES = [
    {"question": "2 + 2?", "subject": "sums", "choices": ["3", "4", "5", "6"], "answer": 1},
    {"question": "The sky is", "subject": "sky", "choices": ["red", "green", "blue", "none"], "answer": 2},
]


@pytest.mark.parametrize(
    ("name", "rows", "second"),
    [
        ("gsm8k", SUMS, "And if one breaks?\n5 - 1 = 4\n#### 4"),
        ("mmlu", CHOICES, "The sky is\nA. red\nB. green\nC. blue\nD. none\nAnswer: C"),
    ],
)
def test_rows_of_several_columns_are_a_text(
    name: str, rows: list[dict[str, Any]], second: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    here = LOAD("parquet", data_files=[str(tmp_path / "rows.parquet")], split="train", streaming=True)
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: here)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    assert len(list(documents(name))) == 2
    assert list(documents(name, skip=1)) == [second]


def test_a_state_is_json(hub: Hub, tmp_path: Path) -> None:
    list(documents("openwebtext", count=50))
    part = next((tmp_path / "cache").rglob("*.parquet"))
    told = json.loads(pq.read_metadata(part).metadata[b"lilllm"])
    assert set(told) == {"version", "state", "last"}


@pytest.mark.network
@pytest.mark.parametrize("name", NETWORK)
def test_the_hub_has_them(name: str, tmp_path: Path) -> None:
    found = list(zip(range(3), network_documents(NETWORK[name], folder=tmp_path), strict=False))
    assert len({text for _, text in found}) == 3
    assert all(len(text) > 100 for _, text in found)
