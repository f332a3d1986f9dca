"""Pictures of a notebook, compared as pictures."""

from __future__ import annotations

import base64
import shutil
import tempfile
from pathlib import Path
from typing import Any

# Root mean square over all pixels and channels, 0 to 255. The same code on the same versions gives 0. Another processor
# may move an edge by a fraction of a grey level; and 400 noisy losses, as training has magnified its other rounding, by
# 0.7. One marker of six moved by a 50th of the axis gives 3.5.
TOLERANCE = 0.9


def compare_pictures(committed: list[bytes], new: list[bytes], *, name: str, keep: Path) -> str:
    """How the PNGs of a cell differ from the committed ones, in a sentence; empty if they agree within TOLERANCE.

    Args:
        keep: where the two pictures and their difference go when they differ, so that one can look.
    """
    from matplotlib.testing.compare import compare_images
    from matplotlib.testing.exceptions import ImageComparisonFailure

    if len(committed) != len(new):
        return f"the cell drew {len(new)} pictures, the committed notebook has {len(committed)}"
    for at, (before, now) in enumerate(zip(committed, new, strict=True)):
        if before == now:
            continue
        with tempfile.TemporaryDirectory() as folder:
            one, two = (Path(folder) / f"{name}-{at}-{which}.png" for which in ("committed", "new"))
            one.write_bytes(before)
            two.write_bytes(now)
            try:
                result = compare_images(str(one), str(two), tol=TOLERANCE, in_decorator=True)
            except ImageComparisonFailure as error:  # sizes differ
                return f"picture {at + 1} differs: {' '.join(str(error).split())}"
            if result is not None:
                keep.mkdir(parents=True, exist_ok=True)
                for picture in Path(folder).glob("*.png"):
                    shutil.copy(picture, keep)
                rms = result["rms"]
                return (
                    f"picture {at + 1} differs by RMS {rms:.2f} (at most {TOLERANCE} allowed); see {keep}/{name}-{at}-*"
                )
    return ""


def pictures(outputs: list[Any]) -> list[bytes]:
    """The PNGs among the outputs of a cell."""
    shown = [output.get("data", {}).get("image/png") for output in outputs]
    return [base64.b64decode("".join(data)) for data in shown if data]
