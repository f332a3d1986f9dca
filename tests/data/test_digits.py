"""The digits: the same images, parts and captions for everyone, and captions that say what the pixels say."""

from __future__ import annotations

import doctest
import hashlib
import re
import subprocess
import sys

import pytest
import torch

from lilllm.data import digits
from lilllm.data.digits import NAMES, TRAIN

module = sys.modules["lilllm.data.digits"]
TRAINING, TEST, ALL = digits("train"), digits("test"), digits("all")


def test_examples() -> None:
    result = doctest.testmod(module)
    assert (result.failed, result.attempted) == (0, 2)


def test_images_are_numbers_from_paper_to_ink() -> None:
    assert ALL.images.shape == (1797, 8, 8)
    assert (ALL.images.dtype, ALL.labels.dtype) == (torch.float32, torch.int64)
    assert (ALL.images.min(), ALL.images.max()) == (0, 1)
    assert torch.equal(ALL.images * 16, (ALL.images * 16).round())
    assert ALL.labels[:12].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]


def test_the_same_captions_as_ever() -> None:
    assert hashlib.sha256("\n".join(ALL.captions).encode()).hexdigest() == (
        "c294003b2e7e87a6ac0ce047f9e70ebed897acdd73f2feda85e5d2d04791adaa"
    )
    assert digits("all").captions == ALL.captions


def test_the_parts_are_the_whole_without_overlap() -> None:
    assert (len(TRAINING), len(TEST), len(ALL)) == (TRAIN, 382, 1797)
    assert len(digits()) == TRAIN
    assert torch.equal(torch.cat([TRAINING.images, TEST.images]), ALL.images)
    assert torch.equal(torch.cat([TRAINING.labels, TEST.labels]), ALL.labels)
    assert TRAINING.captions + TEST.captions == ALL.captions
    # The test begins with a form: 0 to 9, three times over.
    assert TEST.labels[:30].tolist() == [*range(10)] * 3
    assert min(torch.bincount(TEST.labels)) >= 35


def nearest_is_right(known: torch.Tensor, asked: torch.Tensor) -> float:
    distance = torch.cdist(ALL.images[asked].flatten(1), ALL.images[known].flatten(1))
    return (ALL.labels[known][distance.argmin(1)] == ALL.labels[asked]).float().mean().item()


def test_a_test_that_shares_hands_with_training_is_easier() -> None:
    """The two figures of the module's docstring."""
    every = torch.arange(1797)
    assert round(nearest_is_right(every[every % 5 != 4], every[every % 5 == 4]), 2) == 0.99
    assert round(nearest_is_right(every[:TRAIN], every[TRAIN:]), 2) == 0.96


def test_every_caption_names_its_digit_and_no_other() -> None:
    for label, caption in zip(ALL.labels.tolist(), ALL.captions, strict=True):
        named = re.findall(rf"\b({'|'.join(NAMES)}|\d)\b", caption)
        assert named in ([NAMES[label]], [str(label)]), caption


def test_captions_are_english_in_few_forms() -> None:
    noun = rf"({'|'.join(NAMES)}|\d|digit \w+|handwritten \w+)"
    lean = "( that leans to the (left|right)|, leaning (left|right))?"
    form = f"(a picture of )?an? (thin |bold )?(narrow |wide )?{noun}{lean}"
    for caption in ALL.captions:
        assert re.fullmatch(form, caption), caption
        assert ("an " in f" {caption}") == (re.search(r"\ban? (eight|8)\b", caption) is not None), caption
    assert len(set(ALL.captions)) > 700


def measures() -> dict[str, torch.Tensor]:
    """Ink, spread of columns over rows, and the slope of the ink, by torch: another way than the module's."""
    weight = ALL.images.double()
    weight = weight / weight.sum((1, 2), keepdim=True)
    at = torch.arange(8.0, dtype=torch.float64)
    column, row = weight.sum(1), weight.sum(2)  # (N, 8)
    x, y = at - (column @ at)[:, None], at - (row @ at)[:, None]
    across = torch.einsum("nij,ni,nj->n", weight, y, x)
    width, height = (column * x**2).sum(1), (row * y**2).sum(1)
    return {"ink": ALL.images.sum((1, 2)).double(), "width": width / height, "lean": across / height}


@pytest.mark.parametrize(
    ("word", "what", "above"),
    [
        ("bold", "ink", True),
        ("thin", "ink", False),
        ("wide", "width", True),
        ("narrow", "width", False),
        ("left", "lean", True),  # the lower the row, the further right: the top is to the left
        ("right", "lean", False),
    ],
)
def test_words_are_true_of_the_pixels(word: str, what: str, above: bool) -> None:
    values = measures()[what]
    said = torch.tensor([re.search(rf"\b{word}\b", caption) is not None for caption in ALL.captions])
    assert said.sum() > 200
    for label in range(10):
        mine = ALL.labels == label
        training = values[:TRAIN][mine[:TRAIN]]
        beyond = values[mine & said] > training.median() if above else values[mine & said] < training.median()
        assert beyond.all()
        # A quarter of them has the word, and two thirds of those tell it.
        true = (values >= training.quantile(0.75)) if above else (values <= training.quantile(0.25))
        assert (said & mine & ~true).sum() <= 1  # quantile interpolates between two images
        assert 0.4 < (said & mine).sum() / (true & mine).sum() < 0.9


def test_bad_input_a_part_that_is_not_there() -> None:
    with pytest.raises(ValueError, match="no part 'valid' of the digits; give one of: train, test, all"):
        digits("valid")  # type: ignore[arg-type]


def test_without_scikit_learn_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ModuleNotFoundError, match=r'scikit-learn, which is not installed: pip install "lilllm\[lab\]"'):
        digits()


def test_other_images_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn import datasets

    other = datasets.load_digits()
    other.images[7, 3, 3] += 1
    monkeypatch.setattr(datasets, "load_digits", lambda: other)
    with pytest.raises(RuntimeError, match="other digits than"):
        digits()


def test_texts_need_neither_scikit_learn_nor_torch() -> None:
    code = "import sys, lilllm.data; assert not {'sklearn', 'torch', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
