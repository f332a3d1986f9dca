"""How fast the BPE tokenizer trains and encodes, beside a naive trainer, `tokenizers` and `tiktoken`, in one run.

    python tests/bench/bench_tokenizers.py [--small]

Text: the help topics of Python (prose) and its standard library (code), in a fixed order, each once. Times are CPU
seconds of this process, the best of several interleaved runs, everything on one thread; what counts are the ratios.

The naive trainer counts every pair of every pre-token in each round, as teaching code does. All rounds would take an
hour: it is timed at eight rounds of the run, from the state that the merges before have made, and summed by trapezoids.
"""

from __future__ import annotations

import argparse
import os
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

VOCAB_SIZE = 4096


def corpus(n_bytes: int) -> str:
    """The first ``n_bytes`` of the text."""
    parts = [topics[name] for name in sorted(topics)]
    left = n_bytes - sum(len(part.encode()) + 1 for part in parts)
    library = Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(library.rglob("*.py")):
        if left <= 0:
            break
        if "site-packages" not in path.parts and "pydoc_data" not in path.parts:
            data = path.read_bytes()
            try:
                parts.append(data.decode())
            except UnicodeDecodeError:  # test files of other encodings
                continue
            left -= len(data) + 1
    text = "\n".join(parts).encode()[:n_bytes].decode(errors="ignore")
    if len(text.encode()) < n_bytes - 4:
        raise SystemExit(f"the standard library of this Python holds only {len(text.encode()):,} bytes of source")
    return text


def best(runs: int, **calls: Callable[[], Any]) -> dict[str, float]:
    """CPU seconds of each call, the least of ``runs``, one after the other so that a busy machine is unfair to none."""
    seconds = dict.fromkeys(calls, float("inf"))
    for _ in range(runs):
        for name, call in calls.items():
            start = time.process_time()
            call()
            seconds[name] = min(seconds[name], time.process_time() - start)
    return seconds


def naive_round(words: list[list[int]], new_id: int) -> None:
    """One round of the naive trainer; ties are left open, which only spares it time."""
    counts: dict[tuple[int, int], int] = {}
    for word in words:
        for pair in pairwise(word):
            counts[pair] = counts.get(pair, 0) + 1
    first, second = max(counts, key=counts.__getitem__)
    for index, word in enumerate(words):
        merged = []
        at = 0
        while at < len(word):
            if word[at] == first and at + 1 < len(word) and word[at + 1] == second:
                merged.append(new_id)
                at += 2
            else:
                merged.append(word[at])
                at += 1
        words[index] = merged


def naive_seconds(text: str, merges: list[tuple[bytes, bytes]]) -> float:
    """CPU seconds that naive training to these merges takes, from rounds measured along the way."""
    from lilllm.tokenizers.pretokenize import pretokens
    from lilllm.tokenizers.tiktoken_bridge import apply_merges

    split = pretokens(text)
    rank = {pair: index for index, pair in enumerate(merges)}
    token_id = {bytes([byte]): byte for byte in range(256)}
    token_id |= {first + second: 256 + index for index, (first, second) in enumerate(merges)}
    rounds = sorted({min(at, len(merges) - 1) for at in (0, 16, 64, 192, 512, 1024, 2048, len(merges) - 1)})
    seconds = []
    for at in rounds:
        state = {word: [token_id[t] for t in apply_merges(word.encode(), rank, below=at)] for word in set(split)}
        words = [state[word] for word in split]
        start = time.process_time()
        naive_round(words, 256 + at)
        seconds.append(time.process_time() - start)
    measured = pairwise(zip(rounds, seconds, strict=True))
    return sum((stop - start) * (one + two) / 2 for (start, one), (stop, two) in measured)


def train_rows(n_bytes: int, runs: int, naive: bool) -> list[tuple[str, float, float, str, bool]]:
    import tokenizers

    from lilllm.tokenizers import BPETokenizer

    text = corpus(n_bytes)
    size = f"{n_bytes / 1e6:g} MB"

    def theirs(train: Callable[[Any, Any], None]) -> None:
        model = tokenizers.Tokenizer(tokenizers.models.BPE())
        model.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
        alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
        options = {"vocab_size": VOCAB_SIZE, "initial_alphabet": alphabet, "show_progress": False}
        train(model, tokenizers.trainers.BpeTrainer(**options))

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "text.txt"
        path.write_text(text, encoding="utf-8", newline="")
        seconds = best(
            runs,
            ours=lambda: BPETokenizer.train(path, vocab_size=VOCAB_SIZE),
            file=lambda: theirs(lambda model, trainer: model.train([str(path)], trainer)),
            text=lambda: theirs(lambda model, trainer: model.train_from_iterator([text], trainer)),
        )
    ours, other = seconds["ours"], min(seconds["file"], seconds["text"])
    rows = [(f"train {size}: tokenizers", ours, other, "time at most 1.5x", ours <= 1.5 * other)]
    if naive:
        slow = naive_seconds(text, BPETokenizer.train(text, vocab_size=VOCAB_SIZE).merges)
        rows.append((f"train {size}: naive (estimated)", ours, slow, "50x as fast", slow >= 50 * ours))
    return rows


def encode_rows(n_bytes: int, runs: int) -> list[tuple[str, float, float, str, bool]]:
    import tiktoken
    import tokenizers
    from tiktoken_ext.openai_public import r50k_pat_str

    from lilllm.tokenizers import BPETokenizer

    text = corpus(n_bytes)
    documents = text.split("\n\n")
    ours = BPETokenizer.train(text, vocab_size=VOCAB_SIZE)
    tik = tiktoken.Encoding("bench", pat_str=r50k_pat_str, mergeable_ranks=ours.vocab, special_tokens={})
    with tempfile.TemporaryDirectory() as folder:
        ours.save(Path(folder) / "tokenizer.json")
        hf = tokenizers.Tokenizer.from_file(str(Path(folder) / "tokenizer.json"))
    ids = ours.encode(text)
    if not ids == tik.encode_ordinary(text) == hf.encode(text).ids == list(ours.encode_iterable([text])):
        raise SystemExit("the libraries disagree about the ids: the times mean nothing")
    whole = best(
        runs,
        ours=lambda: ours.encode(text),
        stream=lambda: list(ours.encode_iterable([text])),
        tiktoken=lambda: tik.encode_ordinary(text),
        tokenizers=lambda: hf.encode(text),
    )
    parts = best(
        runs,
        ours=lambda: [ours.encode(document) for document in documents],
        tiktoken=lambda: [tik.encode_ordinary(document) for document in documents],
        tokenizers=lambda: [hf.encode(document) for document in documents],
    )
    size, many = f"{n_bytes / 1e6:g} MB", f"{len(documents):,} texts"
    aim = "0.8 of its speed"
    return [
        (f"encode {size}: tiktoken", whole["ours"], whole["tiktoken"], aim, whole["ours"] * 0.8 <= whole["tiktoken"]),
        (f"encode {size}: tokenizers", whole["ours"], whole["tokenizers"], "", True),
        (f"encode {many}: tiktoken", parts["ours"], parts["tiktoken"], aim, parts["ours"] * 0.8 <= parts["tiktoken"]),
        (f"encode {many}: tokenizers", parts["ours"], parts["tokenizers"], "", True),
        (f"encode_iterable {size}: tiktoken", whole["stream"], whole["tiktoken"], "", True),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="200 kB and one run each: whether it works, no figures")
    small = parser.parse_args().small
    # Read when the libraries are imported, which is below.
    os.environ["RAYON_NUM_THREADS"] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    sys.path.insert(0, str(Path(__file__).parents[2]))
    print(f"{'ours against':40} {'ours s':>9} {'theirs s':>9} {'ours/theirs':>12}   aim")
    sizes = [(200_000, 1, True)] if small else [(1_000_000, 5, True), (10_000_000, 3, False)]
    for n_bytes, runs, naive in sizes:
        show(train_rows(n_bytes, runs, naive))
    show(encode_rows(sizes[-1][0], 1 if small else 3))


def show(rows: list[tuple[str, float, float, str, bool]]) -> None:
    for name, ours, theirs, aim, met in rows:
        state = f"{aim}: {'met' if met else 'MISSED'}" if aim else "-"
        print(f"{name:40} {ours:9.3f} {theirs:9.3f} {ours / theirs:12.4f}   {state}", flush=True)


if __name__ == "__main__":
    main()
