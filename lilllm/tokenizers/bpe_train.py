"""Train byte-pair encoding: the algorithm as it reads, then the same merges in a small part of the time.

    start with the bytes of every pre-token
    repeat: count adjacent pairs, take the most frequent, write it as one new token everywhere

Read in order:  pair_counts, merge (one round, on a list of ids)
                train_naive (the rounds, as above)
                train_bpe (each distinct pre-token once, counts kept up to date, a heap)
Ties:           "greater" takes the greater pair of byte strings, as GPT-2-style trainers do; "smaller" takes the
                smaller pair of ids with bytes in GPT-2's order, as Hugging Face's does
Source:         Gage 1994, "A New Algorithm for Data Compression"; Sennrich, Haddow & Birch 2016, arXiv:1508.07909
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from heapq import heapify, heappop, heappush, heapreplace
from itertools import pairwise
from operator import add
from typing import Literal, TypeVar

from tqdm import tqdm

from lilllm.tokenizers.byte_chars import BYTE_ORDER
from lilllm.tokenizers.pretokenize import GPT2_PATTERN, pretokens
from lilllm.tokenizers.vocabulary import check_size

Tie = Literal["greater", "smaller"]
Pair = tuple[int, int]
T = TypeVar("T")

MAX_TOKENS = sys.maxunicode + 1  # the trainer writes a token as one character


def pair_counts(ids: Sequence[int]) -> Counter[Pair]:
    """How often each pair of neighbours occurs, overlaps included.

    >>> pair_counts([1, 2, 1, 2, 3])
    Counter({(1, 2): 2, (2, 1): 1, (2, 3): 1})
    """
    return Counter(pairwise(ids))


def merge(ids: Sequence[T], pair: tuple[T, T], new_id: T) -> list[T]:
    """Write every ``pair`` in ``ids`` as ``new_id``, from the left, without overlaps.

    >>> merge([1, 2, 1, 2, 3], (1, 2), 4)
    [4, 4, 3]
    >>> merge([1, 1, 1], (1, 1), 2)
    [2, 1]
    """
    out = []
    at = 0
    while at < len(ids):
        if at + 1 < len(ids) and (ids[at], ids[at + 1]) == pair:
            out.append(new_id)
            at += 2
        else:
            out.append(ids[at])
            at += 1
    return out


def check_training(vocab_size: int, n_special: int, tie: str) -> int:
    """How many merges fill the vocabulary.

    Raises:
        ValueError: no room for the 256 bytes and the special tokens; an unknown rule for ties.
    """
    if tie not in ("greater", "smaller"):
        raise ValueError(f"tie={tie!r}: allowed are 'greater' (GPT-2 style) and 'smaller' (Hugging Face)")
    check_size(vocab_size)
    if vocab_size > MAX_TOKENS:
        raise ValueError(f"vocab_size={vocab_size} is too large: at most {MAX_TOKENS}")
    if vocab_size < 256 + n_special:
        raise ValueError(
            f"vocab_size={vocab_size} is too small: 256 bytes and {n_special} special tokens need at least "
            f"{256 + n_special}"
        )
    return vocab_size - 256 - n_special


def train_naive(
    texts: str | Iterable[str], *, n_merges: int, pattern: str | None = GPT2_PATTERN, tie: Tie = "greater"
) -> list[tuple[bytes, bytes]]:
    """Merges, learned as the algorithm reads: count everything, merge everywhere, again. The reference.

    Time grows with the text times the number of merges. Stops early where no pair is left.
    """
    check_training(256, 0, tie)
    texts = [texts] if isinstance(texts, str) else texts
    # Ids 0 to 255 are the bytes in GPT-2's order for "smaller", where ids decide ties.
    order = range(256) if tie == "greater" else BYTE_ORDER
    token = [bytes([byte]) for byte in order]
    id_of = {piece[0]: index for index, piece in enumerate(token)}
    words = [[id_of[byte] for byte in piece.encode()] for text in texts for piece in pretokens(text, pattern)]
    merges = []
    for _ in range(n_merges):
        counts: Counter[Pair] = Counter()
        for word in words:
            counts.update(pair_counts(word))
        if not counts:
            break
        if tie == "greater":
            best = max(counts, key=lambda pair: (counts[pair], token[pair[0]], token[pair[1]]))
        else:
            best = min(counts, key=lambda pair: (-counts[pair], pair))
        words = [merge(word, best, len(token)) for word in words]
        merges.append((token[best[0]], token[best[1]]))
        token.append(token[best[0]] + token[best[1]])
    return merges


def train_bpe(
    counts: Mapping[str, int], *, n_merges: int, tie: Tie = "greater", progress: bool = False
) -> list[tuple[bytes, bytes]]:
    """Merges from counted pre-tokens: those of `train_naive` on the text that they were counted in.

    Each distinct pre-token is kept once, as a string with one character a token (character number = id), so that
    Python's own `split` finds the pairs and `join` writes the merge. A merge visits only the pre-tokens that may hold
    the pair, and changes only the counts of its neighbours. The heap may name old counts: an entry is believed when its
    count is true, else put back with the true one, which is safe because a count only falls after the round that made
    the pair.

    Args:
        counts: how often each pre-token occurs.
        n_merges: at most; fewer come back where no pair is left.
        progress: show a bar.
    """
    check_training(256, 0, tie)
    order = tuple(range(256)) if tie == "greater" else BYTE_ORDER
    token = [bytes([byte]) for byte in order]
    # Text as UTF-8, each byte as the character whose number is its id.
    to_id = {byte: index for index, byte in enumerate(order)}
    words = [word.encode().decode("latin-1").translate(to_id) for word in counts]
    freq = list(counts.values())

    where: defaultdict[str, list[int]] = defaultdict(list)  # pair -> words that hold it, once an occurrence
    for index, word in enumerate(words):
        for pair in map(add, word, word[1:]):
            where[pair].append(index)
    count = {pair: sum(map(freq.__getitem__, found)) for pair, found in where.items()}
    inverse = {chr(index): _descending(piece) for index, piece in enumerate(token)}

    def entry(pair: str) -> tuple[int, str, str]:
        return -count[pair], pair if tie == "smaller" else inverse[pair[0]] + inverse[pair[1]], pair

    heap = [entry(pair) for pair in count]
    heapify(heap)
    merges: list[tuple[bytes, bytes]] = []
    bar = tqdm(total=n_merges, desc="merges", unit=" merges", disable=not progress)
    while len(merges) < n_merges and heap:
        negative, _, pair = heap[0]
        if count[pair] != -negative:
            if count[pair]:
                heapreplace(heap, entry(pair))
            else:
                heappop(heap)
            continue
        heappop(heap)
        first, second = tuple(pair)
        new = chr(len(token))
        merges.append((token[ord(first)], token[ord(second)]))
        token.append(token[ord(first)] + token[ord(second)])
        inverse[new] = _descending(token[-1])
        fresh = _merge_words(words, freq, where.pop(pair), pair, new, count)
        del count[pair]
        for made, found in fresh.items():
            count[made] = sum(map(freq.__getitem__, found))
            heappush(heap, entry(made))
        where.update(fresh)
        bar.update()
    bar.close()
    return merges


def _descending(token: bytes) -> str:
    """A key that sorts byte strings from the greatest to the smallest; it ends higher than any byte, so that a longer
    string comes before its own beginning."""
    return "".join([chr(255 - byte) for byte in token]) + "\u0100"


def _merge_words(
    words: list[str], freq: list[int], found: list[int], pair: str, new: str, count: dict[str, int]
) -> dict[str, list[int]]:
    """Merge ``pair`` in the words ``found``, lower the counts of the pairs that this undoes, return the pairs made."""
    first, second = tuple(pair)
    fresh: defaultdict[str, list[int]] = defaultdict(list)
    for index in set(found):
        parts = words[index].split(pair)
        words[index] = new.join(parts)
        times = freq[index]
        follows = False
        for left, right in pairwise(parts):  # what stands before and after each place
            if left:
                before = left[-1]
                count[before + first] -= times
                fresh[before + new].append(index)
            elif follows:  # right behind the place before
                count[second + first] -= times
                fresh[new + new].append(index)
            if right:
                after = right[0]
                count[second + after] -= times
                fresh[new + after].append(index)
            follows = True
    return fresh
