"""Write constraints.txt: the exact versions, in this environment, of all that lilllm's extras pull in.

make constraints        after an upgrade; then build all lectures, whose outputs were made with these versions
"""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

TARGET = Path(__file__).parent.parent / "constraints.txt"
HEAD = """\
# The exact versions that the committed notebooks and traces were made with (Python 3.11, Linux x86-64).
# Written by `make constraints`. Use: pip install -e ".[lab,viewer]" -c constraints.txt
# torch: any build of this version fits (plain, or +cpu from the CPU index; see the README).
"""


def needed(root: str, extra: str) -> dict[str, str]:
    """Installed distributions that ``root[extra]`` requires, directly or not, with their public versions."""
    found: dict[str, str] = {}
    waiting = [(root, frozenset({extra}))]
    done = set()
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in done:
            continue
        done.add((name, extras))
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # of another platform, or an extra that was not asked for
        if name != root:
            found[name] = distribution.version.partition("+")[0]
        for line in distribution.requires or []:
            requirement = Requirement(line)
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": one}) for one in extras | {""}):
                waiting.append((canonicalize_name(requirement.name), frozenset(requirement.extras)))
    return dict(sorted(found.items()))


if __name__ == "__main__":
    versions = needed("lilllm", "dev")
    TARGET.write_text(HEAD + "".join(f"{name}=={version}\n" for name, version in versions.items()), encoding="utf-8")
    print(f"{TARGET.name}: {len(versions)} versions")
