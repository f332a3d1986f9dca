"""Writing checkpoints: what is written, by which family, and that nothing half-written is ever left.

That transformers loads the folders and computes the same is in test_parity.py; here no transformers is imported.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
from collections.abc import Callable
from itertools import count, pairwise
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import lilllm.models
import lilllm.models.export_hf as module
from lilllm.layers.rope import LinearScaling, Llama3Scaling
from lilllm.models.config import ModelConfig
from lilllm.models.config_write import family_of
from lilllm.models.decoder import Decoder
from lilllm.models.encoder import Encoder
from lilllm.models.export_hf import export
from lilllm.models.families import FAMILIES
from lilllm.models.presets import PRESETS
from lilllm.models.pretrained import from_pretrained
from lilllm.models.shards import INDEX, SINGLE
from tests.models.configs import configs

pytestmark = pytest.mark.bad_input
SMALL: dict[str, Any] = {"vocab_size": 40, "n_layers": 2, "d_model": 16, "n_heads": 4, "context_len": 24}
GPT2: dict[str, Any] = {**SMALL, "norm": "layer", "activation": "gelu", "positions": "learned"}
BIASES = {"qkv_bias": True, "out_bias": True, "ffn_bias": True}


def _model(seed: int = 0, **options: Any) -> Decoder:
    return Decoder(ModelConfig(**{**SMALL, **options}), generator=torch.Generator().manual_seed(seed))


def _same(one: Decoder, other: Decoder) -> None:
    left, right = dict(one.named_parameters()), dict(other.named_parameters())
    assert left.keys() == right.keys()
    assert all(torch.equal(left[name], right[name]) for name in left)


def _tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_function_is_what_the_package_hands_on() -> None:
    """A module of the same name would take its place as soon as it is imported."""
    assert lilllm.models.export is export


# --- which family


@pytest.mark.parametrize(
    ("options", "family"),
    [
        ({}, "llama"),
        ({"tied": False, "activation": "geglu"}, "llama"),
        ({"d_head": 10}, "llama"),
        ({**BIASES}, "llama"),
        ({"ffn_bias": True}, "llama"),
        ({"qk_norm": True}, "qwen3"),
        ({"qk_norm": True, "window": 4, "qkv_bias": True, "out_bias": True}, "qwen3"),
        ({"qkv_bias": True}, "qwen2"),
        ({"qkv_bias": True, "window": 4}, "qwen2"),
        ({"window": 4}, "mistral"),
        ({"n_heads": 5, "d_head": 4}, "mistral"),
        ({**GPT2, **BIASES}, "gpt2"),
        ({**GPT2, **BIASES, "tied": False, "activation": "relu"}, "gpt2"),
    ],
)
def test_the_family(options: dict[str, Any], family: str) -> None:
    assert family_of(ModelConfig(**{**SMALL, **options})).model_type == family


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"norm_place": "post"}, "against the nearest, llama: norm_place is 'post', not 'pre'"),
        ({"positions": "alibi"}, "llama: positions are 'alibi', not 'rope'"),
        ({"positions": "none"}, "positions are 'none', not 'rope'"),
        ({"positions": "sinusoidal"}, "positions are 'sinusoidal', not 'rope'"),
        ({"scale_embedding": True}, "scale_embedding is on"),
        ({"norm": "layer"}, "llama: norm is 'layer', not 'rms'"),
        ({"activation": "gelu"}, "the feed-forward is not gated"),
        ({"qk_norm": True, "ffn_bias": True}, "llama: qk_norm is on"),
        ({"qk_norm": True, "ffn_bias": True, "window": 4}, "qwen3: ffn_bias is on"),
        ({"qk_norm": True, "qkv_bias": True}, "qwen3: out_bias is off"),
        ({"out_bias": True}, "only one is on"),
        ({"window": 4, "ffn_bias": True}, "there is a window|mistral: ffn_bias is on"),
        (GPT2, r"gpt2: a bias is left out \(qkv_bias, out_bias, ffn_bias\)"),
        ({**GPT2, **BIASES, "n_kv_heads": 2}, "gpt2: 4 query heads share 2 key-value heads"),
        ({**GPT2, **BIASES, "d_head": 8}, "gpt2: 4 heads of 8 are not d_model, 16"),
        ({**GPT2, **BIASES, "window": 4}, "gpt2: there is a window"),
    ],
)
def test_what_no_family_can_hold_is_refused_and_writes_nothing(
    options: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=f"no family of transformers .*{said}"):
        export(_model(**options), tmp_path / "x")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_has_a_family(name: str) -> None:
    expected = {"gpt": "gpt2", "qwe": "qwen3"}.get(name[:3], "llama")
    assert family_of(PRESETS[name]).model_type == expected


@given(config=configs(), shard_size=st.sampled_from([1, 3000, 10**9]), dtype=st.sampled_from(["float32", "bfloat16"]))
@settings(max_examples=60, deadline=None)
def test_what_is_exported_is_read_again(
    config: ModelConfig, shard_size: int, dtype: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Any model: written and read again it has the same parameters, bit for bit, and the same config."""
    model = Decoder(config).to(getattr(torch, dtype))
    folder = tmp_path_factory.mktemp("any") / "x"
    try:
        family = family_of(config)
    except ValueError:
        with pytest.raises(ValueError, match="no family"):
            export(model, folder)
        return
    assert family.model_type in FAMILIES
    export(model, folder, shard_size=shard_size)
    read = from_pretrained(folder, progress=False)
    _same(read, model)
    lost = {"dropout": 0.0, "init": "gpt2", "norm_cast_first": config.norm == "rms"}  # no part of a config.json
    assert read.config.to_dict() == {**config.to_dict(), **lost}


@pytest.mark.parametrize(
    "scaling", [LinearScaling(factor=2.5), Llama3Scaling(factor=8.0, low=1.0, high=4.0, original_len=16)]
)
def test_rope_is_written_in_both_spellings(scaling: Any, tmp_path: Path) -> None:
    folder = export(_model(rope_scaling=scaling, rope_theta=5e5), tmp_path / "x")
    assert from_pretrained(folder, progress=False).config.rope_scaling == scaling
    values = json.loads((folder / "config.json").read_text())
    assert values["rope_theta"] == 5e5
    assert values["rope_parameters"] == {**values["rope_scaling"], "rope_theta": 5e5}


# --- what is written


@pytest.mark.parametrize("window", [4, None])
def test_a_window_is_written_in_both_spellings(window: int | None, tmp_path: Path) -> None:
    """transformers before 4.53 does not know `layer_types`: the layers from `max_window_layers` on have the window."""
    values = json.loads((export(_model(qkv_bias=True, window=window), tmp_path / "x") / "config.json").read_text())
    assert values["model_type"] == "qwen2"
    assert values["layer_types"] == ["full_attention" if window is None else "sliding_attention"] * 2
    assert values["sliding_window"] == window
    assert values["use_sliding_window"] == (window is not None)
    assert values["max_window_layers"] == (2 if window is None else 0)


def test_the_files_of_one(tmp_path: Path) -> None:
    model = _model()
    folder = export(model, tmp_path / "a" / "b")
    assert sorted(_tree(tmp_path)) == ["a/b/config.json", f"a/b/{SINGLE}"]
    with safe_open(folder / SINGLE, framework="pt") as file:
        assert file.metadata() == {"format": "pt"}  # older transformers refuse files that do not say so
        names = list(file.keys())
    assert "lm_head.weight" not in names
    assert len(names) == 20
    values = json.loads((folder / "config.json").read_text())
    assert values["architectures"] == ["LlamaForCausalLM"]
    ids = ("bos_token_id", "eos_token_id", "pad_token_id")
    assert [values[name] for name in ids] == [None] * 3  # stated: left out, transformers would take 1 and 2
    export(model, tmp_path / "c", bos_token_id=0, eos_token_id=3)
    values = json.loads((tmp_path / "c" / "config.json").read_text())
    assert [values[name] for name in ids] == [0, 3, None]
    assert oct((tmp_path / "c").stat().st_mode & 0o777) == oct(0o777 & ~_umask())


def _umask() -> int:
    now = os.umask(0)
    os.umask(now)
    return now


def test_shards_and_their_index(tmp_path: Path) -> None:
    model = _model(tied=False)
    folder = export(model, tmp_path / "x", shard_size=5000)
    index = json.loads((folder / INDEX).read_text())
    files = sorted(path.name for path in folder.glob("*.safetensors"))
    n = len(files)
    assert n > 2
    assert files == [f"model-{i:05}-of-{n:05}.safetensors" for i in range(1, n + 1)]
    held = {file: load_file(folder / file) for file in files}
    assert index["weight_map"] == {name: file for file in files for name in held[file]}
    sizes = [sum(tensor.nbytes for tensor in held[file].values()) for file in files]
    assert all(size <= 5000 for size in sizes)
    assert all(left + right > 2500 for left, right in pairwise(sizes))  # filled, not one tensor each
    assert index["metadata"]["total_size"] == sum(parameter.nbytes for parameter in model.parameters()) == sum(sizes)
    one_each = export(model, tmp_path / "y", shard_size=1)  # a tensor larger than that has a file to itself
    assert len(list(one_each.glob("*.safetensors"))) == len(index["weight_map"])


def test_a_model_whose_parts_have_other_dtypes(tmp_path: Path) -> None:
    model = _model().bfloat16()
    model.norm.float()
    folder = export(model, tmp_path / "x")
    weights = load_file(folder / SINGLE)
    assert weights["model.norm.weight"].dtype == torch.float32
    assert weights["model.embed_tokens.weight"].dtype == torch.bfloat16
    assert json.loads((folder / "config.json").read_text())["torch_dtype"] == "bfloat16"


# --- what is refused


def test_what_cannot_be_exported(tmp_path: Path) -> None:
    model = _model()
    with pytest.raises(ValueError, match="format is 'gguf'; give 'hf'"):
        export(model, tmp_path / "x", format="gguf")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="Encoder cannot be exported"):
        export(Encoder(ModelConfig(**SMALL)), tmp_path / "x")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="shard_size is 0"):
        export(model, tmp_path / "x", shard_size=0)
    with torch.device("meta"):
        nothing = _model()
    with pytest.raises(ValueError, match=r"embed\.weight is on the meta device"):
        export(nothing, tmp_path / "x")
    with pytest.raises(ValueError, match=r"embed\.weight is torch\.float8_e5m2"):
        export(_model().to(torch.float8_e5m2), tmp_path / "x")
    assert not list(tmp_path.iterdir())


def test_folders_that_are_not_written_to(tmp_path: Path) -> None:
    model = _model()
    (tmp_path / "file").write_text("x")
    with pytest.raises(FileExistsError, match="is a file; give a folder"):
        export(model, tmp_path / "file")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    before = _tree(tmp_path)
    with pytest.raises(FileExistsError, match="is not empty"):
        export(model, tmp_path / "mine")
    with pytest.raises(FileExistsError, match="holds other things than a checkpoint"):
        export(model, tmp_path / "mine", overwrite=True)
    assert _tree(tmp_path) == before
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to("empty")
    assert export(model, tmp_path / "link") == (tmp_path / "empty").resolve()
    _same(from_pretrained(tmp_path / "link", progress=False), model)


def test_an_earlier_checkpoint_is_replaced_and_the_rest_stays(tmp_path: Path) -> None:
    folder = export(_model(tied=False), tmp_path / "x", shard_size=3000)
    (folder / "tokenizer.json").write_text("{}")
    (folder / "logs").mkdir()
    (folder / "logs" / "loss.csv").write_text("1,2")
    (folder / "latest").symlink_to("logs")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        export(_model(1), folder)
    export(_model(1), folder, overwrite=True)
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "latest", "logs", SINGLE, "tokenizer.json"]
    assert (folder / "latest" / "loss.csv").read_text() == "1,2"
    assert (folder / "latest").is_symlink()
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    _same(from_pretrained(folder, progress=False), _model(1))


# --- what is left when it goes wrong

Breaks = Callable[[pytest.MonkeyPatch], None]


def _second_shard(error: BaseException) -> Breaks:
    def plant(monkeypatch: pytest.MonkeyPatch) -> None:
        calls = []

        def save(*args: Any, **options: Any) -> None:
            calls.append(1)
            if len(calls) == 2:
                Path(args[1]).write_bytes(b"half")
                raise error
            save_file(*args, **options)

        monkeypatch.setattr(module, "save_file", save)

    return plant


def _renaming(nth: int, error: BaseException) -> Breaks:
    def plant(monkeypatch: pytest.MonkeyPatch) -> None:
        calls = []
        rename = Path.rename

        def once_not(self: Path, to: Path) -> Path:
            calls.append(1)
            if len(calls) == nth:
                raise error
            return rename(self, to)

        monkeypatch.setattr(Path, "rename", once_not)

    return plant


@pytest.mark.parametrize(
    "break_it",
    [
        _second_shard(OSError(errno.ENOSPC, "No space left on device")),
        _second_shard(KeyboardInterrupt()),
        _renaming(1, OSError(errno.EBUSY, "Device or resource busy")),
        _renaming(2, KeyboardInterrupt()),
    ],
    ids=["disk full", "Ctrl-C", "the first rename", "Ctrl-C at the second rename"],
)
def test_an_export_that_stops_leaves_what_was_there(
    break_it: Breaks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = export(_model(), tmp_path / "x", shard_size=3000)
    (folder / "tokenizer.json").write_text("{}")
    before = _tree(tmp_path)
    break_it(monkeypatch)
    with pytest.raises((OSError, KeyboardInterrupt)):
        export(_model(1), folder, shard_size=3000, overwrite=True)
    assert _tree(tmp_path) == before
    monkeypatch.undo()
    _same(from_pretrained(folder, progress=False), _model())


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_a_limit_of_the_disk_is_told(tmp_path: Path) -> None:
    """No file of this process may grow beyond 10 kB, which the system refuses as it refuses to fill a full disk."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(OSError, match=r"model\.safetensors could not be written \(.*too large"):
            export(_model(), tmp_path / "x")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(tmp_path.iterdir())


class _Stop:
    """A trace function that raises KeyboardInterrupt at the n-th line run in export.py or in shutil.py."""

    def __init__(self, n: int) -> None:
        self.left = n

    def __call__(self, frame: FrameType, event: str, arg: Any) -> _Stop | None:
        if frame.f_code.co_filename not in (module.__file__, shutil.__file__):
            return None
        if event == "line":
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt
        return self


def test_ctrl_c_at_any_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two models by turns to one folder, each time stopped a little later: it always holds one of them, whole."""
    monkeypatch.setattr(os, "fsync", lambda _: None)  # no power fails here, and the disk is slow
    models = [_model(seed, n_layers=1, tied=False) for seed in (0, 1)]
    folder = export(models[0], tmp_path / "x", shard_size=6000)
    (folder / "tokenizer.json").write_text("{}")
    seen, before = set(), sys.gettrace()
    for n in count(1):
        stop = _Stop(n)
        sys.settrace(stop)
        try:
            export(models[n % 2], folder, shard_size=6000, overwrite=True)
        except (KeyboardInterrupt, OSError):  # shutil makes the second of the first where it is about to close a file
            pass
        finally:
            sys.settrace(before)
        if stop.left > 0:
            break  # there are no more lines
        assert [path.name for path in tmp_path.iterdir()] == ["x"], n
        read = from_pretrained(folder, progress=False)
        which = [torch.equal(model.output, read.output) for model in models].index(True)
        _same(read, models[which])
        assert (folder / "tokenizer.json").exists()
        seen.add(which == n % 2)
    assert n > 100
    assert seen == {True, False}  # stopped before the renaming, and after it
