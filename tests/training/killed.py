"""Runs that are killed with SIGKILL at random moments and resumed until they end; what is left is compared.

    python -m tests.training.killed FOLDER KILLS SEED

Children are forked from a process that has torch loaded already, so that a kill costs milliseconds. A checkpoint is
written after every step: most kills land inside of one.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
import traceback
from pathlib import Path

import torch

from tests.training import tiny

CHANGES = {"steps": 30, "save_every": 1, "eval_every": 7, "optimizer": "muon", "keep": 2}


def child(folder: Path) -> int:
    """A process that trains in ``folder`` from where it is."""
    number = os.fork()
    if number == 0:
        code = 1
        try:
            tiny.trainer(folder, changes=CHANGES, resume=True).run()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return number


def undisturbed(folder: Path) -> float:
    began = time.monotonic()
    _, status = os.waitpid(child(folder), 0)
    assert status == 0
    return time.monotonic() - began


def what_is_left(folder: Path) -> dict[str, object]:
    last = sorted((folder / "checkpoints").glob("step-*"))[-1]
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    timed = ("seconds", "tokens_per_second", "memory_bytes")
    told = [{k: v for k, v in one.items() if k not in timed} for one in lines if one["kind"] != "event"]
    paths = sorted(path for path in last.rglob("*") if path.is_file() and path.name != "trainer.json")
    files = {path.relative_to(last).as_posix(): path.read_bytes() for path in paths}
    return {"name": last.name, **files, "records": told, "best": (folder / "checkpoints" / "best.json").read_text()}


def warm(folder: Path) -> None:
    """All that a child would otherwise import by itself; no gradients, whose threads do not survive a fork."""
    one = tiny.trainer(folder, changes=CHANGES)
    one.watch.evaluate()
    one.save()
    tiny.trainer(folder, changes=CHANGES, resume=True)


def main(home: Path, kills: int, seed: int) -> dict[str, int]:
    warm(home / "warm")
    whole = undisturbed(home / "undisturbed")
    wanted = what_is_left(home / "undisturbed")
    drawn = random.Random(seed)
    done = inside = rounds = hidden = 0
    while done < kills:
        folder = home / f"killed-{rounds}"
        rounds += 1
        while True:
            number = child(folder)
            if done < kills:
                time.sleep(drawn.uniform(0, whole / 6))
                os.kill(number, signal.SIGKILL)
            _, status = os.waitpid(number, 0)
            if os.WIFEXITED(status):
                assert os.WEXITSTATUS(status) == 0, "a resumed run failed"
                break
            done += 1
            inside += bool(list((folder / "checkpoints").glob(".step-*")))
            # What is there at any moment can be read: every checkpoint that has a name is whole.
            for path in (folder / "checkpoints").glob("step-*"):
                assert (path / "trainer.json").exists(), path
            if (folder / "metrics.jsonl").exists():
                for line in (folder / "metrics.jsonl").read_text().splitlines():
                    json.loads(line)
        left = what_is_left(folder)
        different = [name for name in wanted if left.get(name) != wanted[name]]
        assert not different, f"after kills: {different}"
        hidden += len([p for p in (folder / "checkpoints").iterdir() if p.name.startswith(".")])
        shutil.rmtree(folder)
    return {"kills": done, "inside_saves": inside, "rounds": rounds, "left_over": hidden}


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))
