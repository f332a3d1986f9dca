"""The player's language of expressions, run where it runs: in a browser."""

from __future__ import annotations

from pathlib import Path

import pytest

import lilllm.tracing.player

SOURCE = Path(lilllm.tracing.player.__file__).parent / "expression.js"
VALUES = [
    {"type": "scalar", "kind": "int", "text": "3"},
    {"type": "scalar", "kind": "float", "text": "nan"},
    {"type": "text", "kind": "str", "text": "hi", "size": 2},
    {"type": "seq", "kind": "list", "size": 9, "head": [0, 2], "tail": [0]},
    {"type": "map", "kind": "dict", "size": 1, "head": [[2, 0]]},
    {"type": "tensor", "kind": "Tensor", "shape": [2, 3], "dtype": "float32", "min": -1, "max": 2, "mean": 0.5},
    {"type": "scalar", "kind": "bool", "text": "True"},
    {"type": "object", "kind": "Point", "head": [["x", 0]]},
    {"type": "scalar", "kind": "float", "text": "-inf"},
]
NAMES = {"x": 0, "n": 1, "s": 2, "l": 3, "d": 4, "t": 5, "b": 6, "o": 7, "low": 8}
UNKNOWN = "unknown"

CASES = {
    "x == 3 and b": True,
    "x * 2 + 1": 7,
    "-x ** 2": -9,
    "2 ** 3 ** 2": 512,
    "7 // 2 + 7 % 4": 6,
    "-7 % 4": 1,  # as in Python, not as in JavaScript
    "not x > 5": True,
    "n != n": True,
    "low < -1000": True,
    's == "hi"': True,
    's + "!"': "hi!",
    "len(l)": 9,
    "l[-1]": 3,
    "l[5]": UNKNOWN,  # not recorded
    'd["hi"]': 3,
    "t.shape[1]": 3,
    "t.mean < 1 and max(t) == 2": True,
    "t.nan == 0": True,
    "o.x": 3,
    "missing > 1": UNKNOWN,
    "x in l": True,
    "7 in l": UNKNOWN,  # it may be among the elements that are not recorded
    '"z" not in s': True,
    "(1 < x) == b": True,
    'x < "a"': UNKNOWN,
    "o.constructor": UNKNOWN,
    "x.__proto__": UNKNOWN,
    "toString": UNKNOWN,
    "None == None": True,
    "0 and missing": 0,
}
WRONG = {
    "x >": ("something is missing at the end", 3),
    "x = 3": ('"=" means nothing here', 1),
    "(x": ('")" is missing at the end', 2),
    "x)": ('")" does not belong here', 1),
    "1 < x < 5": ("compare two at a time: a < b and b < c", 6),
    "eval(1)": ("there is no function eval; there are len, abs, round, min, max, mean", 0),
    "constructor(1)": ("there is no function constructor; there are len, abs, round, min, max, mean", 0),
    "len()": ("len() needs a value", 0),
    "x; y": ('";" means nothing here', 1),
    "and x": ('"and" needs something before it', 0),
    "+".join("1" * 300): ("more than 200 words", None),
}

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def results(browser) -> dict[str, object]:
    page = browser.new_page()
    page.goto("about:blank")
    out = page.evaluate(
        """async ([source, values, names, texts]) => {
            const url = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));
            const { compileExpression } = await import(url);
            return texts.map((text) => {
                try {
                    const result = compileExpression(text)((name) => names[name], (number) => values[number]);
                    return result === undefined ? 'unknown' : result;
                } catch (error) {
                    return [error.constructor.name, error.message, error.at];
                }
            });
        }""",
        [SOURCE.read_text(), VALUES, NAMES, [*CASES, *WRONG]],
    )
    page.close()
    return dict(zip([*CASES, *WRONG], out, strict=True))


@pytest.mark.parametrize("text", CASES)
def test_value(results: dict[str, object], text: str) -> None:
    assert results[text] == CASES[text]
    assert type(results[text]) is type(CASES[text])


@pytest.mark.parametrize("text", WRONG)
def test_error(results: dict[str, object], text: str) -> None:
    message, at = WRONG[text]
    name, said, where = results[text]
    assert (name, said) == ("ExpressionError", message)
    assert at is None or where == at
