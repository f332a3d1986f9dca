"""What the build measured of each lecture: ``lectures/measured.json``, read by README and viewer.

Seconds and memory differ from run to run, so they stand beside the notebooks, not in them: the notebooks are the same
bytes each time. They are of the build, which runs the lecture under the recorder. What torch did is counted in a run of
its own.
"""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path

from lilllm.course.budget import said
from lilllm.lectures.files import write_atomically

FILE = "measured.json"


@dataclass(frozen=True)
class Measured:
    """One lecture's run: wall-clock seconds with the recorder on, the kernel's peak memory in MB (1e6 bytes), where;
    FLOPs of torch's operations, and the bytes that they moved."""

    seconds: float
    peak_mb: int
    machine: str
    flops: int = 0
    moved: int = 0

    def __str__(self) -> str:
        return said(self.seconds, self.peak_mb * 1e6, self.flops, self.moved)


def this_machine() -> str:
    """What the figures were measured on, without its name.

    Holds: one line; nothing in it names a host, a user or a path.
    """
    model = platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.partition(":")[2] for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = " ".join(names[0].split()) if names else model
    version = ".".join(platform.python_version_tuple()[:2])
    return f"{os.cpu_count()} cores, {model}, {platform.system()}, Python {version}, one thread"


def read_measured(lectures: Path) -> dict[str, Measured]:
    """The figures by lecture (``01_tokenization``); empty if nothing was built yet.

    Raises:
        ValueError: the file is not what the build writes.
    """
    path = lectures / FILE
    if not path.exists():
        return {}
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        return {
            str(name): Measured(
                float(one["seconds"]),
                int(one["peak_mb"]),
                str(one["machine"]),
                int(one.get("flops", 0)),
                int(one.get("moved", 0)),
            )
            for name, one in raw.items()
        }
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(
            f"{path} is not what the build writes ({error!r}): delete it and run `lilllm lectures build --all`"
        ) from error


def write_measured(lectures: Path, new: dict[str, Measured], *, keep: set[str]) -> None:
    """Merge ``new`` into the file; of the old figures only those of the lectures in ``keep`` stay."""
    both = {name: one for name, one in read_measured(lectures).items() if name in keep} | new
    text = json.dumps({name: asdict(both[name]) for name in sorted(both)}, indent=2, ensure_ascii=False)
    write_atomically(lectures / FILE, text + "\n")
