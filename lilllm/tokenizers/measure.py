"""How well a tokenizer fits a text: bytes a token, tokens a word.

Both depend on the text as much as on the tokenizer: state the text with the number.
"""

from __future__ import annotations

from lilllm.tokenizers.protocol import Tokenizer
from lilllm.tokenizers.splitters import WhitespaceSplit


def compression_ratio(tokenizer: Tokenizer, text: str) -> float:
    """Bytes of UTF-8 a token: how much text fits into a context window. Bytes as tokens give exactly 1.

    A tokenizer that loses text (``[UNK]``) looks better than it is: count what it lost beside this.

    Raises:
        ValueError: no token comes out, so there is no ratio.

    >>> from lilllm.tokenizers.byte import ByteTokenizer
    >>> compression_ratio(ByteTokenizer(), "\N{EARTH GLOBE EUROPE-AFRICA}")
    1.0
    """
    return len(text.encode("utf-8")) / _n_tokens(tokenizer, text)


def fertility(tokenizer: Tokenizer, text: str) -> float:
    """Tokens a word, a word being what white space separates; of use only for scripts that write blanks.

    Raises:
        ValueError: the text has no word.

    >>> from lilllm.tokenizers.char import CharTokenizer
    >>> fertility(CharTokenizer.train("ab cd"), "ab cd")
    2.5
    """
    words = len(WhitespaceSplit().split(text))
    if not words:
        raise ValueError("the text has no word, so there are no tokens a word; give a text that is not white space")
    return _n_tokens(tokenizer, text) / words


def _n_tokens(tokenizer: Tokenizer, text: str) -> int:
    n = len(tokenizer.encode(text))
    if not n:
        raise ValueError("the text gives no tokens, so there is nothing to measure; give a text that is not empty")
    return n
