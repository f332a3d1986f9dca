"""tokenizer.json: the same ids in `tokenizers`, for files of ours and of theirs; nothing in a file is ignored."""

import json
import os
import stat

import pytest
import tokenizers as hf
from hypothesis import given, settings

from lilllm.tokenizers import (
    BPETokenizer,
    ByteTokenizer,
    CharTokenizer,
    UnigramTokenizer,
    WordPieceTokenizer,
    WordTokenizer,
    files,
    hf_json,
    load,
)
from lilllm.tokenizers.normalizers import NFD, BertNormalizer, Lowercase, Sequence, StripAccents
from lilllm.tokenizers.pretokenize import GPT4_PATTERN
from lilllm.tokenizers.splitters import WhitespaceSplit
from tests.tokenizers.unicode_text import MANY_SCRIPTS, texts

SPECIAL = ["<|end|>", "[SEP]"]
CORPUS = [MANY_SCRIPTS, "hello world and one tree, the others learn 1234 things; don't they?\n" * 8]
FOLD = Sequence([NFD(), StripAccents(), Lowercase()])
OURS = {
    "bpe": lambda: BPETokenizer.train(CORPUS, vocab_size=400, special_tokens=SPECIAL),
    "bpe-gpt4": lambda: BPETokenizer.train(CORPUS, vocab_size=400, special_tokens=SPECIAL, pattern=GPT4_PATTERN),
    "bpe-whole": lambda: BPETokenizer.train(CORPUS, vocab_size=300, pattern=None),
    "bpe-their-ties": lambda: BPETokenizer.train(CORPUS, vocab_size=400, special_tokens=SPECIAL, tie="smaller"),
    "byte": lambda: ByteTokenizer(SPECIAL),
    "char": lambda: CharTokenizer.train(CORPUS[1:], special_tokens=SPECIAL),
    "word": lambda: WordTokenizer.train(CORPUS, vocab_size=60, special_tokens=SPECIAL),
    "word-folded": lambda: WordTokenizer.train(
        CORPUS, vocab_size=60, special_tokens=SPECIAL, normalizer=FOLD, splitter=WhitespaceSplit()
    ),
    "wordpiece": lambda: WordPieceTokenizer.train(CORPUS, vocab_size=350, special_tokens=SPECIAL),
    "wordpiece-bert": lambda: WordPieceTokenizer.train(
        CORPUS, vocab_size=350, special_tokens=SPECIAL, normalizer=BertNormalizer(), min_frequency=5
    ),
    "unigram": lambda: UnigramTokenizer.train(CORPUS, vocab_size=600, special_tokens=SPECIAL),
    "unigram-unk": lambda: UnigramTokenizer.train(
        CORPUS[1:], vocab_size=80, special_tokens=SPECIAL, byte_fallback=False, prepend_scheme="always"
    ),
    "unigram-first": lambda: UnigramTokenizer.train(
        CORPUS, vocab_size=600, special_tokens=SPECIAL, prepend_scheme="first"
    ),
}
_MADE: dict = {}


@pytest.fixture(params=OURS)
def ours(request):
    """Each tokenizer, trained once."""
    if request.param not in _MADE:
        _MADE[request.param] = OURS[request.param]()
    return _MADE[request.param]


def same(ours, theirs, text, modes=("all", "none")):
    """The same ids and the same text back."""
    for allowed in modes:
        theirs.encode_special_tokens = allowed == "none"
        ids = ours.encode(text, allowed_special=allowed)
        assert ids == theirs.encode(text, add_special_tokens=False).ids
        assert ours.decode(ids) == theirs.decode(ids, skip_special_tokens=False)


def test_files_of_ours_read_by_both(ours, tmp_path):
    path = tmp_path / "tokenizer.json"
    ours.save(path)
    theirs = hf.Tokenizer.from_file(str(path))
    again = load(path)
    assert type(again) is type(ours)
    assert hf_json.to_json(again) == hf_json.to_json(ours)
    assert again.special_tokens == ours.special_tokens
    assert theirs.get_vocab_size() == ours.vocab_size
    text = MANY_SCRIPTS.replace("[UNK]", "")
    for sample in (text, "", " ", "a", "<|end|>", f"one <|end|>{text}[SEP] two<|end|>[SEP]  x", "\n\n  hello"):
        same(ours, theirs, sample)
        assert again.encode(sample, allowed_special="all") == ours.encode(sample, allowed_special="all")

    @given(texts.filter(lambda text: "<" not in text))
    @settings(max_examples=40, deadline=None)
    def any_text(text):
        same(ours, theirs, text)

    any_text()


def trained(model, trainer, **parts):
    t = hf.Tokenizer(model)
    for name, part in parts.items():
        setattr(t, name, part)
    t.train_from_iterator(CORPUS, trainer)
    return t


P, D, N = hf.pre_tokenizers, hf.decoders, hf.normalizers
QUIET = {"show_progress": False}
THEIRS = {
    "bpe": lambda: trained(
        hf.models.BPE(),
        hf.trainers.BpeTrainer(
            vocab_size=400, special_tokens=SPECIAL, initial_alphabet=P.ByteLevel.alphabet(), **QUIET
        ),
        pre_tokenizer=P.ByteLevel(add_prefix_space=False),
        decoder=D.ByteLevel(),
        post_processor=hf.processors.ByteLevel(trim_offsets=False),
    ),
    "bpe-gpt4": lambda: trained(
        hf.models.BPE(),
        hf.trainers.BpeTrainer(vocab_size=400, initial_alphabet=P.ByteLevel.alphabet(), **QUIET),
        pre_tokenizer=P.Sequence(
            [P.Split(hf.Regex(GPT4_PATTERN), "isolated"), P.ByteLevel(add_prefix_space=False, use_regex=False)]
        ),
        decoder=D.ByteLevel(),
    ),
    "wordpiece": lambda: trained(
        hf.models.WordPiece(unk_token="[UNK]"),
        hf.trainers.WordPieceTrainer(vocab_size=400, special_tokens=["[UNK]", *SPECIAL], **QUIET),
        normalizer=N.BertNormalizer(),
        pre_tokenizer=P.BertPreTokenizer(),
        decoder=D.WordPiece(),
    ),
    "wordpiece-plain": lambda: trained(
        hf.models.WordPiece(unk_token="<u>", max_input_chars_per_word=5),
        hf.trainers.WordPieceTrainer(vocab_size=300, special_tokens=["<u>"], continuing_subword_prefix="@@", **QUIET),
        pre_tokenizer=P.Whitespace(),
    ),
    "unigram": lambda: trained(
        hf.models.Unigram(),
        hf.trainers.UnigramTrainer(vocab_size=250, special_tokens=["<unk>", *SPECIAL], unk_token="<unk>", **QUIET),
        normalizer=N.Sequence([N.NFKC(), N.Replace("  ", " ")]),
        pre_tokenizer=P.Metaspace(),
        decoder=D.Metaspace(),
    ),
    "unigram-split": lambda: trained(
        hf.models.Unigram(),
        hf.trainers.UnigramTrainer(vocab_size=250, special_tokens=["<unk>"], unk_token="<unk>", **QUIET),
        pre_tokenizer=P.Sequence([P.WhitespaceSplit(), P.Metaspace(prepend_scheme="first")]),
        decoder=D.Metaspace(prepend_scheme="first"),
    ),
    "word": lambda: trained(
        hf.models.WordLevel(unk_token="[UNK]"),
        hf.trainers.WordLevelTrainer(vocab_size=100, special_tokens=["[UNK]"], **QUIET),
        normalizer=N.Sequence([N.NFD(), N.Lowercase(), N.StripAccents()]),
        pre_tokenizer=P.Whitespace(),
    ),
}


@pytest.mark.parametrize("name", THEIRS)
def test_files_of_theirs_read_by_ours(name, tmp_path):
    path = tmp_path / "tokenizer.json"
    theirs = THEIRS[name]()
    theirs.save(str(path))
    ours = load(path)
    assert ours.vocab_size == theirs.get_vocab_size()
    for sample in (MANY_SCRIPTS.replace("[UNK]", ""), "one <|end|> two [SEP]x"):
        # Their trainers put special tokens into the model, which then finds them in any text; ours never does.
        same(ours, theirs, sample, ["all"])
    for sample in ("", " a  b", *CORPUS[1:]):
        same(ours, theirs, sample)

    @given(texts.filter(lambda text: "<" not in text))
    @settings(max_examples=40, deadline=None)
    def any_text(text):
        same(ours, theirs, text)

    any_text()
    assert hf_json.to_json(hf_json.from_json(hf_json.to_json(ours))) == hf_json.to_json(ours)


WORDPIECE = json.loads(hf_json.to_json(WordPieceTokenizer.train("hug hugs", vocab_size=9)))
UNIGRAM = json.loads(hf_json.to_json(UnigramTokenizer.train("hug hugs", vocab_size=9, byte_fallback=False)))
BPE = json.loads(hf_json.to_json(BPETokenizer([(b"h", b"u"), (b"hu", b"g")], special_tokens=["<s>"])))
MISSING = object()


def changed(file, path, value):
    """A copy of ``file`` with one field set, or taken out."""
    copy = json.loads(json.dumps(file))
    place = copy
    *way, last = path
    for step in way:
        place = place[step]
    if value is MISSING:
        del place[last]
    else:
        place[last] = value
    return json.dumps(copy).encode()


TEMPLATE = {"type": "TemplateProcessing", "single": [], "pair": [], "special_tokens": {}}
SPLIT = {"type": "Split", "pattern": {"Regex": "a"}, "behavior": "Removed", "invert": False}
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}


@pytest.mark.parametrize(
    ("file", "path", "value", "message"),
    [
        (WORDPIECE, ["model"], MISSING, "missing required field `model`"),
        (
            WORDPIECE,
            ["model", "type"],
            "Magic",
            "model: Invalid value 'Magic' .*supported here: BPE, WordPiece, Unigram",
        ),
        (WORDPIECE, ["model", "type"], MISSING, "model: .*missing required field `type`"),
        (WORDPIECE, ["model", "vocab"], [], "model: Expected `object`, got `array` - at `model.vocab`"),
        (WORDPIECE, ["model", "vocab", "h"], "1", "Expected `int`, got `str`"),
        (WORDPIECE, ["model", "vocab", "h"], 1.5, "Expected `int`"),
        (WORDPIECE, ["model", "vocab", "h"], 0, "model: tokens .* have the same id 0"),
        (WORDPIECE, ["model", "vocab", "h"], 10**9, "model: token 'h' has id 1000000000, but .* no holes"),
        (WORDPIECE, ["model", "vocab", "h"], -1, "model: token 'h' has id -1"),
        (WORDPIECE, ["model", "unk_token"], "nope", "model: unk_token 'nope' is not in the vocabulary"),
        (WORDPIECE, ["model", "dropout"], 0.1, "model: Object contains unknown field `dropout`"),
        (WORDPIECE, ["extra"], 1, "unknown field `extra`"),
        (WORDPIECE, ["version"], "2.0", "Invalid enum value '2.0' - at `version`"),
        (WORDPIECE, ["truncation"], {"max_length": 3}, "truncation: is set, which is not supported"),
        (WORDPIECE, ["padding"], {"strategy": "BatchLongest"}, "padding: is set, which is not supported"),
        (WORDPIECE, ["post_processor"], TEMPLATE, "post_processor: TemplateProcessing is not supported"),
        (WORDPIECE, ["normalizer"], {"type": "Nmt"}, "normalizer: Invalid value 'Nmt' .*supported here: NFC"),
        (
            WORDPIECE,
            ["normalizer"],
            {"type": "Sequence", "normalizers": [{"type": "Precompiled"}]},
            r"normalizers\[0\]",
        ),
        (
            WORDPIECE,
            ["normalizer"],
            {"type": "Replace", "pattern": {"Regex": "a+"}, "content": ""},
            "normalizer: .*`Regex`",
        ),
        (WORDPIECE, ["pre_tokenizer"], {"type": "UnicodeScripts"}, "pre_tokenizer: Invalid value 'UnicodeScripts'"),
        (WORDPIECE, ["pre_tokenizer"], SPLIT, "pre_tokenizer: Invalid value 'Split'"),
        (WORDPIECE, ["decoder"], {"type": "CTC"}, "decoder: Invalid value 'CTC'"),
        (WORDPIECE, ["added_tokens", 0, "id"], "x", r"Expected `int`, got `str` - at `added_tokens\[0\].id`"),
        (WORDPIECE, ["added_tokens", 0, "id"], 3, r"'\[UNK\]' has id 3 but the vocabulary gives it 0"),
        (WORDPIECE, ["added_tokens", 0, "special"], False, r"added_tokens\[0\] \('\[UNK\]'\): is not special"),
        (WORDPIECE, ["added_tokens", 0, "lstrip"], True, r"added_tokens\[0\] .*lstrip is true"),
        (UNIGRAM, ["model", "unk_id"], None, "model.unk_id: is None"),
        (UNIGRAM, ["model", "unk_id"], 99, "model.unk_id: is 99; it is the number of a piece, 0 to 7"),
        (UNIGRAM, ["model", "vocab", 1], ["u", "x"], r"Expected `float`, got `str` - at `model.vocab\[1\]\[1\]`"),
        (UNIGRAM, ["model", "vocab", 1], ["<unk>", -1.0], "model: piece '<unk>' is in the vocabulary twice"),
        (UNIGRAM, ["model", "vocab", 1], ["", -1.0], "model: token '' .*at least one character"),
        (UNIGRAM, ["pre_tokenizer", "replacement"], "ab", "replacement is 'ab'; it is one character"),
        (BPE, ["model", "merges", 0], ["h"], r"Expected `array` of length 2.* at `model.merges\[0\]`"),
        (BPE, ["model", "merges", 0], "h u g", r"model.merges\[0\]: 'h u g' is not two tokens"),
        (BPE, ["model", "merges", 0], ["h", "中"], r"model.merges\[0\]: .*stands for no byte"),
        (BPE, ["model", "merges", 0], ["h", "x"], "model: "),
        (BPE, ["model", "vocab", "hu"], 257, "model: .*257"),
        (BPE, ["model", "vocab", "a"], MISSING, "model: "),
        (BPE, ["model", "dropout"], 0.5, "model.dropout: is 0.5"),
        (BPE, ["model", "unk_token"], "<unk>", "model.unk_token: is '<unk>'"),
        (BPE, ["model", "byte_fallback"], True, "model.byte_fallback: is True"),
        (BPE, ["model", "ignore_merges"], True, "model.ignore_merges: is true"),
        (BPE, ["normalizer"], {"type": "NFC"}, "normalizer: NFC is not supported with BPE"),
        (BPE, ["decoder"], None, "decoder: is null"),
        (BPE, ["decoder"], {"type": "Fuse"}, "decoder: Invalid value 'Fuse'"),
        (BPE, ["pre_tokenizer"], None, "pre_tokenizer: is null"),
        (BPE, ["pre_tokenizer", "add_prefix_space"], True, "pre_tokenizer: ByteLevel.add_prefix_space is true"),
        (BPE, ["pre_tokenizer"], {"type": "Whitespace"}, "pre_tokenizer: Invalid value 'Whitespace'"),
        (BPE, ["pre_tokenizer"], {"type": "Sequence", "pretokenizers": [SPLIT, BYTE_LEVEL]}, "behavior Isolated"),
        (BPE, ["pre_tokenizer"], {"type": "Sequence", "pretokenizers": []}, "ends without ByteLevel"),
        (
            BPE,
            ["pre_tokenizer"],
            {
                "type": "Sequence",
                "pretokenizers": [SPLIT | {"pattern": {"Regex": "("}, "behavior": "Isolated"}, BYTE_LEVEL],
            },
            "does not compile",
        ),
    ],
)
def test_bad_files_are_named(file, path, value, message):
    with pytest.raises(ValueError, match=f"^here.json: (?s:.)*{message}"):
        hf_json.from_json(changed(file, path, value), name="here.json")


def test_a_special_token_that_a_normalizer_would_change():
    file = json.loads(changed(WORDPIECE, ["normalizer"], {"type": "Lowercase"}))
    hf_json.from_json(json.dumps(file).encode())
    with pytest.raises(ValueError, match="normalized is true beside a normalizer"):
        hf_json.from_json(changed(file, ["added_tokens", 0, "normalized"], True))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "truncated"),
        (b"{", "truncated"),
        (b"[]", "Expected `object`, got `array`"),
        (b"\xff\xfe", "malformed"),
        (b'{"model": ' + b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"}", "nested too deeply|unknown field|missing"),
        (b'{"model": ' + b"[" * 10**6, "nested too deeply|truncated|malformed"),
    ],
)
def test_what_is_no_file_at_all(data, message):
    with pytest.raises(ValueError, match=f"^x: .*({message})"):
        hf_json.from_json(data, name="x")


def test_a_file_of_another_type(tmp_path):
    ByteTokenizer().save(tmp_path / "t.json")
    with pytest.raises(
        ValueError, match=r"t.json: holds a ByteTokenizer, not a CharTokenizer; use lilllm.tokenizers.load"
    ):
        CharTokenizer.load(tmp_path / "t.json")
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none.json")


def test_a_huge_file_is_not_read(tmp_path):
    path = tmp_path / "huge.json"
    with path.open("wb") as file:
        file.truncate(files.MAX_BYTES + 1)
    with pytest.raises(ValueError, match=r"huge\.json: larger than 268,435,456 bytes"):
        load(path)


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "tokenizer.json"
    ByteTokenizer().save(path)
    before = path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~_umask()

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        ByteTokenizer(["<s>"]).save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["tokenizer.json"]


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_what_has_no_form_is_refused():
    with pytest.raises(TypeError, match="object has no form"):
        hf_json.to_json(object())


def test_reads_what_transformers_saves(tmp_path):
    """transformers 5 writes a template of the text alone; one that adds a token is still refused."""
    transformers = pytest.importorskip("transformers")
    theirs = transformers.PreTrainedTokenizerFast(tokenizer_object=THEIRS["bpe-gpt4"]())
    theirs.save_pretrained(tmp_path)
    text = "a word, another"
    assert load(tmp_path / "tokenizer.json").encode(text) == theirs(text)["input_ids"]
    alone = [{"Sequence": {"id": "A", "type_id": 0}}]
    bos = [{"SpecialToken": {"id": "<s>", "type_id": 0}}]
    data = json.loads((tmp_path / "tokenizer.json").read_bytes())
    hf_json.from_json(json.dumps(data | {"post_processor": TEMPLATE | {"single": alone}}).encode())
    with pytest.raises(ValueError, match="post_processor: TemplateProcessing is not supported"):
        hf_json.from_json(json.dumps(data | {"post_processor": TEMPLATE | {"single": bos + alone}}).encode())
