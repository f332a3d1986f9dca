"""`lilllm tokenizer`."""

import base64
import io

import pytest

from lilllm import __main__ as program
from lilllm.tokenizers import BPETokenizer, load

TEXT = "the quick brown fox jumps over the lazy dog. the dog sleeps; the fox does not.\n" * 20


@pytest.fixture
def run(capsys, monkeypatch):
    """Run the program; (exit code, stdout, stderr)."""

    def call(*args, stdin=b""):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        with pytest.raises(SystemExit) as end:
            program.main(["tokenizer", *map(str, args)])
        out = capsys.readouterr()
        return end.value.code, out.out, out.err

    return call


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


@pytest.fixture
def bpe(tmp_path, corpus, run):
    path = tmp_path / "bpe.json"
    assert run("train", corpus, "--vocab-size", 290, "--special", "<|end|>", "-o", path)[0] == 0
    return path


@pytest.mark.parametrize("kind", ["bpe", "wordpiece", "unigram", "word", "char"])
def test_train_encode_decode(kind, run, corpus, tmp_path):
    path = tmp_path / "out.json"
    size = ["--vocab-size", "300"] if kind != "char" else []
    code, out, err = run("train", corpus, "--type", kind, *size, "--special", "<|end|>", "-o", path)
    assert (code, err) == (0, "")
    model = load(path)
    assert f"{type(model).__name__}, {model.vocab_size} ids" in out
    assert ("(the text holds no more)" in out) == (bool(size) and model.vocab_size < 300)
    code, out, _ = run("encode", path, "the fox<|end|>", "--allow", "all")
    assert code == 0
    ids = [int(word) for word in out.split()]
    assert ids == model.encode("the fox<|end|>", allowed_special="all")
    assert ids[-1] == model.special_tokens["<|end|>"]
    assert run("decode", path, *ids)[1] == model.decode(ids) + "\n"


def test_standard_input_and_pieces(run, bpe):
    text = "the dog\x1b[31m é"
    code, out, _ = run("encode", bpe, "--pieces", stdin=text.encode())
    lines = [line.split("\t") for line in out.splitlines()]
    model = load(bpe)
    assert code == 0
    assert [int(token_id) for token_id, _ in lines] == model.encode(text)
    assert lines[0][1] == "'the'"
    assert "\x1b" not in out  # a token cannot act on the terminal
    assert [piece for _, piece in lines][-2:] == [r"b'\xc3'", r"b'\xa9'"]
    ids = " ".join(map(str, model.encode(text))).encode()
    assert run("decode", bpe, stdin=ids)[1] == text
    assert run("decode", bpe, "--pieces", stdin=ids)[1] == out


def test_info(run, bpe):
    code, out, _ = run("info", bpe)
    assert code == 0
    facts = dict(line.split(None, 1) for line in out.splitlines() if not line.startswith("special"))
    assert facts["type"] == "BPETokenizer"
    assert facts["ids"] == "290"
    assert facts["lossless"] == "yes"
    assert "special tokens  '<|end|>' = 289" in out


def test_convert(run, bpe, tmp_path):
    model = load(bpe)
    code, _, err = run("convert", bpe, "-o", tmp_path / "gpt2", "--to", "gpt2")
    assert code == 0
    assert "does not hold the split pattern" in err
    assert BPETokenizer.load_gpt2(tmp_path / "gpt2").encode(TEXT) == model.encode(TEXT)
    assert run("convert", tmp_path / "gpt2", "-o", tmp_path / "again.json")[0] == 0
    assert load(tmp_path / "again.json").encode(TEXT) == model.encode(TEXT)
    code, _, err = run("convert", bpe, "-o", tmp_path / "x.tiktoken", "--to", "tiktoken")
    assert code == 0
    assert "nor the special tokens {'<|end|>': 289}" in err
    lines = [line.split() for line in (tmp_path / "x.tiktoken").read_bytes().splitlines()]
    assert {base64.b64decode(token): int(rank) for token, rank in lines} == dict(model.vocab)
    plain = " ".join(map(str, model.encode(TEXT)))
    assert run("encode", tmp_path / "x.tiktoken", TEXT)[1].strip() == plain
    assert run("convert", tmp_path / "x.tiktoken", "-o", tmp_path / "back.json")[0] == 0
    assert load(tmp_path / "back.json").vocab == model.vocab


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"YQ==\n", "line 1: b'YQ==' is not a token in base64, a blank and a rank"),
        (b"YQ== 0\nYg== -1\n", "line 2: b'Yg== -1' is not"),
        (b"YQ== 0\n\xff 1\n", "line 2: b'\\xff' is not base64"),
        (b"YQ== 0\nYQ== 1\n", "line 2: the token b'a' is there twice"),
        (b" 0\n", "line 1: the token b'' is empty"),
        (b"YQ== 0\n", "byte"),
        (b"", "byte"),
    ],
)
def test_bad_input_file_of_ranks(run, tmp_path, text, said):
    path = tmp_path / "x.tiktoken"
    path.write_bytes(text)
    code, _, err = run("encode", path, "a")
    assert (code, err.count("\n")) == (2, 1)
    assert said in err


def test_processes(run, corpus, bpe, tmp_path):
    other = tmp_path / "two.json"
    args = ("--vocab-size", 290, "--special", "<|end|>", "--processes", 2, "-o", other)
    assert run("train", corpus, *args)[0] == 0
    assert other.read_bytes() == bpe.read_bytes()


def test_nothing_is_overwritten_unasked(run, corpus, bpe):
    before = bpe.read_bytes()
    code, _, err = run("train", corpus, "--type", "char", "-o", bpe)
    assert code == 2
    assert "is there already" in err
    assert bpe.read_bytes() == before
    assert run("train", corpus, "--type", "char", "-o", bpe, "--force")[0] == 0
    assert type(load(bpe)).__name__ == "CharTokenizer"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["train", "{dir}/none.txt", "--vocab-size", "300"], "none.txt: No such file or directory"),
        (["train", "{dir}", "--vocab-size", "300"], "Is a directory"),
        (["train", "{dir}/bad.txt", "--vocab-size", "300"], "bad.txt"),
        (["train", "{dir}/bad.txt", "--vocab-size", "300", "--type", "unigram"], "bad.txt: not UTF-8 at byte 2"),
        (["train", "{dir}/empty.txt", "--vocab-size", "300"], "nothing to learn from"),
        (["train", "{dir}/empty.txt", "--vocab-size", "300", "--type", "unigram"], "every text is empty"),
        (["train", "{dir}/text.txt", "--vocab-size", "100"], "100"),
        (["train", "{dir}/text.txt", "--vocab-size", "9", "--type", "wordpiece"], "vocab_size 9 is too small"),
        (["train", "{dir}/text.txt", "--vocab-size", "1", "--type", "word"], "vocab_size 1 is too small"),
        (["train", "{dir}/text.txt", "--vocab-size", "0"], "0 is not in the range"),
        (["train", "{dir}/text.txt"], "--vocab-size is missing"),
        (["train", "{dir}/text.txt", "--type", "char", "--vocab-size", "9"], "--vocab-size is not for char"),
        (
            ["train", "{dir}/text.txt", "--type", "word", "--vocab-size", "9", "--processes", "2"],
            "--processes is for bpe",
        ),
        (["train", "{dir}/text.txt", "--vocab-size", "300", "-o", "{dir}/none/x.json"], "none does not exist"),
        (["train", "{dir}/text.txt", "--vocab-size", "300", "--special", "<s>", "--special", "<s>"], "'<s>'"),
        (["info", "{dir}/none.json"], "none.json: No such file"),
        (["info", "{dir}/text.txt"], "text.txt: file: JSON is malformed"),
        (["info", "{dir}/folder"], "folder"),
        (["encode", "{bpe}", "x", "--allow", "<x>"], "unknown special token '<x>'"),
        (["encode", "{bpe}", "--pieces"], "not UTF-8 at byte 1"),
        (["decode", "{bpe}", "5", "x"], "'x' is not an id"),
        (["decode", "{bpe}", "290"], "290"),
        (["decode", "{bpe}", "9" * 5000], "range"),
        (["convert", "{dir}/word.json", "-o", "{dir}/x", "--to", "gpt2"], "gpt2 holds BPE only, and"),
        (["convert", "{bpe}", "-o", "{bpe}"], "is there already"),
        (["convert", "{bpe}", "-o", "{dir}/x", "--to", "sentencepiece"], "'sentencepiece' is not one of"),
    ],
)
def test_errors_are_one_line_and_write_nothing(args, message, run, corpus, bpe, tmp_path):
    (tmp_path / "bad.txt").write_bytes(b"ab\xff")
    (tmp_path / "empty.txt").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    assert run("train", corpus, "--type", "word", "--vocab-size", 9, "-o", tmp_path / "word.json")[0] == 0
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    args = [arg.format(dir=tmp_path, bpe=bpe) for arg in args]
    if args[0] == "train" and "-o" not in args:
        args += ["-o", str(tmp_path / "new.json")]
    code, out, err = run(*args, stdin=b"a\xff")
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
    assert "Traceback" not in err
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
