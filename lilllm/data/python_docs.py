"""The English of Python's language reference, the same text under every Python from 3.11 to 3.14.

Python's ``help()`` carries the language reference in the module ``pydoc_data.topics``: some 400 to 500 kB of prose
with a little code in it. It differs between releases, even patch releases; `frozen` tells how it becomes one text.

The list was frozen over 3.11.2, 3.11.7, 3.12.1, 3.13.0, 3.13.5, 3.13.18 and 3.14.10.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from lilllm.data.frozen import pick, read_list

LIST = "python_docs.sha256"


def paragraphs(topics: Mapping[str, str]) -> list[str]:
    """Paragraphs of all topics in the order of the topics' names, split at blank lines, without repeats.

    >>> paragraphs({"b": "One.\\n\\nTwo.\\n", "a": "   Zero,\\n   still.\\n \\nOne."})
    ['   Zero,\\n   still.', 'One.', 'Two.']
    """
    found: dict[str, None] = {}
    for name in sorted(topics):
        for part in re.split(r"\n[ \t]*\n", topics[name]):
            paragraph = part.strip("\n").rstrip()
            if paragraph.strip():
                found.setdefault(paragraph)
    return list(found)


def python_docs(*, strict: bool = False) -> str:
    """About 210 kB of real English prose: the paragraphs of the language reference that do not differ between releases.

    Args:
        strict: fail if this Python lacks some of them, instead of a warning and a shorter text.
    Raises:
        FileNotFoundError: this Python was installed without its documentation.
        RuntimeError: ``strict``, and a paragraph is missing.
    """
    try:
        from pydoc_data.topics import topics
    except ModuleNotFoundError:
        raise FileNotFoundError(
            "this Python has no module pydoc_data.topics (some minimal installations leave it out); "
            "use a full Python 3.11 to 3.14, for example from python.org"
        ) from None
    return "\n\n".join(pick(paragraphs(topics), read_list(LIST), what="python_docs", strict=strict)) + "\n"
