"""Where each lecture stands on the map of the course, and how the lines between them run.

Two maps of one plan. On a wide page a lecture stands right of what it needs, in a band for its part: a line leaves its
source to the right, turns in the gap before the column of its target, and enters from the left. On a narrow one the
lectures stand below each other, and each has a lane beside them from which lines branch off to those that need it.

Units: x in columns of 100, stretched to the page (narrow: in rem); y in rem. Read in order: PLACES, line, branch.
"""

from __future__ import annotations

from lilllm.course.plan import LECTURES, Lecture

# (column, row) by number. Held by tests: a lecture is right of its needs, and no line runs through another's box.
PLACES = {
    "01": (0, 0),
    "02": (0, 1), "03": (1, 1), "05": (2, 1), "06": (3, 1), "07": (4, 1), "08": (5, 1), "09": (6, 1),
    "04": (2, 2),
    "11": (3, 3), "12": (6, 3), "10": (7, 3), "16": (8, 3),
    "13": (7, 4),
    "14": (7, 5),
    "15": (7, 6),
    "17": (6, 7),
    "18": (6, 8), "19": (7, 8),
    "20": (7, 9), "21": (8, 9), "23": (9, 9), "24": (10, 9),
    "26": (7, 10), "25": (8, 10),
    "22": (3, 11),
}  # fmt: skip
COLUMNS = 11
BOX, COLUMN = 82, 100  # widths
HEIGHT, PITCH = 3.6, 4.35  # of a box, and from row to row
PARTS = tuple(dict.fromkeys(lecture.part for lecture in LECTURES))
BAND_GAP = 1.1  # more, between the rows of two parts
PAD = 0.6  # inside a band, above its first row
RAIL, ROW, HEAD = 3.0, 3.6, 3.2  # the narrow map: the lanes' width, a lecture's height, a part's title's


def rows_of(part: str) -> tuple[int, int]:
    """The first and the last row of a part."""
    rows = [PLACES[lecture.number][1] for lecture in LECTURES if lecture.part == part]
    return min(rows), max(rows)


def top(row: int) -> float:
    """Where a row of boxes begins."""
    band = next(i for i, part in enumerate(PARTS) if rows_of(part)[0] <= row <= rows_of(part)[1])
    return PAD + row * PITCH + band * (BAND_GAP + PAD)


def band(part: str) -> tuple[float, float]:
    """Top and height of the ground behind a part."""
    first, last = rows_of(part)
    return top(first) - PAD, top(last) + HEIGHT + PAD - (top(first) - PAD)


WIDE_HEIGHT = sum(band(PARTS[-1]))


def edges() -> list[tuple[str, str]]:
    """All (need, lecture) by number."""
    return [(need[:2], lecture.number) for lecture in LECTURES for need in lecture.needs]


def _turns(source: str, target: str) -> bool:
    return PLACES[source][1] != PLACES[target][1]


def turn(source: str, target: str) -> float:
    """The x at which a line goes up or down: in the gap before its target, each source in a lane of its own."""
    column = PLACES[target][0]
    lanes = sorted({a for a, b in edges() if PLACES[b][0] == column and _turns(a, b)})
    return column * COLUMN - (COLUMN - BOX) * (lanes.index(source) + 1) / (len(lanes) + 1)


def line(source: str, target: str) -> str:
    """The path of a line on the wide map."""
    (left, row), (right, end) = PLACES[source], PLACES[target]
    x, y = left * COLUMN + BOX, top(row) + HEIGHT / 2
    to, down = right * COLUMN, top(end) + HEIGHT / 2
    if not _turns(source, target):
        return f"M{x} {y:.2f}H{to}"
    at, round_x, round_y = turn(source, target), 4, 0.45 if down > y else -0.45
    return (
        f"M{x} {y:.2f}H{at - round_x:g}Q{at:g} {y:.2f} {at:g} {y + round_y:.2f}"
        f"V{down - round_y:.2f}Q{at:g} {down:.2f} {at + round_x:g} {down:.2f}H{to}"
    )


def narrow_top(lecture: Lecture) -> float:
    """Where a lecture's row begins on the narrow map."""
    return LECTURES.index(lecture) * ROW + (PARTS.index(lecture.part) + 1) * HEAD


NARROW_HEIGHT = narrow_top(LECTURES[-1]) + ROW


def lanes() -> dict[str, int]:
    """The lane of each lecture's line on the narrow map, 0 beside the boxes: it reaches from the lecture to the last
    that needs it, the short ones are inside, and none lies on another."""
    last = {a: max(b for source, b in edges() if source == a) for a, _ in edges()}
    taken: list[list[tuple[int, int]]] = []
    found = {}
    for source in sorted(last, key=lambda number: (int(last[number]) - int(number), number)):
        start, end = int(source), int(last[source])
        lane = next((i for i, held in enumerate(taken) if all(end <= s or e <= start for s, e in held)), len(taken))
        if lane == len(taken):
            taken.append([])
        taken[lane].append((start, end))
        found[source] = lane
    return found


def branch(source: str, target: str) -> str:
    """The path of a line on the narrow map: to the left, down its source's lane, into the row of its target."""
    rows = {lecture.number: narrow_top(lecture) + ROW / 2 for lecture in LECTURES}
    held = lanes()
    x, at = RAIL, RAIL - 0.55 - held[source] * (RAIL - 0.7) / max(held.values())
    y, down, round_ = rows[source] + 0.4, rows[target] - 0.4, 0.3  # in above the middle, out below it
    return (
        f"M{x:g} {y:.2f}H{at + round_:.2f}Q{at:.2f} {y:.2f} {at:.2f} {y + round_:.2f}"
        f"V{down - round_:.2f}Q{at:.2f} {down:.2f} {at + round_:.2f} {down:.2f}H{x:g}"
    )
