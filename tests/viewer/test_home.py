"""The home page and the museum in a real Chromium: the map on wide and narrow pages, in both themes, by pointer and by
keyboard; what the reader has done; a case from its symptom to both runs side by side."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import expect

from lilllm.course.plan import LECTURES
from lilllm.course.record import Record
from tests.viewer.course import built_cases, built_course
from tests.viewer.serving import serving
from tests.viewer.test_accessibility import problems
from tests.viewer.watched import Watched

pytestmark = pytest.mark.browser

BOTH = pytest.mark.parametrize(("width", "theme"), [(1400, "light"), (1400, "dark"), (360, "light"), (360, "dark")])


class Clone(NamedTuple):
    address: str
    record: Record


@pytest.fixture(scope="module")
def clone(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    """A viewer of a made clone, whose reader has solved one of lecture 01's two exercises."""
    root = tmp_path_factory.mktemp("course")
    built_course(root, (folder / "traces" / "01_pairs.trace.jsonl.gz").read_bytes())
    built_cases(root)
    record = Record(root / "home")
    record.tried("one.a", "solved", hint=1)
    record.guessed("key", "How many for 01?", 3, 0.5)
    before = os.environ["LILLLM_HOME"]
    os.environ["LILLLM_HOME"] = str(root / "home")  # the server's, which takes it over as it starts
    try:
        with serving(root) as address:
            yield Clone(address, record)
    finally:
        os.environ["LILLLM_HOME"] = before


class Home(Watched):
    """The home page, once its map is drawn."""

    def home(self) -> None:
        self.open()
        self.page.wait_for_selector(".course .go")
        self.page.get_by_role("button", name="Open").nth(1).wait_for()  # the last of the list

    def boxes(self, selector: str) -> list[dict[str, float]]:
        found: list[dict[str, float]] = self.page.locator(selector).evaluate_all(
            "nodes => nodes.filter((n) => n.checkVisibility()).map((n) => n.getBoundingClientRect().toJSON())"
        )
        return found


def opened(browser: object, clone: Clone, width: int = 1400, theme: str = "light") -> Home:
    home = Home(browser, clone.address, width=width, theme=theme)
    home.home()
    return home


def closed(watched: Watched) -> None:
    watched.context.close()
    assert (watched.outside, watched.errors, watched.fired) == ([], [], [])


def apart(boxes: list[dict[str, float]]) -> bool:
    return all(
        a["right"] <= b["left"] + 0.5
        or b["right"] <= a["left"] + 0.5
        or a["bottom"] <= b["top"] + 0.5
        or b["bottom"] <= a["top"] + 0.5
        for i, a in enumerate(boxes)
        for b in boxes[:i]
    )


@BOTH
def test_the_map_fits_nothing_overlaps_and_axe_finds_nothing(
    browser: object, clone: Clone, width: int, theme: str
) -> None:
    home = opened(browser, clone, width, theme)
    home.shot(f"home-{width}-{theme}")
    assert home.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page scrolls sideways"
    boxes = home.boxes(".map li")
    assert len(boxes) == len(LECTURES)
    assert apart([*boxes, *home.boxes(".map h3"), *home.boxes(".go"), *home.boxes(".legend")])
    cut = home.page.locator(".map .title, .map .state, .map .minutes, .map .number").evaluate_all(
        """nodes => nodes.filter((n) => {
            if (!n.checkVisibility() || getComputedStyle(n).position === 'absolute') return false;
            const box = n.closest('.box').getBoundingClientRect(), own = n.getBoundingClientRect();
            return n.scrollWidth > n.clientWidth + 1 && getComputedStyle(n).display !== 'inline'
                || own.right > box.right + 0.5 || own.bottom > box.bottom + 0.5;
        }).map((n) => n.textContent)"""
    )
    assert cut == [], "a text does not fit its box"
    lines = "wide" if width > 1000 else "narrow"
    assert home.page.locator(f"svg.{lines} path").count() == sum(len(lecture.needs) for lecture in LECTURES)
    expect(home.page.locator(f"svg.{lines}")).to_be_visible()
    expect(home.page.locator("svg.narrow" if width > 1000 else "svg.wide")).to_be_hidden()
    assert problems(home, "home") == []
    closed(home)


@pytest.mark.parametrize("width", [1280, 360])
def test_a_line_ends_at_the_box_of_each_lecture_that_needs_another(browser: object, clone: Clone, width: int) -> None:
    home = opened(browser, clone, width)
    ends = home.page.locator("svg.wide" if width > 1000 else "svg.narrow").evaluate(
        """(svg) => [...svg.querySelectorAll('path')].map((path) => {
            const at = (length) => {
                const point = path.getPointAtLength(length).matrixTransform(path.getScreenCTM());
                return [point.x, point.y];
            };
            return [path.dataset.from, path.dataset.to, at(0), at(path.getTotalLength())];
        })"""
    )
    places = dict(
        home.page.locator(".map li").evaluate_all(
            "nodes => nodes.map((n) => [n.dataset.at, n.querySelector('.box').getBoundingClientRect().toJSON()])"
        )
    )
    for source, target, (x, y), (to, down) in ends:
        out, into = places[source], places[target]
        side = out["right"] if width > 1000 else out["left"]
        assert abs(x - side) < 2.5, (source, target)
        assert out["top"] < y < out["bottom"], (source, target)
        assert abs(to - into["left"]) < 2.5, (source, target)
        assert into["top"] < down < into["bottom"], (source, target)
    closed(home)


def test_the_keyboard_walks_the_map_and_opens_a_lecture_without_a_new_page(browser: object, clone: Clone) -> None:
    home = opened(browser, clone)
    page = home.page
    names = []
    page.locator(".course .button").focus()
    for _ in range(3):
        names.append(page.evaluate("document.activeElement.shadowRoot.activeElement.textContent.trim().slice(0, 25)"))
        page.keyboard.press("Tab")
    assert names[0] == "Open 01 tokenization"
    assert names[1].startswith("01 tokenization")
    assert names[2].startswith("02 tensors")
    page.evaluate("window.kept = true")
    page.get_by_role("link", name="02 tensors").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(".player .line")
    assert "trace=02_tensors" in page.url
    assert page.evaluate("window.kept"), "the page was loaded anew"
    page.go_back()
    closed(home)


def test_what_a_lecture_needs_lights_up_under_the_pointer(browser: object, clone: Clone) -> None:
    home = opened(browser, clone)
    home.page.locator("li[data-at='08'] .box").hover()
    lit = home.page.locator("li.on").evaluate_all("nodes => nodes.map((n) => n.dataset.at)")
    assert lit == ["01", "02", "03", "04", "05", "06", "07", "08"]
    on = home.page.locator("svg.wide path.on").evaluate_all("p => p.map((n) => n.dataset.from + n.dataset.to)")
    assert sorted(on) == ["0108", "0203", "0304", "0305", "0408", "0506", "0607", "0708"]
    home.page.mouse.move(5, 5)
    expect(home.page.locator("li.on")).to_have_count(0)
    closed(home)


def test_a_screen_reader_hears_the_lectures_in_order_with_what_they_need(browser: object, clone: Clone) -> None:
    home = opened(browser, clone)
    said = home.page.get_by_role("navigation", name="Map of the course").aria_snapshot()
    at = [said.index(f"{lecture.number} {lecture.title}") for lecture in LECTURES]
    assert at == sorted(at)
    assert re.search(r"08 pretraining planned needs 01, 04, 07", said)
    assert re.search(r"01 tokenization 5 min 1 of 2 solved", said)
    assert 'heading "II Making it fast, making it large' in said
    closed(home)


def test_progress_and_where_to_go_on_follow_the_record(browser: object, clone: Clone) -> None:
    home = opened(browser, clone)
    page = home.page
    go = page.locator(".go")
    expect(go).to_contain_text(
        "Go on with 01 tokenization: 1 of 2 exercises solved, 1 with help, 1 of 1 prediction made."
    )
    expect(page.locator("li[data-at='01'] .state")).to_contain_text("1 of 2")
    clone.record.tried("one.b", "solved")
    home.home()
    expect(go).to_contain_text("Next: 02 tensors.")
    expect(page.locator("li[data-at='01'] .state")).to_have_text("done")
    go.get_by_role("link", name="Open 02 tensors").click()
    page.wait_for_selector(".player .line")
    page.wait_for_url("**trace=02_tensors*")
    assert home.step() == 1
    closed(home)


# ---------------------------------------------------------------------------------------------------------- the museum


@BOTH
def test_the_museum_lists_each_case_with_its_symptom_and_axe_finds_nothing(
    browser: object, clone: Clone, width: int, theme: str
) -> None:
    watched = Watched(browser, clone.address, width=width, theme=theme)
    watched.open("museum")
    page = watched.page
    page.get_by_text("The sum that forgets").wait_for()
    expect(page.get_by_role("heading", name="01 tokenization")).to_be_visible()
    expect(page.get_by_text("The total of a list comes out as its last number. See total.")).to_have_count(2)
    expect(page.get_by_text("What is total before and after each round?")).to_have_count(2)
    expect(page.get_by_text("03_lacking cannot be shown")).to_contain_text("lacks")
    assert page.get_by_text("in the place of the sum").count() == 0, "the cause is told unasked"
    watched.shot(f"museum-{width}-{theme}")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert problems(watched, "museum") == []
    closed(watched)


def test_a_case_is_looked_into_and_revealed_only_on_request(browser: object, clone: Clone) -> None:
    watched = Watched(browser, clone.address)
    watched.open("museum")
    page = watched.page
    page.get_by_role("button", name="Look into it").first.click()
    page.wait_for_selector(".player .line[aria-current]")
    page.wait_for_url("**case=01_forgets*")
    assert page.get_by_role("link", name="01 tokenization").get_attribute("href") == "./?trace=01_tokenization"
    assert page.get_by_text("in the place of the sum").count() == 0, "neither the page nor the program tells the cause"
    frames = watched.frames
    while watched.current() != "total = number":
        watched.press("l")
    watched.press("l")
    assert watched.value("total") == "3"
    assert watched.frames == frames, "no step asks the server"
    watched.shot("museum-case")

    page.get_by_text("Reveal", exact=True).click()
    page.wait_for_selector(".pair .side.right .line[aria-current]")
    cause = page.get_by_text("The assignment puts the number in the place of the sum. It does not <b>add</b>.")
    expect(cause).to_be_visible()
    expect(page.locator(".st-key-told")).to_contain_text("The fix The number is added to it.")
    for kind, line in (("del", "-    total = number"), ("ins", "+    total += number")):
        expect(page.locator(f".diff {kind}")).to_have_text(line)
    colours = page.locator(".diff > *").evaluate_all("n => [...new Set(n.map((one) => getComputedStyle(one).color))]")
    assert len(colours) == 3, "what goes and what comes have colours of their own"
    assert problems(watched, "revealed") == []
    page.locator(".pair").focus()
    watched.press("m")
    expect(page.locator(".pair > .controls .sentence")).to_contain_text("Values differ: total is 1 on the left, 4")
    watched.shot("museum-revealed")

    page.get_by_role("button", name="All cases").click()
    expect(page.get_by_text("Programs with a bug that people really make.")).to_be_visible()
    assert "case=" not in page.url
    page.get_by_role("button", name="Look into it").first.click()
    page.wait_for_selector(".player .line[aria-current]")
    assert page.get_by_text("in the place of the sum").count() == 0, "another visit begins unrevealed"
    closed(watched)


def test_a_link_opens_a_case_at_a_step_and_names_are_of_the_list_or_nothing(browser: object, clone: Clone) -> None:
    watched = Watched(browser, clone.address)
    watched.open("museum?case=01_forgets&step=5")
    watched.page.wait_for_selector(".player .line[aria-current]")
    assert watched.step() == 5
    watched.press("l")
    watched.page.wait_for_url(re.compile(r"case=01_forgets.*step=6"))
    watched.page.reload()
    watched.page.wait_for_selector(".player .line[aria-current]")
    assert watched.step() == 6
    watched.open("museum?case=../../etc/passwd")
    expect(watched.page.get_by_text("There is no case called ../../etc/passwd here.")).to_be_visible(timeout=15_000)
    watched.open("museum?case=02_unbuilt")
    expect(watched.page.get_by_text("Its trace is not built yet")).to_be_visible(timeout=15_000)
    closed(watched)


@pytest.mark.parametrize("width", [1400, 360])
def test_the_player_of_a_lecture_leads_to_its_cases(browser: object, clone: Clone, width: int) -> None:
    watched = Home(browser, clone.address, width=width)
    watched.open("?trace=01_tokenization")
    link = watched.page.get_by_role("link", name="1 broken on purpose, in the museum")
    link.wait_for()
    (box,), (player,), (choice,) = map(watched.boxes, (".st-key-cases a", ".player", ".st-key-trace"))
    above, below = box["bottom"] <= player["top"], box["top"] >= player["bottom"]
    assert (above, below) == (width == 1400, width == 360)
    assert apart([box, choice])
    link.click()
    watched.page.wait_for_selector(".st-key-museum h4")
    closed(watched)


def test_a_lecture_leads_to_its_cases(browser: object, clone: Clone) -> None:
    home = opened(browser, clone)
    home.page.get_by_role("link", name="1 broken on purpose, in the museum").first.click()
    expect(home.page.get_by_text("The sum that forgets")).to_be_visible(timeout=15_000)
    assert home.page.url.endswith("/museum")
    closed(home)
