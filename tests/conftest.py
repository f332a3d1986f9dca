"""What holds for all tests: annotated shapes are checked, no network is reached, one thread, and Chromium is in CI."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from jaxtyping import install_import_hook

from tests.switched_beartype import ENABLED

# Before torch is imported: sums differ with the number of threads, and workers side by side are faster with one each.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ["LILLLM_HOME"] = ""  # no test writes to the record of who runs it


# The modules that annotate shapes. Not the others: the check costs a call of plain Python ten times its own time, and
# mypy sees those.
_PACKAGE = Path(__file__).parent.parent / "lilllm"
_SHAPED = [
    ".".join(path.relative_to(_PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
    for path in sorted(_PACKAGE.rglob("*.py"))
    if "from jaxtyping import" in path.read_text(encoding="utf-8")
]
if _SHAPED:
    install_import_hook(_SHAPED, "tests.switched_beartype.checked")


@pytest.fixture(autouse=True)
def _torch_stays_as_it_is() -> Iterator[None]:
    """What a test leaves behind in torch, tests after it would fail by."""
    yield
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_default_dtype() != torch.float32:
        left = torch.get_default_dtype()
        torch.set_default_dtype(torch.float32)
        pytest.fail(f"this test leaves {left} behind as torch's default")


LOOPBACK = ["127.0.0.1", "::1", "localhost"]


@pytest.fixture(autouse=True)
def _bad_input_speaks_for_itself(request: pytest.FixtureRequest) -> Iterator[None]:
    """Type checks are off in files and functions named ``test_bad_input...`` and under the mark ``bad_input``."""
    named = (request.path.name, request.node.name)
    off = any(name.startswith("test_bad_input") for name in named) or request.node.get_closest_marker("bad_input")
    token = ENABLED.set(not off)
    yield
    ENABLED.reset(token)


@pytest.hookimpl(trylast=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """No socket of a test's own process leaves the machine (kernels and browsers are cut off by .ci/offline.py)."""
    from pytest_socket import socket_allow_hosts

    if item.get_closest_marker("network") is None:
        socket_allow_hosts(LOOPBACK, allow_unix_socket=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests without Chromium: a failure in CI, elsewhere a skip that says what to install."""
    if find_chromium() is not None or os.environ.get("CI") == "true":
        return
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.skip(reason="Chromium is not installed (Debian: apt-get install chromium)"))


def find_chromium() -> str | None:
    """The path of Chromium or Chrome, or None; ``CHROMIUM`` in the environment names another."""
    names = (os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome", "chrome")
    return next((path for name in names if name and (path := shutil.which(name))), None)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of Chromium."""
    path = find_chromium()
    assert path is not None, "CI must have Chromium: .ci/run installs it"
    return path
