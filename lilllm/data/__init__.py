"""Text and images that are always there: no download, and the same for everyone.

    python_docs   prose of the Python language reference, from the Python that runs
    python_code   source code of the standard library, from the Python that runs
    article_one   one short text in fifteen languages
    LilTown       a small world in simple English: stories, questions with true answers, sums, preferences
    digits        handwritten digits of 8 x 8 pixels, with captions

Read in order: frozen (why a list of hashes), python_docs, python_code, human_rights, liltown, digits.
"""

from lilllm.data.digits import Digits, digits
from lilllm.data.human_rights import LANGUAGES, article_one
from lilllm.data.liltown import LilTown
from lilllm.data.python_code import python_code
from lilllm.data.python_docs import python_docs

__all__ = ["LANGUAGES", "Digits", "LilTown", "article_one", "digits", "python_code", "python_docs"]
