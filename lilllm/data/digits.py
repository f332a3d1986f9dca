"""Handwritten digits of 8 x 8 pixels, with captions that are true: images that need no download.

    train, test = digits("train"), digits("test")
    train.images[0], train.labels[0], train.captions[0]

The images come with scikit-learn: the test part of the UCI set of Alpaydin and Kaynak (1998), 1,797 images, each pixel
a count from 0 to 16. The captions are ours. Each names the digit and tells some of what its pixels say beside it: how
much ink, how wide, which way it leans. The words compare it with the training images of the same digit: "bold" is a
seven with more ink than three quarters of the sevens.

The split is by order. The set runs through forms of some 130 digits, each of which begins 0 to 9 three times and looks
as if one hand had written it; the last three forms are the test. Every fifth image instead would put each hand into
both parts, where the nearest neighbour alone is right on 99 % of the test images; so split it is right on 96 %.

Read in order: digits, Digits, _measures (the numbers behind the words), _caption.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from lilllm.data.liltown.chance import Chance

if TYPE_CHECKING:
    from torch import Tensor

Split = Literal["train", "test", "all"]
NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TRAIN = 1415  # images; the others are the test
# SHA-256 of the pixels and then the labels, a byte each: the captions are frozen with them.
_PIXELS = "87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826"

# Of a measure: the word for the lowest quarter of a class, and for the highest.
_WORDS = (("thin", "bold"), ("narrow", "wide"), ("right", "left"))


@dataclass(frozen=True)
class Digits:
    """``images``: (N, 8, 8) float32, 0 (paper) to 1 (ink); ``labels``: (N,) int64; a caption each."""

    images: Tensor
    labels: Tensor
    captions: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.captions)


def digits(split: Split = "train") -> Digits:
    """The images of one part ("train": 1,415, "test": 382, or "all", in that order), the same at every call.

    Raises:
        ValueError: there is no such part.
        ModuleNotFoundError: scikit-learn is not installed.
        RuntimeError: this scikit-learn has other images.
    """
    if split not in get_args(Split):
        raise ValueError(f"there is no part {split!r} of the digits; give one of: {', '.join(get_args(Split))}")
    try:
        from sklearn.datasets import load_digits
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            'the digits come with scikit-learn, which is not installed: pip install "lilllm[lab]"', name=error.name
        ) from None
    import numpy as np
    import torch

    found = load_digits()
    pixels, labels = found.images.astype(np.uint8), found.target.astype(np.uint8)
    if hashlib.sha256(pixels.tobytes() + labels.tobytes()).hexdigest() != _PIXELS:
        raise RuntimeError("this scikit-learn has other digits than 1.9 has, so their captions would not be true")
    captions = _captions(pixels.tolist(), labels.tolist())
    part = {"train": slice(0, TRAIN), "test": slice(TRAIN, None), "all": slice(None)}[split]
    return Digits(
        images=torch.from_numpy(pixels[part]).float() / 16,
        labels=torch.from_numpy(labels[part].astype(np.int64)),
        captions=tuple(captions[part]),
    )


Image = Sequence[Sequence[int]]


def _measures(image: Image) -> tuple[float, float, float]:
    """Ink, width by height, and how far the ink moves to the right from one row down to the next.

    Width and height are the spread of the ink around its middle: sums of whole numbers, one division at the end, so
    the same on every machine.

    >>> _measures([[0, 2], [2, 0]])  # as a slash: one column to the left a row, as wide as high
    (4.0, 1.0, -1.0)
    """
    n = x = y = xx = xy = yy = 0
    for row, line in enumerate(image):
        for column, ink in enumerate(line):
            n += ink
            x += ink * column
            y += ink * row
            xx += ink * column * column
            xy += ink * column * row
            yy += ink * row * row
    height = n * yy - y * y
    return float(n), (n * xx - x * x) / height, (n * xy - x * y) / height


def _captions(images: list[Image], labels: list[int]) -> list[str]:
    measured = [_measures(image) for image in images]
    limits = {}
    for label in range(10):
        for what in range(len(_WORDS)):
            known = [numbers[what] for numbers, one in zip(measured[:TRAIN], labels, strict=False) if one == label]
            known.sort()
            limits[label, what] = known[len(known) // 4], known[len(known) * 3 // 4]
    captions = []
    for number, (label, numbers) in enumerate(zip(labels, measured, strict=True)):
        words = []
        for what, value in enumerate(numbers):
            low, high = limits[label, what]
            words.append(_WORDS[what][0] if value < low else _WORDS[what][1] if value > high else "")
        captions.append(_caption(label, words, Chance(0, number)))
    return captions


def _caption(label: int, words: list[str], chance: Chance) -> str:
    """A sentence's part: the digit, and each of its ``words`` (ink, width, lean; empty: nothing to say) twice in three
    times.

    >>> _caption(8, ["bold", "", "left"], Chance(0, 3))
    'a bold 8, leaning left'
    """
    ink, width, lean = (word if word and chance.maybe(2 / 3) else "" for word in words)
    noun = chance.pick((NAMES[label], str(label), f"digit {NAMES[label]}", f"handwritten {NAMES[label]}"))
    tail = chance.pick((f" that leans to the {lean}", f", leaning {lean}")) if lean else ""
    named = " ".join(part for part in (ink, width, noun) if part)
    article = "an" if named in ("eight", "8") else "a"  # all other first words begin with a consonant as spoken
    return f"{chance.pick(('', '', 'a picture of '))}{article} {named}{tail}"
