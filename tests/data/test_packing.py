"""Packing, document ids and fill-in-the-middle."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lilllm.data import document_ids, fill_in_the_middle, pack

texts = st.lists(st.lists(st.integers(1, 9), max_size=7), max_size=12)


def test_rows_by_hand() -> None:
    assert pack([[1, 2], [3, 4, 5], [6]], T=2, eos=0).tolist() == [[1, 2, 0], [0, 3, 4], [4, 5, 0], [0, 6, 0]]
    assert pack([[1, 2], [3]], T=3, eos=0).tolist() == [[1, 2, 0, 3]]  # the last EOS fills no row
    assert pack([], T=3, eos=0).shape == (0, 4)
    assert pack([[1, 2]], T=3, eos=0).shape == (0, 4)


@given(documents=texts, T=st.integers(1, 8))
@settings(deadline=None)
def test_rows_put_together_are_the_stream(documents: list[list[int]], T: int) -> None:
    stream = [token for document in documents for token in [*document, 0]]
    rows = pack(documents, T, eos=0)
    assert rows.dtype == torch.int64
    assert len(rows) == max(0, len(stream) - 1) // T
    again = [*rows[0, :1].tolist(), *rows[:, 1:].flatten().tolist()] if len(rows) else []
    assert again == stream[: len(again)]
    assert len(stream) - len(again) <= T
    assert (rows[1:, 0] == rows[:-1, -1]).all()


def test_an_eos_belongs_to_the_document_that_it_ends() -> None:
    tokens = torch.tensor([[5, 6, 0, 7, 0, 0], [0, 5, 5, 5, 5, 5]], dtype=torch.int32)
    ids = document_ids(tokens, eos=0)
    assert ids.tolist() == [[0, 0, 0, 1, 1, 2], [0, 1, 1, 1, 1, 1]]
    assert ids.dtype == torch.int64
    assert document_ids(tokens[0], eos=0).tolist() == ids[0].tolist()


@pytest.mark.parametrize("T", [0, -3])
def test_bad_input_pack(T: int) -> None:
    with pytest.raises(ValueError, match="give 1 or more"):
        pack([[1]], T, eos=0)


PRE, SUF, MID = 101, 102, 103


def turned(document: list[int], seed: int, *, rate: float = 1.0, spm_rate: float = 0.0) -> list[int]:
    generator = torch.Generator().manual_seed(seed)
    return fill_in_the_middle(document, generator, prefix=PRE, suffix=SUF, middle=MID, rate=rate, spm_rate=spm_rate)


@given(document=st.lists(st.integers(0, 100), max_size=20), seed=st.integers(0, 2**32))
@settings(deadline=None)
def test_psm_put_back_in_order_is_the_document(document: list[int], seed: int) -> None:
    out = turned(document, seed)
    assert out[0] == PRE
    suffix, middle = out.index(SUF), out.index(MID)
    assert 0 < suffix < middle
    assert out[1:suffix] + out[middle + 1 :] + out[suffix + 1 : middle] == document


@given(document=st.lists(st.integers(0, 100), max_size=20), seed=st.integers(0, 2**32))
@settings(deadline=None)
def test_spm_put_back_in_order_is_the_document(document: list[int], seed: int) -> None:
    out = turned(document, seed, spm_rate=1.0)
    assert out[:2] == [PRE, SUF]
    middle = out.index(MID)
    assert out[middle + 1 :] + out[2:middle] == document
    # The same chance cuts at the same places, and the middle goes last in both orders.
    psm = turned(document, seed)
    between = psm[psm.index(MID) + 1 :]
    assert out[len(out) - len(between) :] == between
    assert out[2:middle] == psm[psm.index(SUF) + 1 : psm.index(MID)]


def test_each_pair_of_cuts_is_as_likely_as_two_even_draws_make_it() -> None:
    generator = torch.Generator().manual_seed(3)
    draws = 4000
    counts: dict[tuple[int, int], int] = {}
    for _ in range(draws):
        out = fill_in_the_middle([7, 8], generator, prefix=PRE, suffix=SUF, middle=MID, rate=1.0)
        lengths = out.index(SUF) - 1, len(out) - out.index(MID) - 1
        counts[lengths] = counts.get(lengths, 0) + 1
    # Places 0, 1, 2: two draws alike once in 9 each, two different ones in either order twice.
    expected = {(0, 0): 1, (1, 0): 1, (2, 0): 1, (0, 1): 2, (0, 2): 2, (1, 1): 2}
    assert counts.keys() == expected.keys()
    chi_square = sum((counts[k] - draws * e / 9) ** 2 / (draws * e / 9) for k, e in expected.items())
    assert chi_square < 5 + 5 * math.sqrt(10)  # five degrees of freedom: five standard deviations


def test_shares_are_those_asked_for() -> None:
    document, n, orders = [1, 2, 3], 4000, {"as it was": 0, "PSM": 0, "SPM": 0}
    for seed in range(n):
        out = turned(document, seed, rate=0.7, spm_rate=0.25)
        psm, spm = turned(document, seed), turned(document, seed, spm_rate=1.0)
        if psm != spm:  # with an empty prefix they are one
            orders["as it was" if out == document else "PSM" if out == psm else "SPM"] += 1
            assert out in (document, psm, spm)
    told = sum(orders.values())
    for order, share in (("as it was", 0.3), ("PSM", 0.7 * 0.75), ("SPM", 0.7 * 0.25)):
        # Within five standard deviations.
        assert abs(orders[order] / told - share) < 5 * math.sqrt(share * (1 - share) / told)


def test_chance_is_used_up_alike_whatever_comes_of_it() -> None:
    states = []
    for rate in (0.0, 0.5, 1.0):
        generator = torch.Generator().manual_seed(9)
        fill_in_the_middle([1, 2, 3], generator, prefix=PRE, suffix=SUF, middle=MID, rate=rate)
        states.append(generator.get_state())
    assert all(torch.equal(states[0], state) for state in states)


def test_rate_0_leaves_documents_and_the_callers_list_alone() -> None:
    document = [1, 2, 3]
    assert turned(document, 0, rate=0.0) == document
    turned(document, 0)
    assert document == [1, 2, 3]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rate": 1.5}, "rate is 1.5; give a share from 0 to 1"),
        ({"spm_rate": -0.1}, "spm_rate is -0.1"),
        ({"rate": math.nan}, "rate is nan"),
        ({"suffix": PRE}, "three different ids"),
        ({"middle": 2}, r"the document holds \[2\]"),
    ],
)
def test_bad_input_fill_in(changes: dict[str, float], message: str) -> None:
    arguments = {"prefix": PRE, "suffix": SUF, "middle": MID} | changes
    with pytest.raises(ValueError, match=message):
        fill_in_the_middle([1, 2, 3], torch.Generator(), **arguments)  # type: ignore[arg-type]
