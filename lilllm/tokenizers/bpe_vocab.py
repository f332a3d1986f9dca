"""The vocabulary of a BPE tokenizer: which orders of ids there are, and what is refused.

Read in order:  default_vocab, hugging_face_vocab (two conventions)
                check_merges, check_vocab, check_special (a clear error for each way to be wrong)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lilllm.tokenizers.byte_chars import BYTE_ORDER, to_chars

BytePair = tuple[bytes, bytes]

ONE_BYTE = [bytes([byte]) for byte in range(256)]


def default_vocab(merges: Sequence[BytePair]) -> dict[bytes, int]:
    """The bytes in order, then one id a merge.

    Raises:
        ValueError: two merges make the same token, so that "one id a merge" has no meaning.
    """
    vocab = {token: index for index, token in enumerate(ONE_BYTE)}
    for index, (first, second) in enumerate(merges):
        if vocab.setdefault(first + second, 256 + index) != 256 + index:
            raise ValueError(
                f"merge {index} makes {first + second!r}, as an earlier merge does; give vocab= if that is meant"
            )
    return vocab


def hugging_face_vocab(merges: Sequence[BytePair], n_special: int) -> dict[bytes, int]:
    """As Hugging Face's trainer numbers: special tokens (not in here), bytes by their stand-ins, one id a merge."""
    tokens = [ONE_BYTE[byte] for byte in BYTE_ORDER] + [first + second for first, second in merges]
    return {token: n_special + index for index, token in enumerate(tokens)}


def check_merges(merges: Sequence[BytePair], vocab: Mapping[bytes, int] | None) -> list[BytePair]:
    """The merges, if each is of two known tokens and makes a known one.

    Known are the bytes and what earlier merges make, or what ``vocab`` holds where it is given.
    """
    known = set(ONE_BYTE) if vocab is None else vocab.keys()
    checked: dict[BytePair, None] = {}
    for index, merge in enumerate(merges):
        pair = tuple(merge)
        if len(pair) != 2 or not all(isinstance(token, bytes) and token for token in pair):
            raise ValueError(f"merge {index} is {merge!r}; a merge is two tokens, each bytes of length 1 or more")
        for token in (*pair, *([] if vocab is None else [pair[0] + pair[1]])):
            if token not in known:
                missing = (
                    "vocab does not hold" if vocab is not None else "is neither a byte nor made by an earlier merge"
                )
                raise ValueError(f"merge {index}, {pair[0]!r} and {pair[1]!r}, refers to {token!r}, which {missing}")
        if pair in checked:
            raise ValueError(f"merge {index}, {pair[0]!r} and {pair[1]!r}, is there twice")
        checked[pair] = None
        if vocab is None:
            known.add(pair[0] + pair[1])  # type: ignore[union-attr]
    return list(checked)


def check_vocab(vocab: Mapping[bytes, int]) -> dict[bytes, int]:
    """The vocabulary, if its ids are different integers from 0 on and every byte has one."""
    for token, token_id in vocab.items():
        if not isinstance(token, bytes) or not token:
            raise ValueError(f"vocab holds {token!r} (id {token_id!r}); a token is bytes of length 1 or more")
        if isinstance(token_id, bool) or not isinstance(token_id, int) or not 0 <= token_id < 2**31:
            raise ValueError(f"vocab gives {token!r} the id {token_id!r}; an id is an integer from 0 to 2**31 - 1")
    _refuse_same_id([(repr(token), token_id) for token, token_id in vocab.items()])
    missing = [token for token in ONE_BYTE if token not in vocab]
    if missing:
        raise ValueError(
            f"vocab lacks {len(missing)} of the 256 bytes, {missing[0]!r} first: some texts would have no ids. Train "
            "with all bytes in the alphabet (in Hugging Face's trainer: initial_alphabet=ByteLevel.alphabet())"
        )
    return dict(vocab)


def check_special(special_tokens: Sequence[str] | Mapping[str, int], vocab: Mapping[bytes, int]) -> dict[str, int]:
    """Special tokens and their ids: those given, or the ones after all of ``vocab``."""
    if isinstance(special_tokens, str):
        raise TypeError(f"special_tokens is the text {special_tokens!r}; give a list of names or a mapping name -> id")
    for name in special_tokens:
        if not isinstance(name, str) or not name:
            raise ValueError(f"special token {name!r} is not a text of at least one character")
    if not isinstance(special_tokens, Mapping):
        twice = [name for index, name in enumerate(special_tokens) if name in special_tokens[:index]]
        if twice:
            raise ValueError(f"special token {twice[0]!r} is given twice; give each name once")
        after = max(vocab.values(), default=-1) + 1
        special_tokens = {name: after + index for index, name in enumerate(special_tokens)}
    for name, token_id in special_tokens.items():
        if isinstance(token_id, bool) or not isinstance(token_id, int) or not 0 <= token_id < 2**31:
            raise ValueError(f"special token {name!r} has the id {token_id!r}; an id is an integer from 0 to 2**31 - 1")
    tokens = [(repr(token), token_id) for token, token_id in vocab.items()]
    _refuse_same_id(tokens + [(f"special {name!r}", token_id) for name, token_id in special_tokens.items()])
    if special_tokens:
        written = {to_chars(token): token for token in vocab}
        for name in special_tokens:
            if name in written:
                raise ValueError(
                    f"special token {name!r} is also how files write the token {written[name]!r}; use another name"
                )
    return dict(special_tokens)


def _refuse_same_id(tokens: list[tuple[str, int]]) -> None:
    owner: dict[int, str] = {}
    for name, token_id in tokens:
        if token_id in owner:
            raise ValueError(f"tokens {owner[token_id]} and {name} have the same id {token_id}")
        owner[token_id] = name
