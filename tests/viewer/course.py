"""A made clone for the home page and the museum: two lectures of the plan, with exercises, and two cases."""

from __future__ import annotations

from pathlib import Path

from lilllm.course.plan import LECTURES
from tests.viewer.made import record

_LECTURE = """# ---
# jupyter:
#   jupytext:
#     comment_magics: false
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # {number} {title}
#
# What it is about.
#
# - **You will build:** a thing
# - **You need:** Python
# - **Minutes to read:** 5
# - **Budget:** 10 s, 1 GB

# %%
question = predict("How many for {number}?", unit="things")

# %% tags=["exercise"] exercise="{topic}.a"
check("{topic}.a", a)

# %% tags=["exercise"] exercise="{topic}.b"
check("{topic}.b", b)
"""

STORY = """# The sum that forgets

**Symptom.** the total of a list comes out as its last number. See `total`.

**Look.** what is `total` before and after each round?

**Cause.** the assignment puts the number in the place of the sum.
It does not <b>add</b>.

**Fix.** the number is added to it.
"""
BROKEN = '''"""The sum that forgets."""

total = 0
for number in [3, 1, 2]:
    total = number
print("total:", total)
healthy = total == 6
'''
FIXED = BROKEN.replace("total = number", "total += number")


def built_course(root: Path, trace: bytes) -> None:
    """The first two lectures, each with the exercises TOPIC.a and TOPIC.b and one prediction, and this trace."""
    (root / "lectures").mkdir()
    (root / "traces").mkdir()
    for lecture, topic in zip(LECTURES[:2], ("one", "two"), strict=True):
        text = _LECTURE.format(number=lecture.number, title=lecture.title.capitalize(), topic=topic)
        (root / "lectures" / f"{lecture.name}.py").write_text(text)
        (root / "traces" / f"{lecture.name}.trace.jsonl.gz").write_bytes(trace)


def built_cases(root: Path) -> None:
    """Two cases: 01_forgets with both its traces, and 02_unbuilt with none."""
    lectures, traces = root / "lectures" / "broken", root / "traces" / "broken"
    lectures.mkdir()
    traces.mkdir()
    for slug, text in (("forgets", BROKEN), ("forgets_fixed", FIXED)):
        (lectures / f"01_{slug}.py").write_text(text)
        made = record(text, title=f"01_{slug}", name=f"lectures/broken/01_{slug}.py")
        (traces / f"01_{slug}.trace.jsonl.gz").write_bytes(made.trace())
    (lectures / "01_forgets.md").write_text(STORY)
    (lectures / "02_unbuilt.py").write_text(BROKEN)
    (lectures / "02_unbuilt_fixed.py").write_text(FIXED)
    (lectures / "02_unbuilt.md").write_text(STORY.replace("The sum that forgets", "The one without a trace"))
    (lectures / "03_lacking.py").write_text("x = 1\n")
    (lectures / "03_lacking.md").write_text("# Half a case\n\n**Symptom.** it has no end.\n")
