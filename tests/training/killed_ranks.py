"""Two ranks that train together; one of them is killed with SIGKILL at a random moment, and both begin again.

    python -m tests.training.killed_ranks KIND FOLDER KILLS SEED

The other must end by itself, and know why. Ranks are forked from a process that has torch loaded already. A checkpoint
is written after every step: most kills land inside of one. They land once the two have met; before that it is torchrun
that ends the other.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
import traceback
from pathlib import Path

import torch
from safetensors.torch import load_file

from lilllm.training import parallel
from lilllm.training.checkpoint import read_state
from tests.training import rank_scenarios, ranks
from tests.training.killed import what_is_left

CHANGES = {"steps": 16, "save_every": 1, "eval_every": 5, "keep": 2}
SECONDS = 90.0  # a rank that is alone ends within a second or two, on a machine that has nothing else to do
LOST = 3


def rank(number: int, port: int, kind: str, folder: Path) -> int:
    """A process that trains in ``folder`` from where it is; code 0, or `LOST` where the other one is gone."""
    process = os.fork()
    if process == 0:
        code = 1
        try:
            os.environ.update(ranks.environment(number, 2, port))
            world = parallel.here()
            assert world is not None
            parallel.join(world, "cpu")
            one = rank_scenarios.trainer(kind, folder, changes=CHANGES, resume=True)
            met(folder, number).touch()
            one.run()
            parallel.leave()
            code = 0
        except RuntimeError as error:
            if parallel.lost(error):
                code = LOST
            else:
                traceback.print_exc()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return process


def met(folder: Path, number: int) -> Path:
    return folder.with_name(f"{folder.name}-met-{number}")


def pair(kind: str, folder: Path) -> list[int]:
    for number in (0, 1):
        met(folder, number).unlink(missing_ok=True)
    port = ranks.free_port()
    return [rank(number, port, kind, folder) for number in (0, 1)]


def ended(process: int) -> int:
    """Its exit code, or the signal's number below 0; one that does not end is killed, and that is a failure."""
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        found, status = os.waitpid(process, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    raise AssertionError(f"the rank that was left did not end within {SECONDS} s")


def left(folder: Path) -> dict[str, object]:
    """Of sharded files the numbers: who writes what all ranks have alike, and in what order, is not always the same."""
    found = {name: value for name, value in what_is_left(folder).items() if not name.startswith("sharded/")}
    parts: dict[str, list[bytes]] = {}
    for file in sorted((folder / "checkpoints" / str(found["name"])).glob("sharded/*")):
        for name, value in load_file(file).items():
            parts.setdefault(name, []).append(value.numpy().tobytes())
    return {**found, **parts}


def main(kind: str, home: Path, kills: int, seed: int) -> dict[str, int]:
    folder, drawn = home / "undisturbed", random.Random(seed)
    both = pair(kind, folder)
    while not met(folder, 0).exists():
        time.sleep(0.01)
    began = time.monotonic()
    assert [ended(process) for process in both] == [0, 0]
    whole = time.monotonic() - began
    wanted, done, alone = left(folder), 0, 0
    folder = home / "killed"
    while True:
        both, unlucky = pair(kind, folder), drawn.randrange(2)
        if done == kills:
            assert [ended(process) for process in both] == [0, 0]
            break
        while not all(met(folder, number).exists() for number in (0, 1)):
            time.sleep(0.01)
        time.sleep(drawn.uniform(0, whole / kills))
        os.kill(both[unlucky], signal.SIGKILL)
        codes = [ended(process) for process in both]
        done += codes[unlucky] == -signal.SIGKILL
        alone += codes[1 - unlucky] == LOST
        assert codes[1 - unlucky] in (0, LOST), codes  # 0: all was done
        for path in (folder / "checkpoints").glob("step-*"):
            read_state(path)  # what has a name is whole
    found = left(folder)
    different = [name for name in wanted | found if found.get(name) != wanted.get(name)]
    assert not different, f"after kills: {different}"
    return {"kills": done, "alone": alone, "steps": CHANGES["steps"]}


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(json.dumps(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))))
