"""Fill in the middle: documents turned round, so that a left-to-right model learns to write what stands between.

A document is cut at two places into prefix, middle and suffix. The middle goes last, and tokens of their own say what
comes:

    PSM   <prefix> prefix <suffix> suffix <middle> middle
    SPM   <prefix> <suffix> suffix <middle> prefix middle

To fill a gap, a model is given all up to and including <middle> (and in SPM the prefix) and writes on until EOS, which
comes where the middle meets the suffix. SPM here is the paper's second variant, in which PSM and SPM share how the
middle is learnt: it is PSM with an empty prefix, whose middle is prefix and middle together. What comes before the
cursor then stands last, and a cache of keys and values stays good while the reader types on.

The paper cuts at characters, before the text is tokens; so does its model cope with a cursor in the middle of a word.
Here the cuts are between tokens: a prompt that ends within a word is then harder. The paper also does best when it
turns documents round within a packed row; if it is done before packing, as by who calls this for each document, the end
of a row may part a middle from its suffix.

Source: Bavarian et al. 2022, Efficient Training of Language Models to Fill in the Middle, arXiv:2207.14255 (section 3).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch


def fill_in_the_middle(
    tokens: Sequence[int],
    generator: torch.Generator,
    *,
    prefix: int,
    suffix: int,
    middle: int,
    rate: float = 0.5,
    spm_rate: float = 0.0,
) -> list[int]:
    """One document, turned round with probability ``rate``; otherwise as it is.

    Both cuts are drawn evenly from the len(tokens) + 1 places, so that any part may be empty. Every call draws the same
    amount from the generator, whatever comes of it.

    Args:
        tokens: one document, without the EOS that is put after it later.
        generator: where chance comes from.
        prefix, suffix, middle: three ids of the vocabulary that no text gives.
        rate: share of documents turned round. The paper finds that up to 0.9 costs left-to-right loss nothing.
        spm_rate: share of those that are in SPM order; the paper's own mix is 0.5.
    Raises:
        ValueError: a rate is no probability, the three ids are not different, or one of them is in the document.
    Holds: without the three ids, what comes back has the same tokens; put back in order, it is the document.

    >>> generator = torch.Generator().manual_seed(0)
    >>> fill_in_the_middle([5, 6, 7, 8], generator, prefix=1, suffix=2, middle=3, rate=0.0)
    [5, 6, 7, 8]
    """
    for name, share in (("rate", rate), ("spm_rate", spm_rate)):
        if not 0.0 <= share <= 1.0:
            raise ValueError(f"{name} is {share}; give a share from 0 to 1")
    marks = {prefix, suffix, middle}
    if len(marks) < 3:
        raise ValueError(f"prefix, suffix and middle are {prefix}, {suffix} and {middle}; give three different ids")
    document = list(tokens)
    if not marks.isdisjoint(document):
        found = sorted(marks.intersection(document))
        raise ValueError(f"the document holds {found}, which mark its parts; give ids that no text is encoded to")
    turned, spm = torch.rand(2, generator=generator).tolist()
    i, j = sorted(torch.randint(len(document) + 1, (2,), generator=generator).tolist())
    if turned >= rate:
        return document
    before, between, after = document[:i], document[i:j], document[j:]
    if spm < spm_rate:
        return [prefix, suffix, *after, middle, *before, *between]
    return [prefix, *before, suffix, *after, middle, *between]
