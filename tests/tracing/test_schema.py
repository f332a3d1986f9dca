"""The published schema is the one of the types, and real traces keep it."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import jsonschema
import pytest

from lilllm.tracing import record_script
from lilllm.tracing.schema import PATH, schema, text

PROGRAM = """\
import numpy as np

class Point:
    def __init__(self, x):
        self.x = x

def numbers():
    yield 1
    yield 2.5

a = np.arange(6.0).reshape(2, 3)
p = Point({"k": [1, None, "text", b"bytes"]})
t = sum(numbers())
print(t)
try:
    {}["missing"]
except KeyError:
    pass
for i in range(100):
    t += i
"""


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    source: Path = tmp_path_factory.mktemp("schema") / "program.py"
    source.write_text(PROGRAM)
    target = source.with_suffix(".trace.jsonl.gz")
    record_script(source, target)
    return [json.loads(line) for line in gzip.decompress(target.read_bytes()).splitlines()]


def test_schema_json_is_up_to_date() -> None:
    assert PATH.read_text(encoding="utf-8") == text(), "run python -m lilllm.tracing.schema"


def test_a_real_trace_keeps_it(lines: list[dict]) -> None:
    assert {line["type"] for line in lines} == {"head", "vals", "steps", "end"}
    ops = "".join(line["op"] for line in lines if line["type"] == "steps")
    assert set(ops) == set("lcrysxfe")  # every kind of step is among what is validated
    validator = jsonschema.Draft202012Validator(schema())
    for line in lines:
        validator.validate(line)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda line: line.update(type="other"),
        lambda line: line.update(surprise=1),
        lambda line: line.update(version="1"),
        lambda line: line.pop("files"),
        lambda line: line["files"][0].update(text=None),
    ],
)
def test_the_schema_refuses(lines: list[dict], spoil) -> None:
    head = json.loads(json.dumps(lines[0]))
    spoil(head)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema()).validate(head)
