from __future__ import annotations

import pickle
import tracemalloc
from itertools import islice

import pytest
import tiktoken
import tokenizers
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from lilllm.tokenizers import BPETokenizer, Tokenizer
from lilllm.tokenizers.pretokenize import GPT2_PATTERN, GPT4_PATTERN, PIECE
from lilllm.tokenizers.stream import cut_stream
from lilllm.tokenizers.tiktoken_bridge import first_ranks, merges_of_ranks
from tests.tokenizers.bpe_texts import DOCS, PROSE, assigned, narrow_texts, texts
from tests.tokenizers.test_bpe_train import hugging_face_train

END = "<|end|>"
KINDS = {
    "gpt2": {"pattern": GPT2_PATTERN},
    "gpt4": {"pattern": GPT4_PATTERN},
    "whole": {"pattern": None},
    "own": {"pattern": r"[a-z]+|\s"},
    "hugging face": {"tie": "smaller"},
}
SCRAMBLED = {bytes([byte]): 255 - byte for byte in range(256)} | {b"ab": 300, b"bc": 256, b"abc": 280}


@pytest.fixture(scope="module", params=KINDS)
def trained(request) -> BPETokenizer:
    text = (PROSE + DOCS[:20000]).replace("\n", f"{END}\n", 5)
    return BPETokenizer.train(text, vocab_size=900, special_tokens=[END, "<|"], **KINDS[request.param])


def test_by_hand():
    t = BPETokenizer([(b"a", b"b"), (b"ab", b"c"), (b"b", b"c")], special_tokens=[END])
    assert t.encode("abcbc ab") == [257, 258, 32, 256]  # a b first, so that "abc" is never a bc
    assert t.vocab_size == 260
    assert t.special_tokens == {END: 259}
    assert t.vocab[b"abc"] == 257
    assert isinstance(t, Tokenizer)
    assert t.lossless


def test_train_by_hand():
    t = BPETokenizer.train(["low " * 5, "lower " * 2, f"newest {END}"], vocab_size=260, special_tokens=[END])
    assert t.merges == [(b"o", b"w"), (b"l", b"ow"), (b"w", b"e")][:2] + t.merges[2:]
    assert t.special_tokens == {END: 259}
    assert t.vocab_size == 260


@settings(deadline=None)
@given(text=texts)
def test_encode_is_the_reference_and_nothing_is_lost(trained, text):
    for allowed in ("none", "all", [END]):
        ids = trained.encode(text, allowed_special=allowed)
        assert ids == trained.encode_reference(text, allowed_special=allowed)
        assert trained.decode(ids) == text
        assert all(0 <= token_id < trained.vocab_size for token_id in ids)


@settings(deadline=None)
@given(training=narrow_texts, text=narrow_texts, pattern=st.sampled_from([GPT2_PATTERN, None]))
def test_encode_is_the_reference_whatever_was_learned(training, text, pattern):
    assume(training)
    t = BPETokenizer.train(training, vocab_size=280, pattern=pattern)
    assert first_ranks(t.merges) is not None  # trained merges are always what ranks can say
    assert t.encode(text) == t.encode_reference(text)


tokens = st.sampled_from([b"a", b"b", b"c", b"ab", b"bc", b"aa", b"abc", b"aab", b"aaa"])


@settings(deadline=None, max_examples=300)
@given(pairs=st.lists(st.tuples(tokens, tokens), max_size=10, unique=True), text=st.text("abc", max_size=20))
def test_encode_is_the_reference_for_merges_that_nobody_trained(pairs, text):
    every = {first + second for first, second in pairs} | {token for pair in pairs for token in pair if len(token) > 1}
    vocab = {bytes([byte]): byte for byte in range(256)} | {t: 256 + i for i, t in enumerate(sorted(every))}
    t = BPETokenizer(pairs, vocab=vocab)
    assert t.encode(text) == t.encode_reference(text)


def test_merges_that_ranks_cannot_say():
    # b c comes first, so a b c is a, bc: there is no merge for that, but ranks would make abc of it.
    merges = [(b"b", b"c"), (b"a", b"b"), (b"ab", b"c")]
    assert first_ranks(merges) is None
    t = BPETokenizer(merges)
    assert t.encode("abc") == t.encode_reference("abc") == [97, 256]
    assert pickle.loads(pickle.dumps(t)).encode("abc") == [97, 256]  # after it has been used
    with pytest.raises(ValueError, match="which tiktoken's ranks cannot say"):
        t.to_tiktoken("x")


def test_several_merges_for_one_token_as_in_files_made_from_ranks():
    merges = [(b"a", b"b"), (b"b", b"c"), (b"a", b"bc"), (b"ab", b"c")]
    vocab = {bytes([byte]): byte for byte in range(256)} | {b"ab": 256, b"bc": 257, b"abc": 258}
    assert first_ranks(merges) == {b"ab": 0, b"bc": 1, b"abc": 2}
    assert BPETokenizer(merges, vocab=vocab).encode("abcbc") == [258, 257]
    with pytest.raises(ValueError, match=r"merge 3 makes b'abc', as an earlier merge does; give vocab="):
        BPETokenizer(merges)


def test_ids_in_another_order_than_the_merges():
    t = BPETokenizer([(b"a", b"b"), (b"b", b"c"), (b"ab", b"c")], vocab=SCRAMBLED, special_tokens=[END])
    assert t.encode("abcbcab\x00") == t.encode_reference("abcbcab\x00") == [280, 256, 300, 255]
    assert t.decode([280, 301]) == "abc" + END
    assert t.vocab_size == 302
    with pytest.raises(ValueError, match="tiktoken takes ids for the order of merges; here they differ"):
        t.to_tiktoken("x")
    with pytest.raises(ValueError, match=r"token id 299 is out of range: .* ids 0 to 301, not all of them used"):
        t.decode([299])


@given(data=st.binary())
def test_any_bytes_round_trip(data):
    t = BPETokenizer([(b"a", b"b"), (b"\xc3", b"\xa9")])
    assert t.decode_bytes(data) == data  # ids 0 to 255 are the bytes
    assert t.decode(data) == data.decode("utf-8", "replace")


def test_invalid_utf8_is_replaced_or_refused():
    t = BPETokenizer([(b"a", b"\xc3")])
    assert t.decode([256, 97]) == "a\ufffda"
    assert t.decode([256], errors="ignore") == "a"
    with pytest.raises(UnicodeDecodeError):
        t.decode([256], errors="strict")
    assert t.decode_bytes([256, 169]) == "a\u00e9".encode()


def test_special_tokens_are_text_unless_allowed(trained):
    text = f"a{END}b<|"
    end, bar = trained.special_tokens[END], trained.special_tokens["<|"]
    assert not {end, bar} & set(trained.encode(text))
    assert trained.encode(text, allowed_special="all").count(end) == 1
    assert trained.encode(text, allowed_special="all")[-1] == bar
    # "<|" is allowed and END is not: its first two characters are the other token.
    assert trained.encode(END, allowed_special=["<|"]) == [bar, *trained.encode("end|>")]
    assert trained.decode([end]) == END
    assert trained.token_bytes(end) == END.encode()


def test_special_tokens_are_not_learned():
    t = BPETokenizer.train([END * 50 + "ab"], vocab_size=300, special_tokens=[END])
    assert t.merges == [(b"a", b"b")]
    assert t.vocab_size == 258  # less than asked for: there was no more to learn


@pytest.mark.parametrize("allowed", ["none", "all"])
@settings(deadline=None)
@given(chunks=st.lists(texts, max_size=12), size=st.integers(1, 12))
def test_a_stream_is_encoded_as_the_whole(trained, allowed, chunks, size):
    special = trained.special_tokens if allowed == "all" else ()
    parts = list(cut_stream(chunks, trained.pattern, special, size=size))
    assert "".join(parts) == "".join(chunks)
    ids = [token_id for part in parts for token_id in trained.encode(part, allowed_special=allowed)]
    whole = "".join(chunks)
    assert ids == trained.encode(whole, allowed_special=allowed)
    assert list(trained.encode_iterable(chunks, allowed_special=allowed)) == ids


@pytest.mark.parametrize("special", [(), (END,), ("<|", END, "end"), ("aa", "ab a")])
@settings(deadline=None)
@given(text=texts, step=st.integers(1, 3))
@example(text=f"x{END}y<|end{END} end|> <|e", step=1)
@example(text="aab aab aaab a" + "a" * 30 + "  \n \n" * 9, step=1)
def test_a_stream_in_the_smallest_chunks(special, text, step):
    t = BPETokenizer([(b"a", b"b"), (b"e", b"n"), (b" ", b" ")], special_tokens=special)
    parts = list(cut_stream([text[at : at + step] for at in range(0, len(text), step)], t.pattern, special, size=1))
    ids = [token_id for part in parts for token_id in t.encode(part, allowed_special="all")]
    assert ids == t.encode(text, allowed_special="all")


def test_a_stream_is_cut_often():
    assert len(list(cut_stream("one two three four", GPT2_PATTERN, (), size=1))) == 4
    assert len(list(cut_stream("one two" + END + "three" + END, None, [END], size=1))) == 2


def test_a_stream_needs_constant_memory():
    t = BPETokenizer.train(PROSE, vocab_size=400)

    def peak(n_lines: int) -> int:
        tracemalloc.start()
        n_ids = sum(1 for _ in t.encode_iterable("some words of a line\n" for _ in range(n_lines)))
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert n_ids > n_lines
        return size

    t.encode("x")
    assert peak(200_000) < 1.2 * peak(50_000)  # 4 MB and 1 MB of text


def test_a_stream_starts_before_its_end():
    def endless():
        while True:
            yield "word " * 1000

    assert len(list(islice(BPETokenizer([]).encode_iterable(endless()), 10))) == 10


@pytest.mark.parametrize("text", [" " * 1_500_000 + "x", "\n" * 1_500_000, "a" * 400_000, "a \n" * 400_000])
@pytest.mark.parametrize("pattern", [GPT2_PATTERN, GPT4_PATTERN])
def test_long_runs_do_not_break_the_regex_engine(text, pattern):
    t = BPETokenizer([(b"a", b"a"), (b" ", b" ")], pattern=pattern)
    assert len(text) > PIECE
    assert t.decode(t.encode(text)) == text


def test_same_ids_as_tiktoken_there_and_back(trained):
    theirs = trained.to_tiktoken("ours")
    text = PROSE + DOCS[:50000] + "<|x"  # not END: tiktoken does not say which of two that begin alike it finds
    if trained.pattern == KINDS["own"]["pattern"]:  # of which tiktoken drops what it leaves out
        text = "".join(char for char in text.lower() if char in "abcdefghijklmnopqrstuvwxyz \n")
    assert trained.encode(text, allowed_special="all") == theirs.encode(text, allowed_special="all")
    assert trained.encode(text) == theirs.encode(text, disallowed_special=())
    assert trained.vocab_size == theirs.n_vocab
    back = BPETokenizer.from_tiktoken(theirs)
    assert (back.merges, back.vocab, back.special_tokens) == (trained.merges, trained.vocab, trained.special_tokens)
    assert back.pattern == trained.pattern


@settings(deadline=None)
@given(text=texts)
def test_same_ids_as_a_tiktoken_encoding(text):
    assume(assigned(text) and "<|" not in text)
    ranks = {bytes([byte ^ 0x20]): byte for byte in range(256)}
    ranks |= {b"th": 256, b"the": 257, b" the": 259, b"\xe4\xb8": 260}
    theirs = tiktoken.Encoding(
        "theirs", pat_str=GPT4_PATTERN, mergeable_ranks=ranks, special_tokens={END: 270, "<|": 265}
    )
    ours = BPETokenizer.from_tiktoken(theirs)
    assert ours.encode(text) == theirs.encode(text, disallowed_special=())
    assert ours.decode_bytes(ours.encode(text)) == text.encode()
    assert ours.vocab_size == theirs.n_vocab == 271


def test_ranks_that_no_merges_make():
    ranks = {bytes([byte]): byte for byte in range(256)} | {b"abcd": 256}
    with pytest.raises(ValueError, match=r"token b'abcd' \(rank 256\) is never made"):
        merges_of_ranks(ranks)


def test_same_ids_as_tokenizers_trained_by_their_rule():
    theirs = hugging_face_train(PROSE + DOCS[:100_000], 1500, [END, "<|"])
    ours = BPETokenizer.train(PROSE + DOCS[:100_000], vocab_size=1500, special_tokens=[END, "<|"], tie="smaller")
    assert theirs.get_vocab_size() == ours.vocab_size == 1500
    assert ours.special_tokens == {END: 0, "<|": 1}
    text = DOCS[100_000:150_000] + PROSE + f"{END}x<|"
    assert ours.encode(text, allowed_special="all") == theirs.encode(text).ids
    theirs.encode_special_tokens = True
    assert ours.encode(text) == theirs.encode(text).ids


@settings(deadline=None)
@given(text=texts)
def test_same_ids_as_tokenizers_loaded_from_our_file(tmp_path_factory, text):
    assume(assigned(text))
    path = tmp_path_factory.getbasetemp() / "tokenizer.json"
    for pattern in (GPT2_PATTERN, GPT4_PATTERN):
        ours = BPETokenizer([(b"t", b"h"), (b"th", b"e"), (b" ", b"the")], pattern=pattern, special_tokens=[END])
        ours.save(path)
        theirs = tokenizers.Tokenizer.from_file(str(path))
        assert theirs.encode(text).ids == ours.encode(text, allowed_special="all")
        assert theirs.decode(ours.encode(text), skip_special_tokens=False) == text


def test_the_other_way_their_file_loaded_here(tmp_path):
    theirs = hugging_face_train(PROSE, 350, [END])
    theirs.save(str(tmp_path / "tokenizer.json"))
    ours = BPETokenizer.load(tmp_path / "tokenizer.json")
    assert ours.encode(PROSE + END, allowed_special="all") == theirs.encode(PROSE + END).ids


def test_files_give_the_same_tokenizer(trained, tmp_path):
    trained.save(tmp_path / "tokenizer.json")
    trained.save_gpt2(tmp_path / "gpt2")
    copies = [
        BPETokenizer.load(tmp_path / "tokenizer.json"),
        BPETokenizer.load_gpt2(tmp_path / "gpt2", pattern=trained.pattern),
        pickle.loads(pickle.dumps(trained)),
    ]
    trained.encode("x")
    copies.append(pickle.loads(pickle.dumps(trained)))
    for copy in copies:
        assert (copy.merges, copy.vocab) == (trained.merges, trained.vocab)
        assert (copy.special_tokens, copy.pattern) == (trained.special_tokens, trained.pattern)
        assert copy.encode(PROSE + END, allowed_special="all") == trained.encode(PROSE + END, allowed_special="all")


def test_gpt2_files_are_what_tokenizers_reads(tmp_path):
    ours = BPETokenizer.train(PROSE, vocab_size=400, tie="smaller")
    ours.save_gpt2(tmp_path)
    vocab, merges = str(tmp_path / "vocab.json"), str(tmp_path / "merges.txt")
    theirs = tokenizers.ByteLevelBPETokenizer.from_file(vocab, merges)
    assert theirs.encode(PROSE).ids == ours.encode(PROSE)
    assert (tmp_path / "merges.txt").read_text(encoding="utf-8").startswith("#version: 0.2\n")


def test_a_merge_that_looks_like_the_first_line_of_the_file(tmp_path):
    ours = BPETokenizer([*((b"#version"[:n], b"#version"[n : n + 1]) for n in range(1, 8)), (b"#version", b"s")])
    ours.save_gpt2(tmp_path)
    assert BPETokenizer.load_gpt2(tmp_path).merges == ours.merges


def test_train_from_files_in_processes_is_train_from_texts(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(PROSE, encoding="utf-8")
    t = BPETokenizer.train([path, "and a text"], vocab_size=300, processes=2)
    assert t.merges == BPETokenizer.train([PROSE, "and a text"], vocab_size=300).merges
    assert BPETokenizer.train(path, vocab_size=300).merges == BPETokenizer.train(PROSE, vocab_size=300).merges


def test_encode_batch_and_integers_of_other_kinds():
    import numpy as np
    import torch

    t = BPETokenizer([(b"a", b"b")])
    assert t.encode_batch(["ab", "", "b"]) == [[256], [], [98]]
    assert t.decode(np.array([256, 98])) == t.decode(torch.tensor([256, 98])) == "abb"
    assert t.token_bytes(np.int64(256)) == b"ab"
