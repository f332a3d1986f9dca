"""Run every benchmark of this folder, one after the other so that none disturbs another, and print its tables.

make bench              or, for some:  python tests/bench/run.py trace tokenizers
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent


def main(names: list[str]) -> int:
    benches = {path.stem.removeprefix("bench_"): path for path in sorted(HERE.glob("bench_*.py"))}
    unknown = [name for name in names if name not in benches]
    if unknown:
        print(f"there is no benchmark {unknown[0]!r}; there are: {', '.join(benches)}", file=sys.stderr)
        return 2
    failed = []
    for name in names or benches:
        print(f"== {name} ==", flush=True)
        began = time.monotonic()
        # Figures are for one thread; two would measure the machine's neighbours too.
        environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONPATH": str(HERE.parents[1])}
        if subprocess.run([sys.executable, str(benches[name])], env=environment, check=False).returncode:
            failed.append(name)
        print(f"   ({time.monotonic() - began:.0f} s)\n", flush=True)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
