"""Scenarios that several processes go through together, on the CPU, over the loopback alone.

    python -m tests.training.ranks NAME[,NAME...] FOLDER ...      one rank, told by RANK and so on which

`together` starts them, and no test waits for ever: what does not end in time is killed, and that is a failure.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

SECONDS = 120.0  # ten times what a busy machine needs: a rank that hangs, hangs for ever


def environment(rank: int, size: int, port: int) -> dict[str, str]:
    return {
        **os.environ,
        **{"RANK": str(rank), "WORLD_SIZE": str(size), "LOCAL_RANK": str(rank), "LOCAL_WORLD_SIZE": str(size)},
        **{"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "GLOO_SOCKET_IFNAME": loopback()},
        **{"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
    }


def loopback() -> str:
    return "lo0" if sys.platform == "darwin" else "lo"


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def start(size: int, *words: object) -> list[subprocess.Popen[str]]:
    port = free_port()
    command = [sys.executable, "-m", "tests.training.ranks", *map(str, words)]
    return [
        subprocess.Popen(
            command,
            env=environment(rank, size, port),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        for rank in range(size)
    ]


def end(processes: list[subprocess.Popen[str]], seconds: float = SECONDS) -> list[tuple[int, str]]:
    """Exit code and output of each; whoever is late is killed, and has code -9."""
    until = time.monotonic() + seconds
    told = []
    try:
        for one in processes:
            try:
                output, _ = one.communicate(timeout=max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                one.kill()
                output = one.communicate()[0] + f"\nkilled after {seconds} s"
            told.append((one.returncode, output))
    finally:
        for one in processes:
            if one.poll() is None:
                one.kill()
                one.wait()
    return told


def together(size: int, *words: object) -> list[str]:
    """Run to the end, which must be good."""
    told = end(start(size, *words))
    assert [code for code, _ in told] == [0] * size, "\n".join(f"rank {i}: {text}" for i, (_, text) in enumerate(told))
    return [output for _, output in told]


def lilllm(size: int, words: list[str]) -> tuple[int, str]:
    """`lilllm` as torchrun starts it, or by itself; exit code and output, of all ranks together."""
    torchrun = ["torch.distributed.run", "--nproc-per-node", str(size), "--master-addr", "127.0.0.1"]
    torchrun += ["--master-port", str(free_port()), "-m"]
    alone = {name: value for name, value in environment(0, 1, 0).items() if name not in ("RANK", "WORLD_SIZE")}
    process = subprocess.Popen(
        [sys.executable, "-m", *(torchrun if size > 1 else []), "lilllm", *words],
        env=alone,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=Path(__file__).parents[2],
        start_new_session=True,
    )
    return end([process])[0]


def main(names: str, *words: str) -> None:
    import torch

    from lilllm.training import parallel
    from tests.training import rank_scenarios

    torch.set_num_threads(1)
    world = parallel.here()
    assert world is not None
    parallel.join(world, "cpu")
    for name in names.split(","):
        getattr(rank_scenarios, name)(*words)
    parallel.leave()


if __name__ == "__main__":
    main(*sys.argv[1:])
