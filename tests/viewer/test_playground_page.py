"""The playground in a real Chromium, with a model that was trained for it: what is shown is what the model gives."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from lilllm.inference import Speaker, load
from tests.viewer.modules import module
from tests.viewer.runs import HTML
from tests.viewer.test_accessibility import problems
from tests.viewer.watched import Watched

pytestmark = pytest.mark.browser

VIEWS = ["Tokens", "Next token", "Attention", "Samplers", "Chat"]


@pytest.fixture(autouse=True, scope="module")
def patience() -> Iterator[None]:
    """Models take long to answer where other tests run beside these."""
    expect.set_options(timeout=20_000)
    yield
    expect.set_options(timeout=5_000)


class Playground(Watched):
    """The playground at one of its views."""

    def view(self, name: str, model: str = "tiny") -> Page:
        self.open(f"playground?view={name.replace(' ', '+')}&model={model}")
        self.page.get_by_role("combobox", name="Model").wait_for()
        self.quiet()
        return self.page

    def quiet(self) -> None:
        self.page.wait_for_timeout(300)
        self.page.wait_for_function("!document.querySelector('[data-testid=stStatusWidget]')")
        self.settle()

    def write(self, text: str) -> None:
        """Another text for the view's field."""
        field = self.page.get_by_role("textbox", name="Text")
        field.fill(text)
        field.press("Control+Enter")
        self.quiet()

    def tokens(self, place: int = 0) -> list[str]:
        return self.page.locator(".tokens").nth(place).locator(".token > b").all_text_contents()

    def done(self) -> None:
        self.context.close()
        assert (self.outside, self.errors, self.fired) == ([], [], [])


@pytest.fixture
def playground(browser: object, app: str, runs_folder: Path) -> Iterator[Playground]:
    page = Playground(browser, app)
    yield page
    page.done()


@pytest.fixture(scope="module")
def model(runs_folder: Path) -> Speaker:
    return load(runs_folder / "tiny")


@pytest.mark.parametrize(("width", "theme"), [(1400, "dark"), (360, "light")])
def test_every_view_fits_the_page_and_axe_finds_nothing(
    browser: object, app: str, runs_folder: Path, width: int, theme: str
) -> None:
    watched = Playground(browser, app, width=width, theme=theme)
    page = watched.view(VIEWS[0])
    found: list[str] = []
    for view in VIEWS:
        page.get_by_test_id("stButtonGroup").first.get_by_text(view, exact=True).click()
        page.wait_for_url(
            re.compile("view=" + view.replace(" ", r"(\+|%20)")) if view != VIEWS[0] else re.compile("playground")
        )
        page.locator(MARK[view]).first.wait_for()
        watched.quiet()
        watched.shot(f"playground-{view.partition(' ')[0].lower()}-{width}-{theme}")
        if not page.evaluate("document.documentElement.scrollWidth <= innerWidth"):
            found.append(f"{view} scrolls sideways")
        found += problems(watched, view)
    assert found == []
    if width == 360:
        cut = page.get_by_role("radio").evaluate_all(
            """all => all.filter((one) => {
                const box = one.getBoundingClientRect(), row = one.parentElement.getBoundingClientRect();
                return box.right > row.right + 1 || box.right > innerWidth; }).length"""
        )
        assert cut == 0, "a view's name is cut off"
        page.get_by_text("Next token", exact=True).click()
        bars = page.locator(".chance")
        expect(bars).to_have_count(10)
        shares = [float(one.partition(" ")[0]) for one in bars.all_inner_texts()]
        widths = bars.locator("span").evaluate_all("all => all.map((one) => one.getBoundingClientRect().width)")
        for share, bar in zip(shares, widths, strict=True):
            assert bar == pytest.approx(widths[0] * share / shares[0], abs=2 + 0.05 / shares[0] * widths[0])
    watched.done()


MARK = {
    "Tokens": ".token",
    "Next token": ".chance",
    "Attention": ".stVegaLiteChart :is(svg, canvas)",
    "Samplers": ".written",
    "Chat": "[data-testid=stChatInput]",
}


def test_tokens_are_exact_and_follow_what_is_written(playground: Playground, model: Speaker) -> None:
    page = playground.view("Tokens")
    written = "a  b\n\té 👩‍🚀 " + HTML
    playground.write(written)
    page.get_by_text("Of tiny", exact=True).first.wait_for()
    data = written.encode()
    expect(page.locator(".st-key-tokenizer-Bytes")).to_contain_text(f"{len(data)} tokens, 1.00 bytes a token")
    shown = playground.tokens()
    assert shown[:7] == ["a", "·", "·", "b", "↵", "⇥", "C3"]
    assert [one for one in shown if re.fullmatch("[0-9A-F]{2}", one)] == [f"{b:02X}" for b in data if b > 127]
    own = page.locator(".st-key-tokenizer-Of")
    ids = model.tokenizer.encode(written)
    expect(own.locator(".token small")).to_have_text([f"{i} · {len(model.tokenizer.token_bytes(i))} B" for i in ids])
    assert page.locator(".tokens :is(img, script)").count() == 0
    page.get_by_text("Words", exact=True).click()
    expect(page.locator(".st-key-tokenizer-Words")).to_contain_text("the text does not come back from them")
    page.get_by_text("Ids and bytes below each token").click()
    expect(page.locator(".token small")).to_have_count(0)


def test_candidates_are_the_models_and_a_click_goes_on_with_one(
    playground: Playground, model: Speaker, runs_folder: Path
) -> None:
    page = playground.view("Next token")
    playground.write("Mia gave a")
    expected = model.candidates("Mia gave a", 10)
    first = page.locator(".st-key-candidate-0")
    expect(first).to_contain_text(f"{100 * expected[0].probability:.1f} %")
    names = [one.text.replace(" ", "·") for one in expected[:3]]
    for place, name in enumerate(names):
        expect(page.locator(f".st-key-candidate-{place} button").first).to_have_text(name)
    expect(page.get_by_role("button", name="Undo")).to_be_disabled()
    playground.quiet()
    page.locator(".st-key-candidate-1 button").first.click()
    new = page.locator(".token.new")
    expect(new).to_have_text([names[1]])
    further = model.candidates("Mia gave a" + expected[1].text, 10)
    expect(first).to_contain_text(f"{100 * further[0].probability:.1f} %")
    page.locator(".st-key-candidate-0 button").first.click()
    expect(new).to_have_count(2)
    page.get_by_role("button", name="Undo").click()
    expect(new).to_have_text([names[1]])
    page.get_by_role("button", name="Start over").click()
    expect(new).to_have_count(0)
    expect(page.get_by_role("button", name="Undo")).to_be_disabled()
    page.get_by_role("combobox", name="Model").click()
    page.get_by_role("option", name="tiny/step-000020").click()
    page.wait_for_url(re.compile("model=tiny%2Fstep-000020"))
    half_trained = load(runs_folder / "tiny" / "checkpoints" / "step-000020").candidates("Mia gave a", 1)[0]
    expect(first).to_contain_text(f"{100 * half_trained.probability:.1f} %")
    assert half_trained.probability != expected[0].probability


def test_attention_shows_each_head_of_a_text(playground: Playground, model: Speaker) -> None:
    page = playground.view("Attention")
    playground.write("Mia gave a hat")
    n = len(model.encode("Mia gave a hat"))
    cells = page.locator(".stVegaLiteChart svg .mark-rect.role-mark path")
    expect(cells).to_have_count(n * (n + 1) // 2)
    colours = cells.evaluate_all("all => all.map((one) => one.getAttribute('fill'))")
    assert colours[0] == "rgb(255, 233, 92)", "the first token has only itself to look at"
    expect(page.locator(".heads figure")).to_have_count(8)
    page.get_by_role("combobox", name="Head").click()
    page.get_by_role("option", name="3 of 4").click()
    expect(page.locator(".heads figure").nth(2)).to_have_class("chosen")
    playground.write("Mia gave a hat to Ben. " * 10)
    expect(page.get_by_text("The first 64 of")).to_be_visible()
    expect(cells).to_have_count(64 * 65 // 2)
    for theme, colour in (("dark", "rgb(228, 232, 236)"), ("light", "rgb(29, 35, 41)")):
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        names = page.locator(".stVegaLiteChart svg text")
        expect(names.first).to_have_css("fill", colour)
        assert set(names.evaluate_all("all => all.map((one) => getComputedStyle(one).fill)")) == {colour}, theme


def test_samplers_write_what_the_model_writes_with_them(playground: Playground, model: Speaker) -> None:
    page = playground.view("Samplers")
    playground.write("Mia gave")
    tiles = page.locator(".written")
    expect(tiles).to_have_count(6)
    options = [{}, {"temperature": 0.0}, {"temperature": 0.7}, {"top_k": 10}, {"top_p": 0.9}, {"min_p": 0.1}]
    for place, one in enumerate(options):
        text = unescape(module("samplers_view")._lines(model.write("Mia gave", max_new=50, seed=0, **one)))
        expect(tiles.nth(place)).to_have_text("Mia gave" + text)
    expect(page.locator(".st-key-sampler-1")).to_contain_text(f"leaves 1 of {model.tokenizer.vocab_size} tokens")
    expect(page.locator(".st-key-sampler-3")).to_contain_text("leaves 10 of")
    height = tiles.nth(1).evaluate("one => one.clientHeight")
    playground.write("Mia gave" + "\n" * 50)
    expect(tiles.nth(1)).to_contain_text("Mia gave" + "↵" * 50)
    assert tiles.nth(1).evaluate("one => one.clientHeight") < height + 300, "each newline is a line"
    playground.write("Mia gave")
    expect(tiles.nth(1)).not_to_contain_text("gave↵")
    before = tiles.all_text_contents()
    page.get_by_role("spinbutton", name="Seed").fill("7")
    page.keyboard.press("Enter")
    expect(tiles.nth(0)).not_to_have_text(before[0])
    expect(tiles.nth(1)).to_have_text(before[1])  # greedy draws nothing


def test_an_answer_comes_in_pieces_and_the_same_seed_gives_it_again(playground: Playground, model: Speaker) -> None:
    page = playground.view("Chat")
    page.evaluate(
        """() => { window.seen = new Set(); setInterval(() => {
            const all = document.querySelectorAll('.written');
            if (all.length > 1) window.seen.add(all[1].textContent);
            const notes = document.querySelectorAll('[data-testid=stChatMessage] [data-testid=stCaptionContainer]');
            if (document.querySelector('.st-key-stop') && all.length > 2)
                window.notes = Math.max(window.notes ?? 1, notes.length); }, 10); }"""
    )
    options = {"max_new": 600, "temperature": 0.8, "top_p": 0.95}
    answers = (model.write("Mia gave <b>a</b>", seed=seed, **options) for seed in range(50))
    seed, answer = next((seed, one) for seed, one in enumerate(answers) if len(one) > 600)  # a long one
    shown = unescape(module("plain").written(answer))
    for name, value in (("Tokens at most", 600), ("Seed", seed)):
        page.get_by_role("spinbutton", name=name).fill(str(value))
        page.keyboard.press("Enter")
        playground.quiet()
    field = page.get_by_test_id("stChatInputTextArea")
    field.fill("Mia gave <b>a</b>")
    field.press("Enter")
    expect(page.get_by_text(re.compile(rf"tokens?, .*; seed {seed}$"))).to_be_visible()
    texts = page.locator(".written")
    assert texts.all_text_contents() == ["Mia gave <b>a</b>", shown]
    seen = sorted(page.evaluate("[...window.seen]"), key=len)
    assert len(seen) > 2, "the answer came as a whole"
    assert all(shown.startswith(one) for one in seen)
    field.fill(" Then")
    field.press("Enter")
    expect(page.get_by_text(re.compile(rf"tokens?, .*; seed {seed}$"))).to_have_count(2)
    assert texts.all_text_contents()[:3] == ["Mia gave <b>a</b>", shown, " Then"]
    assert page.evaluate("window.notes ?? 1") == 1, "a note stood twice while the next answer came"
    page.get_by_role("combobox", name="Model").click()
    page.get_by_role("option", name="tiny/step-000020").click()
    page.wait_for_url(re.compile("model=tiny%2Fstep-000020"))
    playground.quiet()
    page.reload()
    expect(page.get_by_text(re.compile(rf"^tiny: \d+ tokens?, .*; seed {seed}$"))).to_have_count(2)
    assert texts.all_text_contents()[:3] == ["Mia gave <b>a</b>", shown, " Then"]
    page.get_by_role("button", name="Clear").click()
    expect(texts).to_have_count(0)


def test_an_answer_is_stopped_and_what_was_written_stays(playground: Playground) -> None:
    page = playground.view("Chat")
    page.get_by_role("spinbutton", name="Tokens at most").fill("2000")
    page.keyboard.press("Enter")
    playground.quiet()
    field = page.get_by_test_id("stChatInputTextArea")
    field.fill("Mia gave")
    field.press("Enter")
    page.wait_for_function("(document.querySelectorAll('.written')[1]?.textContent.length ?? 0) > 20")
    page.locator(".st-key-stop button").click()
    expect(page.get_by_text("stopped; seed 0")).to_be_visible()
    expect(page.locator(".st-key-stop")).to_have_count(0)
    stopped = page.locator(".written").nth(1).inner_text()
    assert len(stopped) > 20
    page.wait_for_timeout(500)
    assert page.locator(".written").nth(1).inner_text() == stopped
    playground.shot("playground-stopped")
