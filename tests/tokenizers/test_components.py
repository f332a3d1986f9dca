"""Normalizers, splitters and decoders against Hugging Face's, over all characters whose properties are settled."""

import msgspec
import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import decoders as hf_decoders
from tokenizers import normalizers as hf_normalizers
from tokenizers import pre_tokenizers as hf_splitters

from lilllm.tokenizers import decoders, normalizers, splitters
from tests.tokenizers.unicode_text import MANY_SCRIPTS, STABLE, texts

NORMALIZERS = [
    (normalizers.NFC(), hf_normalizers.NFC()),
    (normalizers.NFD(), hf_normalizers.NFD()),
    (normalizers.NFKC(), hf_normalizers.NFKC()),
    (normalizers.NFKD(), hf_normalizers.NFKD()),
    (normalizers.Lowercase(), hf_normalizers.Lowercase()),
    (normalizers.StripAccents(), hf_normalizers.StripAccents()),
    (normalizers.Strip(), hf_normalizers.Strip()),
    (normalizers.Strip(strip_left=False), hf_normalizers.Strip(left=False)),
    (normalizers.Prepend("_"), hf_normalizers.Prepend("_")),
    (normalizers.Replace(normalizers.Literal("aa"), "b"), hf_normalizers.Replace("aa", "b")),
    (normalizers.BertNormalizer(), hf_normalizers.BertNormalizer()),
    (
        normalizers.BertNormalizer(clean_text=False, strip_accents=False),
        hf_normalizers.BertNormalizer(clean_text=False, strip_accents=False),
    ),
    (
        normalizers.BertNormalizer(handle_chinese_chars=False, strip_accents=True, lowercase=False),
        hf_normalizers.BertNormalizer(handle_chinese_chars=False, strip_accents=True, lowercase=False),
    ),
    (
        normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents(), normalizers.Lowercase()]),
        hf_normalizers.Sequence([hf_normalizers.NFD(), hf_normalizers.StripAccents(), hf_normalizers.Lowercase()]),
    ),
]
SPLITTERS = [
    (splitters.Whitespace(), hf_splitters.Whitespace()),
    (splitters.WhitespaceSplit(), hf_splitters.WhitespaceSplit()),
    (splitters.BertPreTokenizer(), hf_splitters.BertPreTokenizer()),
    *[
        (
            splitters.Metaspace(prepend_scheme=scheme, split_words=split),
            hf_splitters.Metaspace(prepend_scheme=scheme, split=split),
        )
        for scheme in ("always", "first", "never")
        for split in (True, False)
    ],
    (
        splitters.Sequence([splitters.WhitespaceSplit(), splitters.Metaspace()]),
        hf_splitters.Sequence([hf_splitters.WhitespaceSplit(), hf_splitters.Metaspace()]),
    ),
    (
        splitters.Sequence([splitters.WhitespaceSplit(), splitters.Metaspace(prepend_scheme="first")]),
        hf_splitters.Sequence([hf_splitters.WhitespaceSplit(), hf_splitters.Metaspace(prepend_scheme="first")]),
    ),
]


def words(splitter, text):
    return [word for word, _ in splitter.pre_tokenize_str(text)]


@pytest.mark.parametrize(("ours", "theirs"), NORMALIZERS)
def test_normalizers_agree_on_every_settled_character(ours, theirs):
    # In pieces: their alignment bookkeeping is slow on long texts.
    for i in range(0, len(STABLE), 500):
        text = "".join(f"a{c}b " for c in STABLE[i : i + 500])
        assert ours.apply(text) == theirs.normalize_str(text)
    assert ours.apply(MANY_SCRIPTS) == theirs.normalize_str(MANY_SCRIPTS)
    assert ours.apply("") == theirs.normalize_str("")


@pytest.mark.parametrize(("ours", "theirs"), SPLITTERS)
def test_splitters_agree_on_every_settled_character(ours, theirs):
    text = "\n".join(f"a{c}b {c}" for c in STABLE)
    assert ours.split(text) == words(theirs, text)


@pytest.mark.parametrize(("ours", "theirs"), SPLITTERS)
@given(text=texts)
def test_splitters_agree_on_texts(ours, theirs, text):
    assert ours.split(text) == words(theirs, text)


@given(texts)
def test_metaspace_never_keeps_every_character(text):
    split = splitters.Metaspace(prepend_scheme="never").split(text)
    assert "".join(split) == text.replace(" ", "▁")


tokens = st.lists(
    st.sampled_from(
        [
            "a",
            "##b",
            "##",
            ".",
            " .",
            "n't",
            "'",
            "s",
            "do not",
            "▁",
            "▁a",
            "a▁b",
            "▁▁",
            "é",
            "<0x41>",
            "<0xC3>",
            "<0xA9>",
        ]
    ),
    max_size=8,
)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (decoders.WordPiece(), hf_decoders.WordPiece()),
        (decoders.WordPiece(cleanup=False), hf_decoders.WordPiece(cleanup=False)),
        (decoders.Fuse(), hf_decoders.Fuse()),
        (decoders.Replace(normalizers.Literal("▁"), " "), hf_decoders.Replace("▁", " ")),
        (decoders.Metaspace(), hf_decoders.Metaspace()),
        (decoders.Metaspace(prepend_scheme="first"), hf_decoders.Metaspace(prepend_scheme="first")),
        (decoders.Metaspace(prepend_scheme="never"), hf_decoders.Metaspace(prepend_scheme="never")),
        (
            decoders.Sequence(
                [decoders.Replace(normalizers.Literal("▁"), " "), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
            ),
            hf_decoders.Sequence([hf_decoders.Replace("▁", " "), hf_decoders.Fuse(), hf_decoders.Strip(" ", 1, 0)]),
        ),
    ],
)
@given(tokens=tokens)
def test_decoders_agree(ours, theirs, tokens):
    assert decoders.join(ours, tokens) == theirs.decode(tokens)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_byte_tokens_of_a_text_decode_to_it(text):
    tokens = [f"<0x{byte:02X}>" for byte in text.encode()]
    assert decoders.join(decoders.ByteFallback(), tokens) == text == hf_decoders.ByteFallback().decode(tokens)


def test_bytes_that_are_not_utf8():
    # One U+FFFD where Python has one; Hugging Face writes one a byte.
    assert decoders.join(decoders.ByteFallback(), ["<0xE2>", "<0x82>", "x"]) == "\ufffdx"
    with pytest.raises(UnicodeDecodeError):
        decoders.join(decoders.ByteFallback(), ["<0xE2>"], errors="strict")


@pytest.mark.parametrize("pair", [*NORMALIZERS, *SPLITTERS], ids=lambda pair: type(pair[0]).__name__)
def test_components_are_the_json_that_hugging_face_writes(pair):
    ours, theirs = pair
    t = tokenizers.Tokenizer(tokenizers.models.WordLevel({"a": 0}, "a"))
    field = "normalizer" if hasattr(ours, "apply") else "pre_tokenizer"
    setattr(t, field, theirs)
    written = msgspec.json.decode(t.to_str())[field]
    assert msgspec.to_builtins(ours) == written
    kind = normalizers.Normalizer if field == "normalizer" else splitters.Splitter
    assert msgspec.convert(written, kind) == ours
