"""Source code from Python's standard library, the same under every Python from 3.11 to 3.14.

As `python_docs`, with top-level functions and classes in place of paragraphs: those that were alike, character for
character, in every release that the list was frozen over.
"""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

from lilllm.data.frozen import pick, read_list

LIST = "python_code.sha256"

# Modules in plain Python that are old, well written and seldom changed.
MODULES = (
    "argparse", "ast", "base64", "bisect", "calendar", "collections", "colorsys", "configparser", "contextlib",
    "copy", "csv", "dataclasses", "decimal", "difflib", "enum", "fileinput", "filecmp", "fnmatch", "fractions",
    "functools", "getopt", "gettext", "glob", "graphlib", "heapq", "html.parser", "inspect", "ipaddress",
    "json.decoder", "json.encoder", "json.scanner", "keyword", "linecache", "logging", "mailbox", "numbers",
    "operator", "optparse", "pprint", "queue", "quopri", "random", "reprlib", "sched", "shelve", "shlex",
    "statistics", "string", "tabnanny", "textwrap", "threading", "timeit", "tokenize", "trace", "turtle",
    "types", "typing", "unittest.case", "unittest.suite", "urllib.parse", "uuid", "wave", "weakref", "zipfile",
)  # fmt: skip


def definitions(source: str) -> list[str]:
    """Top-level functions and classes of a module's source, with their decorators.

    >>> definitions("import os\\n\\ndef f():\\n    return 1\\n\\nx = 2\\n")
    ['def f():\\n    return 1']
    """
    lines = source.splitlines()
    found = []
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            found.append("\n".join(lines[first - 1 : node.end_lineno]))
    return found


def module_source(name: str) -> str:
    """Source of a standard module as it lies on the disk; empty if this Python has only its compiled form."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.origin or not Path(spec.origin).is_file() or not spec.origin.endswith(".py"):
        return ""
    return Path(spec.origin).read_text(encoding="utf-8")


def python_code(*, strict: bool = False) -> str:
    """Real Python source: functions and classes of the standard library that do not differ between releases.

    Args:
        strict: fail if this Python lacks some of them, instead of a warning and a shorter text.
    Raises:
        RuntimeError: ``strict``, and a definition is missing.
    """
    found = [part for name in MODULES for part in definitions(module_source(name))]
    return "\n\n\n".join(pick(found, read_list(LIST), what="python_code", strict=strict)) + "\n"
