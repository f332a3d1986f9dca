"""The viewer as a reader meets it: real Chromium, keyboard, address bar, hostile trace, a network that is watched."""

from __future__ import annotations

import re
import time

import pytest

from tests.viewer.hostile import MARKUP
from tests.viewer.watched import Watched

pytestmark = pytest.mark.browser


def test_it_opens_a_lecture_from_the_list_and_steps_with_the_keyboard(watched: Watched) -> None:
    watched.open()
    watched.page.get_by_text("31 s").wait_for()
    watched.shot("list")
    watched.page.get_by_role("button", name="Open").first.click()
    watched.page.wait_for_selector(".player .line")
    watched.page.wait_for_function("location.search.includes('trace=01_pairs')")
    assert (watched.step(), watched.current()) == (1, "import torch")
    watched.press("ArrowRight", "ArrowRight")
    assert watched.current() == "pieces = [c for c in text]"
    assert watched.value("text") == r"'low lower lowest\n'"
    watched.press("ArrowLeft")
    assert watched.step() == 2
    assert watched.page.locator(".row .name:text-is('text')").count() == 0


def test_values_change_and_are_marked_beside_their_line_and_in_the_panel(watched: Watched) -> None:
    watched.open("?trace=01_pairs&step=1")
    watched.press("ArrowRight", "ArrowRight", "ArrowRight")
    changed = watched.page.locator(".group.changed .row")
    assert changed.locator(".name").all_text_contents() == ["pieces"]
    assert watched.page.locator(".line.done .inline .fresh").inner_text().startswith("pieces = ['l', 'o', 'w'")
    chips = changed.locator(".chip")
    assert chips.count() == 17
    assert chips.nth(3).inner_text() == "·"  # the space between two words can be seen
    assert chips.nth(16).inner_text() == "↵"


def test_a_deep_link_opens_a_trace_at_a_step_and_the_address_follows(watched: Watched) -> None:
    watched.open("?trace=01_pairs&step=60")
    assert watched.step() == 60
    assert watched.sentence() == "About to run line 43, in merge"
    watched.press("l", "l")
    watched.page.wait_for_function("location.search.includes('step=62')")
    watched.page.reload()
    watched.page.wait_for_selector(".player .line")
    assert watched.step() == 62


def test_back_over_out_first_last_and_sections(watched: Watched) -> None:
    watched.open("?trace=01_pairs&step=1")
    watched.press("]")
    assert watched.current() == "def merge(pieces, pair):"
    watched.press("j", "j")
    assert watched.current() == "counts = count_pairs(pieces)"
    before = watched.step()
    watched.press("j")
    assert watched.current() == "pair = max(counts, key=counts.get)"
    assert watched.step() > before + 10, "over runs the call without showing it"
    watched.press("k")
    assert watched.step() == before, "back over calls returns to where over started"
    watched.press("l", "l", "l")
    assert watched.page.locator(".frames button").count() == 2
    watched.press("u")
    assert watched.page.locator(".stack").is_hidden()
    watched.press("[")
    assert watched.current() == "def merge(pieces, pair):"
    watched.press("End")
    assert watched.step() == int(watched.page.locator(".counter span").last.inner_text().split()[-1])
    assert watched.sentence() == "The cell has run"
    watched.press("Home")
    assert watched.step() == 1


def test_a_click_on_a_line_goes_to_its_next_run_and_shift_click_to_the_one_before(watched: Watched) -> None:
    watched.open("?trace=01_pairs&step=1")
    line = watched.page.locator(".line", has_text=re.compile(r"merged = \[\]")).locator(".src")
    steps = []
    for _ in range(3):
        line.click()
        watched.settle()
        assert watched.current() == "merged = []"
        steps.append(watched.step())
    assert steps == sorted(set(steps))
    line.click(modifiers=["Shift"])
    watched.settle()
    assert watched.step() == steps[1]


def test_the_stack_shows_the_values_of_each_frame(watched: Watched) -> None:
    watched.open("?trace=01_pairs&step=60")
    assert watched.value("i") == "3"
    watched.page.locator(".frames button", has_text="top level").click()
    watched.settle()
    assert watched.value("turn") == "0"
    assert watched.page.locator(".row .name:text-is('i')").count() == 0
    assert watched.page.locator(".line.waiting .src").inner_text().strip() == "pieces = merge(pieces, pair)"


def test_tensors_show_a_summary_and_a_heatmap_with_values_on_hover(watched: Watched) -> None:
    watched.open("?trace=01_pairs&step=1")
    watched.page.locator(".line", has_text="cube = torch").locator(".src").click()
    watched.settle()
    canvas = watched.page.locator(".group.changed .heat")
    canvas.hover(position={"x": 3, "y": 3})
    assert watched.page.locator(".group.changed .readout").inner_text().startswith("mean of block 0, 0:")
    watched.press("ArrowRight")
    slider = watched.page.locator(".slice input")
    slider.fill("1")
    assert watched.page.locator(".group.changed .numbers td").first.inner_text() == "12"


def test_outputs_come_when_their_statement_has_run_and_go_when_stepping_back(watched: Watched) -> None:
    watched.open("?trace=01_pairs&step=4")
    assert watched.page.locator(".output").count() == 0
    watched.press("ArrowRight")
    assert watched.page.locator(".output").all_inner_texts() == ["17 pieces\n"]
    watched.press("ArrowLeft")
    assert watched.page.locator(".output").count() == 0


def test_stepping_asks_the_server_nothing_and_leaves_no_backlog(watched: Watched) -> None:
    watched.open("?trace=01_pairs&step=1")
    watched.page.wait_for_timeout(1000)
    frames = watched.frames
    watched.press(*["ArrowRight"] * 200)
    assert watched.step() == 201
    watched.page.wait_for_timeout(500)
    assert watched.frames == frames, "a websocket frame was sent while stepping"


def test_help_lists_the_keys_and_typing_a_number_does_not_step(watched: Watched) -> None:
    watched.open("?trace=01_pairs&step=1")
    watched.press("?")
    assert watched.page.locator("dialog.help").is_visible()
    watched.shot("help")
    watched.press("Escape")
    field = watched.page.locator(".counter input")
    field.fill("100")
    field.press("Enter")
    watched.settle()
    assert watched.step() == 100
    field.press("l")
    watched.settle()
    assert field.input_value() in ("100l", "l100", "l"), "a letter typed into the field is text"


def test_another_trace_starts_at_its_first_step(watched: Watched) -> None:
    watched.open("?trace=01_pairs&step=60")
    box = watched.page.get_by_role("combobox", name="Lecture")
    box.click()
    watched.page.get_by_role("option", name="03_stopped").click()
    watched.page.wait_for_selector(".notice")
    assert watched.step() == 1
    assert "it ran longer than 60 s" in watched.page.locator(".notice").inner_text()


def test_a_broken_trace_says_so_and_the_rest_still_works(watched: Watched) -> None:
    watched.page.goto(f"{watched.address}/?trace=02_broken")
    watched.page.get_by_text("not gzip").wait_for()
    watched.page.goto(f"{watched.address}/?trace=../../etc/passwd")
    watched.page.get_by_text("31 s").wait_for()  # no such name: the list
    watched.open("?trace=01_pairs&step=2")
    assert watched.step() == 2


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_hostile_trace_fires_nothing(browser: object, app: str, theme: str) -> None:
    watched = Watched(browser, app, theme=theme)
    watched.open("?trace=04_hostile&step=1")
    assert watched.page.locator(".page").count() == 1
    total = int(watched.page.locator(".counter span").last.inner_text().split()[-1].replace(",", ""))
    for _ in range(total):
        watched.press("ArrowRight")
    watched.page.evaluate("""() => {
        const roots = [...document.querySelectorAll('*')].map(e => e.shadowRoot);
        const root = roots.find(r => r && r.querySelector('.player'));
        root.querySelectorAll('details').forEach(d => { d.open = true; });
        for (const a of root.querySelectorAll('.output a, .prose a')) if (!/^https?:|^mailto:/.test(a.href)) a.click();
    }""")
    watched.page.wait_for_timeout(1000)
    assert watched.page.locator(".output.html").count() > len(MARKUP)
    watched.shot(f"hostile-{theme}")
    assert watched.fired == []
    assert watched.outside == []
    assert watched.page.evaluate("() => ({}).polluted === undefined && window.fired === undefined")
    assert watched.errors == []
    watched.context.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 700, 400])
def test_it_fits_its_width_and_keeps_its_picture(browser: object, app: str, theme: str, width: int) -> None:
    watched = Watched(browser, app, width=width, theme=theme)
    for step in (1, 60, 278):
        watched.open(f"?trace=01_pairs&step={step}")
        watched.settle()
        watched.shot(f"step{step}-{width}-{theme}")
        assert watched.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page scrolls sideways"
        if step == 1:  # opens at its title
            assert watched.page.locator(".doc").evaluate("doc => doc.scrollTop") == 0
            continue
        line = watched.page.locator(".line[aria-current]").bounding_box()
        view = watched.page.locator(".doc").bounding_box()
        assert line
        assert view
        assert view["y"] <= line["y"] <= view["y"] + view["height"] - line["height"], "the current line is in sight"
    assert watched.page.locator(".player").get_attribute("data-theme") == theme
    assert watched.outside == []
    watched.context.close()


def test_the_live_region_says_the_step_once_the_reader_rests(watched: Watched) -> None:
    watched.open("?trace=01_pairs&step=1")
    watched.press("ArrowRight", "ArrowRight")
    deadline = time.monotonic() + 5
    live = watched.page.locator("[aria-live=polite]")
    while "Step 3 of" not in (live.text_content() or "") and time.monotonic() < deadline:
        watched.page.wait_for_timeout(50)
    assert "About to run line 21" in (live.text_content() or "")
