"""What a lecture's outputs depend on, as one hash each: its source, the package below it, the versions around it.

The package is taken by component (``lilllm/tokenizers``, ``lilllm/data`` ...): a component counts when the lecture, or
a component that counts, imports it. Coarser than by module, and it cannot miss a module that is loaded lazily by name.
"""

from __future__ import annotations

import ast
import hashlib
import platform
import re
from functools import cache
from importlib import metadata
from pathlib import Path

# The recorder makes the trace of every lecture; how traces are shown does not change them.
_ALWAYS = ("tracing",)
_NOT_RECORDING = ("tracing/player", "tracing/importers")


def source_hash(path: Path) -> str:
    """SHA-256 of the text, line ends as \\n: the same on Windows."""
    return hashlib.sha256(path.read_text(encoding="utf-8").encode()).hexdigest()


def package_hash(source: Path, package: Path) -> str:
    """SHA-256 over the files of the components of ``package`` that the lecture ``source`` reaches.

    Holds: changes when a file of an imported component changes, appears or goes; not when any other does.
    """
    digest = hashlib.sha256()
    for file in _reached(source, package):
        relative = file.relative_to(package).as_posix()
        if not relative.startswith(_NOT_RECORDING):
            content = file.read_bytes().replace(b"\r\n", b"\n")
            digest.update(f"{relative}\0{hashlib.sha256(content).hexdigest()}\n".encode())
    return digest.hexdigest()


def _reached(source: Path, package: Path) -> list[Path]:
    waiting = {*_ALWAYS, *_imported(source, package)}
    reached: dict[str, list[Path]] = {}
    while waiting:
        component = waiting.pop()
        folder = package / component
        module = package / f"{component}.py"
        files = sorted(folder.rglob("*")) if folder.is_dir() else [module] if module.is_file() else []
        files = [f for f in files if f.is_file() and f.suffix not in {".pyc", ".md"} and "__pycache__" not in f.parts]
        reached[component] = files
        for file in files:
            if file.suffix == ".py":
                waiting |= _imported(file, package) - reached.keys()
    return [file for component in sorted(reached) for file in reached[component]]


def _imported(file: Path, package: Path) -> set[str]:
    """The components that a file names in its imports, at the top or in a function."""
    name = package.name
    inside = file.resolve().relative_to(package.resolve()).parts[:-1] if file.is_relative_to(package) else None
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"), filename=file.name)):
        targets: list[str] = []
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                if inside is None:
                    continue
                parts = (name, *inside)[: len(inside) + 2 - node.level]
                base = ".".join((*parts, base)).rstrip(".")
            targets = [f"{base}.{alias.name}" for alias in node.names]
        found |= {
            parts[1] for parts in (target.split(".") for target in targets) if parts[0] == name and len(parts) > 1
        }
    return {
        component for component in found if (package / component).is_dir() or (package / f"{component}.py").is_file()
    }


@cache
def versions() -> dict[str, str]:
    """Python and the libraries that lectures use, as lilllm's metadata names them; without local parts (``+cpu``)."""
    found = {"python": ".".join(platform.python_version_tuple()[:2])}
    for requirement in metadata.requires("lilllm") or []:
        marker = requirement.partition(";")[2]
        name = re.split(r"[\s\[<>=!~;(]", requirement, maxsplit=1)[0].lower()
        if name == "lilllm" or (marker and "lab" not in marker):
            continue
        try:
            found[name] = metadata.version(name).partition("+")[0]
        except metadata.PackageNotFoundError:
            continue
    return dict(sorted(found.items()))
