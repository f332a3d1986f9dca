"""kill -9 at any moment costs nothing but time."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_twenty_kills_and_the_weights_are_those_of_an_undisturbed_run(tmp_path):
    command = [sys.executable, "-m", "tests.training.killed", str(tmp_path), "20", "0"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["kills"] >= 20
    assert found["inside_saves"] >= 3  # about half of a run's time is saving here
    assert found["left_over"] == 0  # what a kill left half written is gone at the end


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.parametrize("kind", ["ddp", "fsdp"])
def test_one_of_two_ranks_killed_and_the_weights_are_those_of_an_undisturbed_run(tmp_path, kind):
    command = [sys.executable, "-m", "tests.training.killed_ranks", kind, str(tmp_path), "3", "0"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["kills"] == 3
    assert found["alone"] >= 2  # who was left ended by itself, and knew why
