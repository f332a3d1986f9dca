"""Run a command where there is no network, and fail if anything tried to reach one.

    python .ci/offline.py [--record-only] COMMAND ...

On Linux the command runs in a network namespace of its own, in which only the loopback exists: tests, kernels and
browsers alike. The kernel counts what had no route, so an attempt is seen even where the program swallowed the error or
a connect seemed to succeed. The command also has its own process namespace: what it left running is named, counts as a
failure, and ends with it.

Where namespaces are not allowed (macOS, Windows, some containers) the command runs as it is, and that is said; sockets
of the tests' own processes are blocked by pytest-socket all the same.

Only the standard library, and no import of lilllm: it runs before and around everything else.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

INSIDE = "LILLLM_OFFLINE_INSIDE"
NOWHERE = (
    "nameserver 192.0.2.1\n"  # TEST-NET-1, RFC 5737: a look-up then counts as an attempt, also where loopback resolves
)
LOOPBACK = "\n::1 localhost\n::ffff:127.0.0.1 localhost\n"
GRACE = 5.0  # seconds for helpers of the command to end by themselves


def main(arguments: list[str]) -> int:
    if os.environ.get(INSIDE):
        return inside(arguments)
    namespaces = allowed_namespaces()
    if not namespaces:
        print("offline: network namespaces are not allowed here; only Python's own sockets are blocked", flush=True)
        return subprocess.call([argument for argument in arguments if argument != "--record-only"])
    command = [*namespaces, sys.executable, __file__, *arguments]
    process = subprocess.Popen(command, env=os.environ | {INSIDE: "1"})
    signal.signal(signal.SIGTERM, lambda *_: process.kill())  # unshare passes no SIGTERM on; all inside end with it
    try:
        code = process.wait()
        return code if code >= 0 else 128 - code
    except KeyboardInterrupt:  # the command got it too
        try:
            return process.wait(timeout=GRACE) or 130
        except subprocess.TimeoutExpired:
            process.kill()
            return 130


def allowed_namespaces() -> list[str]:
    """The `unshare` command that works here, as root or as anyone; empty if none does."""
    if not sys.platform.startswith("linux") or shutil.which("unshare") is None:
        return []
    for user in ([], ["--map-root-user"]):
        attempt = ["unshare", *user, "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        probe = subprocess.run([*attempt, "true"], capture_output=True, check=False)
        if probe.returncode == 0:
            return attempt
    return []


def inside(arguments: list[str]) -> int:
    """As process 1 of the new namespaces: run the command, take in orphans, see what is left and what was counted."""
    raise_loopback()
    lose_resolver()
    record_only = arguments[:1] == ["--record-only"]
    environment = {name: value for name, value in os.environ.items() if name != INSIDE}
    process = subprocess.Popen(arguments[1:] if record_only else arguments, env=environment)
    # Process 1 gets only the signals that it handles.
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    code = 130
    while True:
        try:
            pid, status = os.wait()
        except KeyboardInterrupt:
            continue
        if pid == process.pid:
            code = os.waitstatus_to_exitcode(status)
            break
    left = left_running()
    for name in left:
        print(f"offline: left running: {name}", flush=True)
    attempts = unroutable()
    if attempts:
        print(
            f"offline: {attempts} attempts to reach the network{' (recorded only)' if record_only else ''}", flush=True
        )
    if code == 0 and (left or (attempts and not record_only)):
        return 1
    return code if code >= 0 else 128 - code


def raise_loopback() -> None:
    """What `ip link set lo up` does, without the program."""
    import fcntl

    get_flags, set_flags, up = 0x8913, 0x8914, 0x1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14x", b"lo", 0)
        (flags,) = struct.unpack("16xh14x", fcntl.ioctl(any_socket, get_flags, request))
        fcntl.ioctl(any_socket, set_flags, struct.pack("16sh14x", b"lo", flags | up))


def lose_resolver() -> None:
    """In this mount namespace, names are asked of an address that has no route, and loopback's own are all known.

    torch.distributed asks for the name of each process that comes in, as ::ffff:127.0.0.1, only to write it in a log.
    """
    hosts = Path("/etc/hosts").read_text() if Path("/etc/hosts").exists() else ""
    for target, text in (("/etc/resolv.conf", NOWHERE), ("/etc/hosts", hosts.rstrip() + LOOPBACK)):
        with tempfile.NamedTemporaryFile("w", prefix="names-", delete=False) as file:
            file.write(text)
        Path(file.name).chmod(0o644)
        subprocess.run(["mount", "--bind", file.name, target], capture_output=True, check=False)
        Path(file.name).unlink()  # the mount keeps it


def left_running() -> list[str]:
    """Processes that did not end with the command, after a moment's grace."""
    end = time.monotonic() + GRACE
    while True:
        reap()
        others = [path for path in Path("/proc").iterdir() if path.name.isdigit() and path.name != "1"]
        if not others or time.monotonic() > end:
            return [command_line(path) for path in others]
        time.sleep(0.1)


def reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return


def command_line(process: Path) -> str:
    try:
        return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")[
            :200
        ].strip() or "(ended)"
    except OSError:
        return "(ended)"


def unroutable() -> int:
    """Packets and connections that had no route in this network namespace, IPv4 and IPv6."""
    names, values = (line.split() for line in Path("/proc/net/snmp").read_text().splitlines() if line.startswith("Ip:"))
    count = int(values[names.index("OutNoRoutes")])
    six = Path("/proc/net/snmp6")
    for line in six.read_text().splitlines() if six.exists() else []:
        name, value = line.split()
        if name == "Ip6OutNoRoutes":
            count += int(value)
    return count


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
