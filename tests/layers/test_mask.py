"""Masks, by hand and against their definitions."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from lilllm.layers import mask

LENGTHS = st.integers(1, 9).flatmap(lambda S: st.tuples(st.integers(1, S), st.just(S)))


def test_causal_by_hand():
    assert mask.causal(3).int().tolist() == [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
    assert mask.causal(1, 4).all()


@given(LENGTHS)
def test_causal_counts_from_the_last_key(lengths):
    T, S = lengths
    seen = mask.causal(T, S)
    for i in range(T):
        for j in range(S):
            assert seen[i, j] == (j <= i + S - T)


@given(LENGTHS, st.integers(1, 12))
def test_sliding_sees_a_window_that_ends_at_itself(lengths, window):
    T, S = lengths
    seen = mask.sliding(T, S, window)
    for i in range(T):
        place = i + S - T
        assert seen[i].nonzero().flatten().tolist() == list(range(max(0, place - window + 1), place + 1))


def test_sliding_is_that_of_transformers():
    from transformers.masking_utils import sliding_window_overlay

    theirs = sliding_window_overlay(3)
    ours = mask.sliding(7, None, 3)
    assert all(ours[i, j] == (j <= i and theirs(0, 0, i, j)) for i in range(7) for j in range(7))


def test_padding_of_lengths_and_of_a_mask_on_either_side():
    assert mask.padding([2, 0], S=3).int().tolist() == [[[[1, 1, 0]]], [[[0, 0, 0]]]]
    left = torch.tensor([[0, 1, 1], [1, 1, 1]])
    assert torch.equal(mask.padding(left), left.bool()[:, None, None])
    assert torch.equal(mask.padding(left.bool()), left.bool()[:, None, None])
    assert torch.equal(mask.padding(torch.tensor([1, 3])), mask.padding([1, 3]))
    assert mask.padding(torch.ones(2, 3, dtype=torch.long, device="meta")).shape == (2, 1, 1, 3)


def test_documents_by_hand():
    ids = torch.tensor([[4, 4, 2], [4, 2, 4]])
    one, other = mask.documents(ids)[:, 0].int().tolist()
    assert one == [[1, 1, 0], [1, 1, 0], [0, 0, 1]]
    assert other == [[1, 0, 1], [0, 1, 0], [1, 0, 1]]
    assert torch.equal(mask.documents(ids[0]), mask.documents(ids)[0, 0])


def test_they_combine():
    both = mask.causal(3) & mask.padding(torch.tensor([[0, 1, 1]])) & mask.documents(torch.tensor([[5, 5, 6]]))
    assert both.shape == (1, 1, 3, 3)
    assert both[0, 0].int().tolist() == [[0, 0, 0], [0, 1, 0], [0, 0, 1]]
