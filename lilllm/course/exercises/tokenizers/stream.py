"""Text from tokens as they arrive, without half characters."""

from __future__ import annotations

import codecs
import random
from collections.abc import Iterator

from lilllm.course.exercise import Case, Exercise, Mistake, Property


def solution(tokens: list[bytes]) -> list[str]:
    """After each token, show the characters that are complete, and keep the bytes of the one that is not."""
    shown = []
    waiting = b""
    for token in tokens:
        waiting += token
        for cut in range(len(waiting), -1, -1):  # the longest beginning that is whole characters
            try:
                text = waiting[:cut].decode("utf-8")
            except UnicodeDecodeError:
                continue
            shown.append(text)
            waiting = waiting[cut:]
            break
    return shown


def with_codecs(tokens: list[bytes]) -> list[str]:
    decoder = codecs.getincrementaldecoder("utf-8")()
    return [decoder.decode(token) for token in tokens]


def by_first_byte(tokens: list[bytes]) -> list[str]:
    shown = []
    waiting = b""
    for token in tokens:
        waiting += token
        end = 0
        while end < len(waiting):
            first = waiting[end]
            size = 1 if first < 0xC0 else 2 if first < 0xE0 else 3 if first < 0xF0 else 4
            if end + size > len(waiting):
                break
            end += size
        shown.append(waiting[:end].decode("utf-8"))
        waiting = waiting[end:]
    return shown


def each_alone(tokens: list[bytes]) -> list[str]:
    return [token.decode("utf-8", errors="replace") for token in tokens]


def each_alone_strict(tokens: list[bytes]) -> list[str]:
    return [token.decode("utf-8") for token in tokens]


def halves_dropped(tokens: list[bytes]) -> list[str]:
    return [token.decode("utf-8", errors="ignore") for token in tokens]


def all_so_far(tokens: list[bytes]) -> list[str]:
    return ["".join(solution(tokens[: i + 1])) for i in range(len(tokens))]


def all_at_the_end(tokens: list[bytes]) -> list[str]:
    return [""] * (len(tokens) - 1) + [b"".join(tokens).decode("utf-8")] if tokens else []


def all_or_nothing(tokens: list[bytes]) -> list[str]:
    shown = []
    waiting = b""
    for token in tokens:
        waiting += token
        try:
            shown.append(waiting.decode("utf-8"))
            waiting = b""
        except UnicodeDecodeError:
            shown.append("")
    return shown


def cases() -> Iterator[Case]:
    yield Case(([b"a"],), ["a"])
    yield Case(([b"a", b"b"],), ["a", "b"])
    yield Case(([b"\xc3", b"\xa9"],), ["", "é"])
    yield Case(([],), [])
    yield Case(([b"caf\xc3", b"\xa9!"],), ["caf", "é!"])
    yield Case(([b"\xf0", b"\x9f\x8c", b"\x8d"],), ["", "", "🌍"])
    yield Case(([b"\xc3\xa9\xc3", b"\xa9 ", b"ok"],), ["é", "é ", "ok"])
    draw = random.Random(4)
    for size in (3, 6, 10):
        data = "".join(draw.choices("aé€🌍 ", k=size)).encode()
        cuts = sorted(draw.sample(range(1, len(data)), k=min(size, len(data) - 1)))
        tokens = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
        yield Case((tokens,), with_codecs(tokens))


EXERCISE = Exercise(
    task="Return what to show after each of `tokens` (bytes): only whole characters, each as soon as it is complete.",
    call="stream(tokens)",
    hints=(
        "A token may end inside a character. Keep its bytes, and put the next token behind them.",
        "Look for the longest beginning of the waiting bytes that decodes. It may be empty: then show an empty string.",
        "`try: waiting[:cut].decode('utf-8')`, from `cut = len(waiting)` downwards; show what decodes, keep the rest.",
    ),
    solution=solution,
    also_right=(with_codecs, by_first_byte),
    mistakes=(
        Mistake(each_alone_strict, "A token alone need not be UTF-8: it may hold half of a character."),
        Mistake(
            each_alone, "You decode each token alone: a character that is spread over two becomes two question marks."
        ),
        Mistake(halves_dropped, "You throw the bytes of unfinished characters away: keep them for the next token."),
        Mistake(
            all_or_nothing, "One unfinished character holds back all that is complete before it: show that at once."
        ),
        Mistake(all_at_the_end, "You wait for the last token: show each character as soon as it is complete."),
        Mistake(all_so_far, "You give all the text so far each time: give what is new."),
    ),
    cases=cases,
    properties=(
        Property(
            lambda arguments, answer: "".join(answer) == b"".join(arguments[0]).decode(),
            "The parts put together do not give the text: characters were lost, or shown twice.",
        ),
    ),
)
