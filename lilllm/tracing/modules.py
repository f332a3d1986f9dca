"""The source of an imported module, for ``@stepinto lilllm.x``, under a name that does not tell where it lies."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

from lilllm.tracing.source import Plan, plan


def module_source(name: str) -> tuple[str, str, str, Plan] | None:
    """Its file as code objects name it, the name to show, its text and its plan; None if it has no Python source.

    The module was compiled as it is, so no loop of it is woven: a folded one is counted, not switched off.
    """
    module = sys.modules[name]
    file = getattr(module, "__file__", None)
    if not file or not file.endswith(".py"):
        return None
    path = Path(file)
    try:
        text = path.read_text(encoding="utf-8")
        made = plan(ast.parse(text), text)
    except (OSError, SyntaxError, ValueError):
        return None
    parts = name.split(".")
    shown = "/".join([*parts, "__init__.py"]) if path.name == "__init__.py" else "/".join(parts) + ".py"
    made.loop = {line: type(loop)(loop.number, loop.first, loop.last, False) for line, loop in made.loop.items()}
    made.step_into = []
    return file, shown, text, made
