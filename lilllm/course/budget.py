"""A lecture's budget: what it may take of the learner's machine, stated in its header and measured by the build.

    - **Budget:** 60 s, 2 GB, 5 GFLOP, 20 GB moved

Seconds and memory are of one thread on a laptop. FLOPs and bytes moved are those of torch's operations, as
`lilllm.accounting.count` counts them; a lecture that names neither runs none. What Python and NumPy compute shows in
the seconds.

Read in order: Budget, parse.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MOST_SECONDS, MOST_MEMORY = 60.0, 2e9  # what a learner's laptop has: COURSE.md's budget of every lecture
FORM = "60 s, 2 GB, 5 GFLOP, 20 GB moved"
_PREFIX = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_PARTS = {
    "seconds": r"()s",
    "memory": r"([MG])B",
    "flops": r"([kMGT]?)FLOPs?",
    "moved": r"([kMGT]?)B moved",
}


@dataclass(frozen=True, kw_only=True)
class Budget:
    """``seconds`` with the recorder on; ``memory``: peak bytes of the kernel; ``flops``; ``moved``: bytes."""

    seconds: float
    memory: float
    flops: float = 0.0
    moved: float = 0.0

    def __str__(self) -> str:
        return said(self.seconds, self.memory, self.flops, self.moved)

    def exceeded(self, *, seconds: float, memory: float, flops: float, moved: float) -> list[str]:
        """What was measured and is more than the budget, each in a sentence; empty if it is kept."""
        found = []
        if seconds > self.seconds:
            found.append(f"it took {seconds:g} s; its budget is {self.seconds:g} s")
        if memory > self.memory:
            found.append(f"it took {_with_unit(memory, 'B')}; its budget is {_with_unit(self.memory, 'B')}")
        if flops > self.flops:
            found.append(f"torch did {_with_unit(flops, 'FLOP')}; its budget is {_with_unit(self.flops, 'FLOP')}")
        if moved > self.moved:
            found.append(f"torch moved {_with_unit(moved, 'B')}; its budget is {_with_unit(self.moved, 'B')}")
        return found


def said(seconds: float, memory: float, flops: float, moved: float) -> str:
    """Figures as a header writes them.

    >>> said(21.4, 5.1e8, 3.2e9, 0)
    '21.4 s, 510 MB, 3.2 GFLOP'
    """
    parts = [f"{seconds:g} s", _with_unit(memory, "B")]
    parts += [_with_unit(flops, "FLOP")] if flops else []
    parts += [_with_unit(moved, "B") + " moved"] if moved else []
    return ", ".join(parts)


def parse(text: str) -> Budget:
    """The budget that ``text`` states.

    Raises:
        ValueError: another form, or more than a lecture may take.

    >>> parse("20 s, 500 MB, 3 GFLOP").flops
    3000000000.0
    """
    found: dict[str, float] = {}
    for part in text.rstrip(".").split(","):
        for name, unit in _PARTS.items():
            if name not in found and (matched := re.fullmatch(rf"(\d+(?:\.\d+)?) ?{unit}", part.strip())):
                found[name] = float(matched.group(1)) * _PREFIX[matched.group(2)]
                break
        else:
            raise ValueError(f"*Budget* is {text!r}, not of the form `{FORM}`")
    if not {"seconds", "memory"} <= found.keys():
        raise ValueError(f"*Budget* is {text!r}, not of the form `{FORM}`")
    if not 0 < found["seconds"] <= MOST_SECONDS or not 0 < found["memory"] <= MOST_MEMORY:
        raise ValueError(
            f"*Budget* is {text!r}; a lecture may take at most {MOST_SECONDS:g} s, {_with_unit(MOST_MEMORY, 'B')}"
        )
    return Budget(**found)


def _with_unit(value: float, unit: str) -> str:
    """Four digits and a prefix: 5.125 GFLOP, 510 MB."""
    for prefix in ("T", "G", "M", "k"):
        if value >= _PREFIX[prefix]:
            return f"{value / _PREFIX[prefix]:.4g} {prefix}{unit}"
    return f"{value:.4g} {unit}"
