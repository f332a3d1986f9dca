"""What a Hugging Face ``tokenizer.json`` may hold here, as types: anything else is an error that names its place.

Read in order:  the models (BPE, WordPiece, Unigram, WordLevel), AddedToken, ByteLevel and Split
                File, read_file   a file whose parts are checked one by one
Normalizers, splitters and decoders describe themselves (normalizers.py, splitters.py, decoders.py).
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

NULL = msgspec.Raw(b"null")


class _Object(msgspec.Struct, forbid_unknown_fields=True):
    """An unknown field is an error: it may change what the tokenizer does."""


class _Tagged(msgspec.Struct, tag_field="type", forbid_unknown_fields=True):
    """An object whose ``type`` says what it is."""


class AddedToken(_Object):
    id: int
    content: str
    single_word: bool = False
    lstrip: bool = False
    rstrip: bool = False
    normalized: bool = True
    special: bool = False


class BPE(_Tagged, tag="BPE"):
    vocab: dict[str, int]
    merges: list[tuple[str, str] | str]
    dropout: float | None = None
    unk_token: str | None = None
    continuing_subword_prefix: str | None = None
    end_of_word_suffix: str | None = None
    fuse_unk: bool = False
    byte_fallback: bool = False
    ignore_merges: bool = False


class WordPiece(_Tagged, tag="WordPiece"):
    unk_token: str
    vocab: dict[str, int]
    continuing_subword_prefix: str = "##"
    max_input_chars_per_word: int = 100


class Unigram(_Tagged, tag="Unigram"):
    unk_id: int | None
    vocab: list[tuple[str, float]]
    byte_fallback: bool = False


class WordLevel(_Tagged, tag="WordLevel"):
    vocab: dict[str, int]
    unk_token: str


class Pattern(_Object, omit_defaults=True):
    """What to split at: one of the two."""

    Regex: str | None = None
    String: str | None = None


class Split(_Tagged, tag="Split"):
    pattern: Pattern
    behavior: str
    invert: bool = False


class ByteLevel(_Tagged, tag="ByteLevel"):
    add_prefix_space: bool = True
    trim_offsets: bool = True
    use_regex: bool = True


class ByteLevelSequence(_Tagged, tag="Sequence"):
    pretokenizers: list[Split | ByteLevel]


Model = BPE | WordPiece | Unigram | WordLevel


class File(_Object):
    """The parts of the file; those whose form depends on the model stay raw until it is known."""

    model: msgspec.Raw
    version: Literal["1.0"] = "1.0"
    truncation: msgspec.Raw = NULL
    padding: msgspec.Raw = NULL
    added_tokens: list[AddedToken] = []
    normalizer: msgspec.Raw = NULL
    pre_tokenizer: msgspec.Raw = NULL
    post_processor: msgspec.Raw = NULL
    decoder: msgspec.Raw = NULL


def read(raw: bytes | msgspec.Raw, kind: Any, field: str) -> Any:
    """``raw`` as ``kind``; ValueError that names ``field`` and the place in it."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except RecursionError:
        raise ValueError(f"{field}: nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        # msgspec writes "... - at `$.vocab[3]`"; the path reads better with the field's name for `$`.
        text = str(error).replace("`$", f"`{field}" if field != "file" else "`").replace("`.", "`")
        supported = _tags(kind)
        hint = f"; supported here: {', '.join(supported)}" if "Invalid value" in text and supported else ""
        raise ValueError(f"{field}: {text}{hint}") from None


def _tags(kind: Any) -> list[str]:
    """The names that ``type`` may have in a union of components."""
    info = msgspec.inspect.type_info(kind)
    types = info.types if isinstance(info, msgspec.inspect.UnionType) else (info,)
    return [str(t.tag) for t in types if isinstance(t, msgspec.inspect.StructType) and t.tag is not None]


def absent(raw: msgspec.Raw) -> bool:
    return bytes(raw).strip() == b"null"


def type_of(raw: msgspec.Raw, field: str) -> str:
    """The ``type`` of a component that is not supported, for a message."""
    return str(read(raw, dict[str, Any], field).get("type", "without a type"))
