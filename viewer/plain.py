"""Names, messages and sentences from files, in pages whose text is Markdown."""

import re
from html import escape

_PICTURES = {code: 0x2400 + code for code in range(32) if code not in (9, 10)} | {127: 0x2421}


def plain(text: str) -> str:
    """Text that Streamlit's Markdown shows as it is."""
    return "".join(f"\\{c}" if c in r"\`*_{}[]()#+-.!|~>$:<" else c for c in text)


def sentence(text: str) -> str:
    """Text of a docstring: code between backticks is code, all else as it is, and it begins with a capital.

    >>> sentence("read `x[0]`, not <b>")
    'Read `x[0]`, not \\\\<b\\\\>'
    """
    parts = re.split(r"(`[^`\n]+`)", text[:1].upper() + text[1:])
    return "".join(part if i % 2 else plain(part) for i, part in enumerate(parts))


def written(text: str) -> str:
    r"""What a model wrote, as HTML that is that text; control characters, which HTML has not, as their pictures.

    >>> written("<b>\x00\r\n")
    '&lt;b&gt;␀␍\n'
    """
    return escape(text.translate(_PICTURES))
