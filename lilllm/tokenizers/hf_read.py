"""The tokenizer that a ``tokenizer.json`` describes, or an error that says what in it is wrong or not built here.

Read in order:  from_json        the parts that all models share
                _read_bpe        byte-level BPE and bytes
                _read_word_model WordPiece, Unigram, WordLevel
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from lilllm.tokenizers import hf_schema as schema
from lilllm.tokenizers.byte import ByteTokenizer
from lilllm.tokenizers.byte_chars import BYTE_TO_CHAR, from_chars
from lilllm.tokenizers.char import CharTokenizer
from lilllm.tokenizers.decoders import Decoder
from lilllm.tokenizers.hf_write import EACH_CHARACTER
from lilllm.tokenizers.normalizers import Normalizer
from lilllm.tokenizers.pretokenize import GPT2_PATTERN
from lilllm.tokenizers.splitters import Splitter
from lilllm.tokenizers.unigram import UnigramTokenizer
from lilllm.tokenizers.word import WordTokenizer
from lilllm.tokenizers.wordpiece import WordPieceTokenizer

if TYPE_CHECKING:
    from lilllm.tokenizers.bpe import BPETokenizer
    from lilllm.tokenizers.hf_json import AnyTokenizer

T = TypeVar("T")


def from_json(data: bytes, *, name: str = "tokenizer.json") -> AnyTokenizer:
    """The tokenizer that the text of a ``tokenizer.json`` describes.

    Args:
        name: the file, for messages.
    Raises:
        ValueError: not JSON, a wrong type, a missing or an unknown field, ids with holes or given twice, a component or
            an option that is not built here; the message names the file and the field.
    """
    try:
        file: schema.File = schema.read(data, schema.File, "file")
        special = _special_tokens(file)
        _refuse(file)
        model = schema.read(file.model, schema.Model, "model")
        if isinstance(model, schema.BPE):
            return _read_bpe(file, model, special)
        return _read_word_model(file, model, special)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _special_tokens(file: schema.File) -> dict[str, int]:
    special: dict[str, int] = {}
    for i, token in enumerate(file.added_tokens):
        where = f"added_tokens[{i}] ({token.content!r})"
        for option in ("single_word", "lstrip", "rstrip"):
            if getattr(token, option):
                raise ValueError(f"{where}: {option} is true, which is not supported")
        if not token.special:
            raise ValueError(f"{where}: is not special, so it would be found in every text; that is not supported")
        if token.normalized and not schema.absent(file.normalizer):
            raise ValueError(f"{where}: normalized is true beside a normalizer, which is not supported")
        if token.content in special:
            raise ValueError(f"{where}: the token is there twice")
        special[token.content] = token.id
    return special


def _refuse(file: schema.File) -> None:
    """Parts that change the ids of a text and are not built here."""
    for field in ("truncation", "padding"):
        if not schema.absent(getattr(file, field)):
            raise ValueError(f"{field}: is set, which is not supported; set it to null in the file")
    if not schema.absent(file.post_processor):
        kind = schema.type_of(file.post_processor, "post_processor")
        if kind != "ByteLevel" and not _adds_nothing(file.post_processor):  # ByteLevel moves offsets, not ids
            raise ValueError(
                f"post_processor: {kind} is not supported (encode adds no tokens around a text); "
                "set it to null in the file"
            )


def _adds_nothing(post_processor: msgspec.Raw) -> bool:
    """Whether it is the template of a text alone, as transformers 5 writes it where there is no BOS or EOS to add."""
    parts = schema.read(post_processor, dict[str, Any], "post_processor")
    alone = {"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A", "type_id": 0}}]}
    return {name: parts.get(name) for name in alone} == alone


def _read_bpe(file: schema.File, model: schema.BPE, special: dict[str, int]) -> BPETokenizer | ByteTokenizer:
    for option in ("dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback"):
        if getattr(model, option):
            raise ValueError(f"model.{option}: is {getattr(model, option)!r}, which byte-level BPE does not have here")
    if model.ignore_merges:
        raise ValueError("model.ignore_merges: is true, which is not supported")
    if not schema.absent(file.normalizer):
        raise ValueError(f"normalizer: {schema.type_of(file.normalizer, 'normalizer')} is not supported with BPE")
    if schema.absent(file.decoder):
        raise ValueError("decoder: is null; byte-level BPE needs ByteLevel")
    schema.read(file.decoder, schema.ByteLevel, "decoder")
    pattern = _pattern(file)
    vocab = {token: token_id for token, token_id in model.vocab.items() if token not in special}
    if not model.merges and pattern is None and vocab == {char: byte for byte, char in enumerate(BYTE_TO_CHAR)}:
        names = sorted(special, key=special.__getitem__)
        if [special[name] for name in names] == list(range(256, 256 + len(names))):
            return ByteTokenizer(names)
    from lilllm.tokenizers.bpe import BPETokenizer  # late: it brings tiktoken

    merges = [_merge(i, merge) for i, merge in enumerate(model.merges)]
    try:
        tokens = {from_chars(token): token_id for token, token_id in vocab.items()}
        return BPETokenizer(merges, pattern=pattern, special_tokens=special, vocab=tokens)
    except ValueError as error:
        raise ValueError(f"model: {error}") from None


def _merge(i: int, merge: tuple[str, str] | str) -> tuple[bytes, bytes]:
    parts = merge.split(" ") if isinstance(merge, str) else merge
    if len(parts) != 2:
        raise ValueError(f"model.merges[{i}]: {merge!r} is not two tokens with one blank between them")
    try:
        return from_chars(parts[0]), from_chars(parts[1])
    except ValueError as error:
        raise ValueError(f"model.merges[{i}]: {error}") from None


def _pattern(file: schema.File) -> str | None:
    """The split pattern of a byte-level pre-tokenizer; None if the text stays whole."""
    field = "pre_tokenizer"
    if schema.absent(file.pre_tokenizer):
        raise ValueError(f"{field}: is null; byte-level BPE needs ByteLevel")
    parts = schema.read(file.pre_tokenizer, schema.ByteLevel | schema.ByteLevelSequence, field)
    parts = [parts] if isinstance(parts, schema.ByteLevel) else parts.pretokenizers
    *before, last = parts or [None]
    if not isinstance(last, schema.ByteLevel):
        raise ValueError(f"{field}: ends without ByteLevel, which byte-level BPE needs")
    if last.add_prefix_space:
        raise ValueError(f"{field}: ByteLevel.add_prefix_space is true, which is not supported")
    if not before:
        return GPT2_PATTERN if last.use_regex else None
    (split,) = before if len(before) == 1 else (None,)
    if not isinstance(split, schema.Split) or last.use_regex:
        raise ValueError(f"{field}: one Split and then ByteLevel without use_regex is all that is supported")
    if split.behavior != "Isolated" or split.invert or split.pattern.Regex is None:
        raise ValueError(f"{field}: Split is supported with a Regex, behavior Isolated and invert false only")
    return split.pattern.Regex


def _read_word_model(
    file: schema.File, model: schema.WordPiece | schema.Unigram | schema.WordLevel, special: dict[str, int]
) -> CharTokenizer | WordTokenizer | WordPieceTokenizer | UnigramTokenizer:
    if isinstance(model, schema.WordLevel) and _is_char(file):
        unk = model.unk_token if model.unk_token in model.vocab else None
        return _build(lambda: CharTokenizer(model.vocab, unk_token=unk, special_tokens=special))
    around: dict[str, Any] = {
        "normalizer": schema.read(file.normalizer, Normalizer | None, "normalizer"),
        "splitter": schema.read(file.pre_tokenizer, Splitter | None, "pre_tokenizer"),
        "decoder": schema.read(file.decoder, Decoder | None, "decoder"),
        "special_tokens": special,
    }
    if isinstance(model, schema.WordLevel):
        return _build(lambda: WordTokenizer(model.vocab, unk_token=model.unk_token, **around))
    if isinstance(model, schema.WordPiece):
        limits: dict[str, Any] = {
            "prefix": model.continuing_subword_prefix,
            "max_word_length": model.max_input_chars_per_word,
        }
        return _build(lambda: WordPieceTokenizer(model.vocab, unk_token=model.unk_token, **limits, **around))
    if model.unk_id is None or not 0 <= model.unk_id < len(model.vocab):
        raise ValueError(f"model.unk_id: is {model.unk_id}; it is the number of a piece, 0 to {len(model.vocab) - 1}")
    unk = model.vocab[model.unk_id][0]
    return _build(lambda: UnigramTokenizer(model.vocab, unk_token=unk, byte_fallback=model.byte_fallback, **around))


def _is_char(file: schema.File) -> bool:
    plain = schema.absent(file.normalizer) and not schema.absent(file.pre_tokenizer) and not schema.absent(file.decoder)
    return plain and (
        msgspec.json.decode(file.pre_tokenizer) == msgspec.to_builtins(EACH_CHARACTER)
        and msgspec.json.decode(file.decoder) == {"type": "Fuse"}
    )


def _build(make: Callable[[], T]) -> T:
    try:
        return make()
    except ValueError as error:
        raise ValueError(f"model: {error}") from None
