"""What the viewer was started with: where runs are, and models besides theirs.

    streamlit run viewer -- --runs FOLDER --model FOLDER_OR_HUB_NAME

``--model`` adds one, and may come several times.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from lilllm.runtime.run_folders import RUNS

VARIABLE = "LILLLM_RUNS"


def runs_root() -> Path:
    """``--runs FOLDER``, or LILLLM_RUNS, or ``runs`` where the viewer was started."""
    return Path(_given("--runs", "store") or os.environ.get(VARIABLE) or RUNS).expanduser()


def given_models() -> list[str]:
    """What ``--model`` named."""
    return _given("--model", "append") or []


def _given(option: str, action: str) -> Any:
    """What came with an option; None where it was left out, or nothing came with it."""
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    parser.add_argument(option, action=action, dest="given")
    try:
        return parser.parse_known_args(sys.argv[1:])[0].given
    except argparse.ArgumentError:
        return None
