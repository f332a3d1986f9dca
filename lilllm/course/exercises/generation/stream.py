"""What may be shown of a text that is still being written, when a stop string may be coming."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

from lilllm.course.exercise import Case, Exercise, Mistake, Property


def solution(text: str, stops: list[str]) -> str:
    """All before the first stop string; where there is none, all but an end that one may begin with."""
    found = [text.index(stop) for stop in stops if stop in text]
    if found:
        return text[: min(found)]
    for start in range(len(text)):  # the longest end comes first
        if any(stop.startswith(text[start:]) for stop in stops):
            return text[:start]
    return text


def by_each_start(text: str, stops: list[str]) -> str:
    for start in range(len(text)):
        rest = text[start:]
        if any(rest.startswith(stop) or stop.startswith(rest) for stop in stops):
            return text[:start]
    return text


def by_first_whole(text: str, stops: list[str]) -> str:
    """As the text arrives: the stop string that is whole first ends it."""
    for end in range(1, len(text) + 1):
        for stop in sorted(stops, key=len, reverse=True):
            if text[:end].endswith(stop):
                return text[: end - len(stop)]
    return begun_alone(text, stops)


def by_size(text: str, stops: list[str]) -> str:
    ends = [text.find(stop) for stop in stops if text.find(stop) >= 0]
    if ends:
        return text[: sorted(ends)[0]]
    held = 0
    for stop in stops:
        for size in range(1, len(stop)):
            if text[-size:] == stop[:size] and size > held:
                held = size
    return text[: len(text) - held]


def by_pattern(text: str, stops: list[str]) -> str:
    if not stops:
        return text
    whole = [re.escape(stop) for stop in stops]
    begun = [re.escape(stop[:size]) + r"\Z" for stop in stops for size in range(1, len(stop))]
    match = re.search("|".join(whole), text) or re.search("|".join(begun or [r"\Z"]), text)
    return text[: match.start()] if match else text


def whole_alone(text: str, stops: list[str]) -> str:
    found = [text.index(stop) for stop in stops if stop in text]
    return text[: min(found)] if found else text


def stop_shown(text: str, stops: list[str]) -> str:
    found = [(text.index(stop), len(stop)) for stop in stops if stop in text]
    return text[: sum(min(found))] if found else solution(text, stops)


def begun_alone(text: str, stops: list[str]) -> str:
    for start in range(len(text)):
        if any(stop.startswith(text[start:]) for stop in stops):
            return text[:start]
    return text


def a_fixed_end(text: str, stops: list[str]) -> str:
    found = [text.index(stop) for stop in stops if stop in text]
    if found:
        return text[: min(found)]
    held = max((len(stop) for stop in stops), default=1) - 1
    return text[: max(0, len(text) - held)]


def shortest_end(text: str, stops: list[str]) -> str:
    found = [text.index(stop) for stop in stops if stop in text]
    if found:
        return text[: min(found)]
    for start in range(len(text) - 1, -1, -1):
        if any(stop.startswith(text[start:]) for stop in stops):
            return text[:start]
    return text


def first_in_the_list(text: str, stops: list[str]) -> str:
    for stop in stops:
        if stop in text:
            return text[: text.index(stop)]
    return solution(text, stops)


def last_place(text: str, stops: list[str]) -> str:
    found = [text.rindex(stop) for stop in stops if stop in text]
    return text[: min(found)] if found else solution(text, stops)


def first_stop_alone(text: str, stops: list[str]) -> str:
    return solution(text, stops[:1])


def at_first_letters(text: str, stops: list[str]) -> str:
    found = [text.index(stop[0]) for stop in stops if stop[0] in text]
    return text[: min(found)] if found else text


def as_sets_of_letters(text: str, stops: list[str]) -> str:
    return solution(text, stops).rstrip("".join(stops))


def taken_out(text: str, stops: list[str]) -> str:
    for stop in stops:
        text = text.replace(stop, "")
    return begun_alone(text, stops)


def held_behind_a_stop(text: str, stops: list[str]) -> str:
    found = [text.index(stop) for stop in stops if stop in text]
    text = text[: min(found)] if found else text
    return begun_alone(text, stops)


def found_at_minus_one(text: str, stops: list[str]) -> str:
    return text[: min(text.find(stop) for stop in stops)]


def all_or_nothing(text: str, stops: list[str]) -> str:
    return "" if any(stop in text for stop in stops) else text


def minus_zero(text: str, stops: list[str]) -> str:
    return text[: -(max(map(len, stops)) - 1)]


def cases() -> Iterator[Case]:
    yield Case(("ab", ["."]), "ab")
    # The stop string is there: what is before it is shown.
    yield Case(("ab.cd", ["."]), "ab")
    # An end with which a stop string may begin waits.
    yield Case(("yes\n", ["\n\n"]), "yes")
    yield Case(("yes\nno", ["\n\n"]), "yes\nno")
    yield Case(("Hi.\nUs", ["\nUser:", "\nBot:"]), "Hi.")
    yield Case(("Hi.\nBot", ["\nUser:", "\nBot:"]), "Hi.")
    yield Case(("Hi.\nUser: Hey\nBot: Oh", ["\nBot:", "\nUser:"]), "Hi.")
    # The longest end that may begin one: "abab", not "ab".
    yield Case(("xabab", ["ababc"]), "x")
    yield Case(("free", []), "free")
    yield Case(("well.. so.", ["..."]), "well.. so")
    draw = random.Random(4)
    found = 0
    while found < 4:  # where stop strings overlap, one may go by where they begin or by where they end: left out
        text = "".join(draw.choices("ab.", k=9 + found))
        stops = ["".join(draw.choices("ab.", k=size)) for size in (2, 4)]
        if solution(text, stops) == by_each_start(text, stops) == by_first_whole(text, stops) != text:
            found += 1
            yield Case((text, stops), by_each_start(text, stops))


EXERCISE = Exercise(
    task=(
        "A model writes, and shall end at one of the strings `stops`, which the reader must not see, not even a part "
        "of it. Return what may be shown of the `text` so far: all before the first place where a stop string stands; "
        "if there is none, all but the longest end with which a stop string may just be beginning."
    ),
    call="visible(text, stops)",
    hints=(
        "Two questions: is a whole stop string in the text? If not, is the end of the text the beginning of one?",
        "For the second, try each end of the text, the longest first: `stop.startswith(text[start:])`.",
        "If stops are found at several places, the earliest counts: `min` of `text.index(stop)`.",
    ),
    solution=solution,
    also_right=(by_each_start, by_first_whole, by_size, by_pattern),
    mistakes=(
        Mistake(
            whole_alone,
            "You wait for the whole stop string; its beginning is on the reader's screen by then. Hold back an end "
            "that may become one.",
        ),
        Mistake(stop_shown, "The stop string itself is shown: end before it."),
        Mistake(
            begun_alone,
            "You look for a stop string at the end alone: a token may bring one, and more behind it, which is shown.",
        ),
        Mistake(
            a_fixed_end,
            "You always hold back as much as a stop string is long: a text that has nothing of one lags behind, and "
            "its end is never shown. Hold back only what may begin one.",
        ),
        Mistake(
            shortest_end,
            "You hold back the shortest end that may begin a stop string: a longer one may too. Try the longest first.",
        ),
        Mistake(
            first_in_the_list, "You cut at the first stop of the list: cut at the one that comes first in the text."
        ),
        Mistake(
            last_place, "You cut where a stop string stands last: what is behind the first one was not to be shown."
        ),
        Mistake(first_stop_alone, "You look at the first of `stops` only: any of them ends the text."),
        Mistake(
            at_first_letters,
            "You cut where the first character of a stop string is, though others follow than the stop's own.",
        ),
        Mistake(
            as_sets_of_letters,
            "`strip` takes its argument as a set of characters, and eats more than the stop string. Compare strings.",
        ),
        Mistake(taken_out, "You take the stop string out and go on behind it: the text ends there."),
        Mistake(
            held_behind_a_stop, "A stop string was found: what is before it is sure, and no more of it is held back."
        ),
        Mistake(
            found_at_minus_one, "`find` gives -1 where there is nothing, and `text[:-1]` is all but the last character."
        ),
        Mistake(all_or_nothing, "Where a stop string stands, all is gone: what is before it is shown."),
        Mistake(
            minus_zero,
            "You always cut a fixed piece off the end, and `text[:-0]` is empty. Hold back only what may begin a stop.",
        ),
    ),
    cases=cases,
    properties=(
        Property(
            lambda arguments, answer: arguments[0].startswith(answer),
            "What is shown must be a beginning of the text, unchanged.",
        ),
        Property(
            lambda arguments, answer: not any(stop in answer for stop in arguments[1]),
            "A whole stop string is shown.",
        ),
        Property(
            lambda arguments, answer: len(answer) <= len(solution(*arguments)),
            "Too much is shown: a stop string may be beginning at the end of it.",
        ),
        Property(
            lambda arguments, answer: len(answer) >= len(solution(*arguments)),
            "Too much is held back: only what is, or may become, a stop string is.",
        ),
    ),
)
