"""Make the frozen lists anew: python -m lilllm.data.freeze PYTHON_LIB_FOLDER ...

Each folder is the standard library of one release (``/usr/lib/python3.11`` and so on). Only what is alike in all of
them, in the order of the first, is written to the two lists beside this file. Give all the releases,
oldest first, and use the newest Python to run it, because it parses the sources of all.
A new list changes the text, so every number in the lectures that was computed from it: not done lightly.
"""

from __future__ import annotations

import contextlib
import runpy
import sys
from pathlib import Path

from lilllm.data.frozen import fingerprint
from lilllm.data.python_code import MODULES, definitions
from lilllm.data.python_docs import paragraphs

HERE = Path(__file__).parent


def docs_of(library: Path) -> list[str]:
    """Paragraphs of the language reference in one standard library."""
    topics: dict[str, str] = runpy.run_path(str(library / "pydoc_data" / "topics.py"))["topics"]
    return paragraphs(topics)


def code_of(library: Path) -> list[str]:
    """Top-level definitions of the chosen modules in one standard library; a module that is not there has none."""
    found: list[str] = []
    for name in MODULES:
        stem = library.joinpath(*name.split("."))
        for path in (stem.with_suffix(".py"), stem / "__init__.py"):
            if path.is_file():
                with contextlib.suppress(SyntaxError):  # newer syntax than ours: then nothing of this module is taken
                    found += definitions(path.read_text(encoding="utf-8"))
                break
    return found


def alike(versions: list[list[str]]) -> list[str]:
    """What is in every version, in the order of the first, each once.

    >>> alike([["a", "b", "c", "b"], ["c", "b"], ["b", "x", "c"]])
    ['b', 'c']
    """
    common = set(versions[0]).intersection(*versions[1:])
    return list(dict.fromkeys(part for part in versions[0] if part in common))


def main(libraries: list[str]) -> None:
    if len(libraries) < 2:
        raise SystemExit("give two or more folders of standard libraries, such as /usr/lib/python3.11")
    folders = [Path(name) for name in libraries]
    for name, read in (("python_docs", docs_of), ("python_code", code_of)):
        kept = alike([read(folder) for folder in folders])
        text = "".join(fingerprint(part) + "\n" for part in kept)
        target = HERE / f"{name}.sha256"
        target.write_text("# Made by lilllm/data/freeze.py: SHA-256 of a paragraph, first 16 digits\n" + text, "utf-8")
        print(f"{name}: {len(kept)} paragraphs, {sum(map(len, kept)):,} characters")


if __name__ == "__main__":
    main(sys.argv[1:])
