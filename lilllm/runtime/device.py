"""The device to run on, and the most memory that was taken on it.

Read in order: choose, peak_memory.
"""

from __future__ import annotations

import sys

import torch


def choose(device: torch.device | str | None = None) -> torch.device:
    """``device``, or with None the first CUDA device there is, or else the CPU.

    Apple's "mps" must be named: it lacks some of what training needs, and its random numbers are its own.

    Raises:
        ValueError: it is no device, or none that torch sees here.
    """
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        first = str(error).splitlines()[0]
        raise ValueError(f"device is {str(device)!r}, which torch cannot use here ({first}); give 'cpu'") from None
    return chosen


def peak_memory(device: torch.device) -> int | None:
    """Bytes: on a GPU the most that tensors took, on the CPU the most that this process took; None if unknown."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
