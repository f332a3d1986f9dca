"""Text that is always there: no download, and the same for everyone.

    python_docs   prose of the Python language reference, from the Python that runs
    python_code   source code of the standard library, from the Python that runs
    article_one   one short text in fifteen languages

Read in order: frozen (why a list of hashes), python_docs, python_code, human_rights.
"""

from lilllm.data.human_rights import LANGUAGES, article_one
from lilllm.data.python_code import python_code
from lilllm.data.python_docs import python_docs

__all__ = ["LANGUAGES", "article_one", "python_code", "python_docs"]
