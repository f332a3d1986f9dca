"""The page of runs in a real Chromium: several runs in one picture, live without a blink, and a file that lies."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.viewer.runs import HTML, event, place, records, text
from tests.viewer.test_accessibility import problems
from tests.viewer.watched import Watched

pytestmark = pytest.mark.browser

BOTH = pytest.mark.parametrize(("width", "theme"), [(1400, "light"), (1400, "dark"), (360, "light"), (360, "dark")])


@pytest.fixture(autouse=True, scope="module")
def patience() -> Iterator[None]:
    """Charts take long to draw where other tests run beside these."""
    expect.set_options(timeout=20_000)
    yield
    expect.set_options(timeout=5_000)


class Runs(Watched):
    """The page of runs, once its curves are drawn."""

    def runs(self, *names: str) -> Page:
        self.open("runs?" + "&".join(f"run={name.replace('/', '%2F')}" for name in names))
        self.page.locator(".stVegaLiteChart svg").first.wait_for()
        self.quiet()
        return self.page

    def quiet(self) -> None:
        self.page.wait_for_function("!document.querySelector('[data-testid=stStatusWidget]')")
        self.settle()

    def chart(self, place: int = 0) -> str:
        return self.page.locator(".stVegaLiteChart").nth(place).inner_html()

    def words(self, place: int = 0) -> list[str]:
        """All text of a chart: titles, ticks, legend, marks."""
        return self.page.locator(".stVegaLiteChart").nth(place).locator("svg text").all_text_contents()

    def done(self) -> None:
        self.context.close()
        assert (self.outside, self.errors, self.fired) == ([], [], [])


@pytest.fixture
def watched_runs(browser: object, app: str, runs_folder: Path) -> Iterator[Runs]:
    page = Runs(browser, app)
    yield page
    page.done()


@BOTH
def test_runs_compared_fit_the_page_and_axe_finds_nothing(
    browser: object, app: str, runs_folder: Path, width: int, theme: str
) -> None:
    watched = Runs(browser, app, width=width, theme=theme)
    page = watched.runs("tiny", "second", "sweep/third")
    expect(page.locator(".stVegaLiteChart svg")).to_have_count(6)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page scrolls sideways"
    wide = page.locator(".stVegaLiteChart svg").evaluate_all(
        "charts => charts.map((one) => one.getBoundingClientRect()).filter((box) => box.right > innerWidth + 1).length"
    )
    assert wide == 0
    faint = page.locator(".stVegaLiteChart svg text").evaluate_all(
        "all => all.filter((one) => getComputedStyle(one).fill !== getComputedStyle(document.body).color).length"
    )
    assert faint == 0, "text of a chart has not the page's colour"
    watched.shot(f"runs-{width}-{theme}")
    page.get_by_text("All settings").click()
    watched.settle()
    assert problems(watched, "runs") == []
    watched.done()


def test_every_run_has_its_curve_its_colour_and_its_row(watched_runs: Runs) -> None:
    page = watched_runs.runs("tiny", "second", "sweep/third")
    assert {"Step", "Loss (nats a token)"} <= set(watched_runs.words())
    lines = page.locator(".stVegaLiteChart").first.locator("svg .mark-line path")
    colours = lines.evaluate_all(
        "all => all.filter((one) => one.getAttribute('d')).map((one) => one.getAttribute('stroke'))"
    )
    assert {"#0072b2", "#d55e00", "#009e73"} <= set(colours)
    rows = page.get_by_role("table", name="How the runs do").locator("tbody tr")
    expect(rows).to_have_count(3)
    expect(rows.nth(1)).to_contain_text("second")
    expect(rows.nth(1)).to_contain_text("300 of 300")
    expect(rows.nth(1)).to_contain_text("at step 300")
    expect(rows.nth(0)).to_contain_text("40 of 40")
    titles = [set(watched_runs.words(i)) & TITLES for i in range(6)]
    assert [title for one in titles for title in one] == list(TITLES_IN_ORDER)
    expect(page.get_by_role("table", name="Settings that differ")).to_contain_text("training.lr")
    samples = page.locator(".st-key-samples-1 .sample")
    expect(samples).to_have_count(30)
    assert samples.nth(1).locator("pre").inner_text() == "words at 20\n  and more"


TITLES_IN_ORDER = (
    "Loss (nats a token)",
    "Bits a byte",
    "Learning rate",
    "Gradient norm",
    "Tokens a second",
    "Memory (bytes)",
)
TITLES = set(TITLES_IN_ORDER)


def test_the_reader_chooses_axes_smoothing_and_runs(watched_runs: Runs) -> None:
    page = watched_runs.runs("second")
    paths = page.locator(".stVegaLiteChart").first.locator("svg .mark-line path")
    drawn = "all => all.filter((one) => one.getAttribute('d')).length"
    assert paths.evaluate_all(drawn) == 3, "unsmoothed, smoothed, evaluation"
    page.get_by_text("Tokens", exact=True).click()
    expect(page.locator(".stVegaLiteChart").first).to_contain_text("Tokens seen")
    page.get_by_text("Time", exact=True).click()
    expect(page.locator(".stVegaLiteChart").first).to_contain_text("Time of training (seconds)")
    before = watched_runs.words()
    page.get_by_role("button", name="y", exact=True).click()
    watched_runs.quiet()
    page.wait_for_function(
        """(before) => [...document.querySelector('.stVegaLiteChart').querySelectorAll('svg text')]
            .map((one) => one.textContent).join() != before""",
        arg=",".join(before),
    )
    page.get_by_role("slider", name="Smoothing").focus()
    page.keyboard.press("Home")
    watched_runs.quiet()
    page.wait_for_function(
        f"({drawn})([...document.querySelectorAll('.stVegaLiteChart')[0].querySelectorAll('.mark-line path')]) == 2"
    )
    page.get_by_role("combobox", name="Runs to compare").click()
    page.get_by_role("option", name="sweep/third").click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("table", name="How the runs do").locator("tbody tr")).to_have_count(2)
    page.wait_for_url(re.compile("run=second&run=sweep%2Fthird"))
    page.reload()
    expect(page.get_by_role("table", name="How the runs do").locator("tbody tr")).to_have_count(2, timeout=15_000)


def test_a_run_shows_live_and_neither_zoom_nor_place_is_lost(watched_runs: Runs, runs_folder: Path) -> None:
    folder = runs_folder / "live"
    folder.mkdir()
    found = records(120, done=False)
    metrics = folder / "metrics.jsonl"
    metrics.write_text(text(found[:90]))
    page = watched_runs.runs("live")
    row = page.get_by_role("table", name="How the runs do").locator("tbody tr").first
    expect(row).to_contain_text("training")
    places = "all => all.map((one) => one.getBoundingClientRect().x)"
    columns = row.locator("td").evaluate_all(places)
    at = int(row.locator("td").nth(1).inner_text())
    page.evaluate("() => { document.querySelector('.stVegaLiteChart svg').dataset.first = 'yes'; }")
    box = page.locator(".stVegaLiteChart svg").first.bounding_box()
    assert box is not None
    whole = watched_runs.words()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
    page.mouse.wheel(0, 200)  # the wheel alone scrolls
    page.wait_for_timeout(300)
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollTop") == 200
    assert watched_runs.words() == whole
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"] - 200)
    page.keyboard.down("Control")
    for _ in range(4):
        page.mouse.wheel(0, -200)
    page.keyboard.up("Control")
    page.wait_for_timeout(600)
    zoomed = watched_runs.words()
    assert zoomed != whole
    page.evaluate(  # what a blink would be: an element of the page that grows pale, from now on
        """() => { window.pale = 0; window.looks = setInterval(() => {
            for (const one of document.querySelectorAll('.st-key-runs .stElementContainer'))
                if (getComputedStyle(one).opacity < 1) window.pale += 1; }, 50); }"""
    )
    for end in (100, 110, len(found)):
        with metrics.open("a") as file:
            file.write(text(found[:end])[metrics.stat().st_size :])
        newest = max(one["step"] for one in found[:end])
        expect(row.locator("td").nth(1)).to_have_text(str(newest), timeout=10_000)
        assert newest > at
    assert page.locator("svg[data-first=yes]").count() == 1, "the chart was made anew"
    assert watched_runs.words() == zoomed, "the zoom was lost"
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollTop") == 200
    assert page.evaluate("window.pale") == 0
    expect(page.locator(".sample")).to_have_count(12)
    assert row.locator("td").evaluate_all(places) == columns, "the columns moved as the numbers changed"

    page.set_viewport_size({"width": 600, "height": 900})
    page.locator(".st-key-table-summary").evaluate("one => { one.scrollLeft = 120; }")
    with metrics.open("a") as file:
        file.write(text([{"kind": "train", **place(121), "loss": 1.0}]))
    expect(row.locator("td").nth(1)).to_have_text("121")
    assert page.locator(".st-key-table-summary").evaluate("one => one.scrollLeft") == 120

    with metrics.open("a") as file:
        file.write(text([event("done", 120, "120 steps")]))
    expect(row).to_contain_text("done", timeout=10_000)
    watched_runs.quiet()
    time.sleep(1)
    frames = watched_runs.frames
    time.sleep(5)
    assert watched_runs.frames - frames <= 1, "a run that ended is looked at no more, but for new ones every 5 s"
    watched_runs.shot("runs-live")


def test_a_run_that_begins_appears_by_itself(watched_runs: Runs, runs_folder: Path) -> None:
    page = watched_runs.runs("second")
    begun = runs_folder / "begun"
    begun.mkdir()
    (begun / "metrics.jsonl").write_text(text(records(5, done=False)))
    page.wait_for_timeout(6500)
    page.get_by_role("combobox", name="Runs to compare").click()
    expect(page.get_by_role("option", name="begun")).to_be_visible()
    os.utime(begun / "metrics.jsonl", (0, 0))


def test_what_a_file_holds_is_never_html(watched_runs: Runs) -> None:
    name = HTML.replace("/", "")
    watched_runs.open("runs")
    page = watched_runs.page
    page.locator(".stVegaLiteChart svg").first.wait_for()
    page.get_by_role("combobox", name="Runs to compare").click()
    page.get_by_role("option", name=name).click()
    page.keyboard.press("Escape")
    shown = page.get_by_role("table", name="How the runs do")
    expect(shown).to_contain_text(name)
    longest = "all => Math.max(...all.map((one) => one.offsetWidth))"
    assert shown.locator("th[scope=row]").evaluate_all(longest) < 330, "a long name takes the page"
    watched_runs.quiet()
    expect(page.locator(".sample pre", has_text="<script>")).to_have_text(HTML)
    expect(page.get_by_text("lines of").first).to_contain_text("are no metrics, and were skipped")
    page.get_by_text("All settings").click()
    assert page.locator(".st-key-runs :is(img, script)").count() == 0
    assert watched_runs.fired == []
    watched_runs.shot("runs-hostile")


def test_events_are_marked_where_they_were(watched_runs: Runs, runs_folder: Path) -> None:
    folder = runs_folder / "eventful"
    folder.mkdir()
    whole = records(60, done=False)
    half = next(at for at, one in enumerate(whole) if one["step"] > 30)
    found = [*whole[:half], event("interrupted", 30, "by SIGINT"), event("resume", 30, "from step 30"), *whole[half:]]
    found += [{"kind": "train", **place(61), "loss": None}, event("nan", 61, "batch 61 is not a number")]
    (folder / "metrics.jsonl").write_text(text(found))
    page = watched_runs.runs("eventful")
    assert {"interrupted", "resumed", "NaN"} & set(watched_runs.words()) == {"resumed", "NaN"}
    expect(page.get_by_role("table", name="How the runs do")).to_contain_text("stopped: not a number")
    expect(page.get_by_role("table", name="What happened")).to_contain_text("batch 61 is not a number")
