"""Naive byte-pair encoding: count all pairs, merge the most frequent, again."""

import itertools

TEXT = "the cat sat on the mat and the rat sat on the cat " * 3


def count_pairs(ids):
    counts = {}
    for left, right in itertools.pairwise(ids):
        counts[left, right] = counts.get((left, right), 0) + 1
    return counts


def merge(ids, pair, new):
    merged = []
    at = 0
    while at < len(ids):
        if at + 1 < len(ids) and (ids[at], ids[at + 1]) == pair:
            merged.append(new)
            at += 2
        else:
            merged.append(ids[at])
            at += 1
    return merged


def main():
    ids = list(TEXT.encode("utf-8"))
    merges = {}
    for new in range(256, 262):
        counts = count_pairs(ids)
        pair = max(counts, key=counts.get)
        ids = merge(ids, pair, new)  # @inspect ids pair
        merges[pair] = new
    assert len(ids) < len(TEXT)
