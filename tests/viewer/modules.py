"""Modules of the viewer, which Streamlit imports by their bare names."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

VIEWER = Path(__file__).resolve().parents[2] / "viewer"


def module(name: str) -> Any:
    """The module ``viewer/NAME.py``."""
    if str(VIEWER) not in sys.path:
        sys.path.insert(0, str(VIEWER))
    return importlib.import_module(name)
