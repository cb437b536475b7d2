"""What every page has in a browser: one entry of history, links that arrive at their figure, the glossary, the tour."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, expect
from test_browser import SLOW, address, browser, settled, visit

from explorer.narrative import TERMS
from explorer.narrative.claims import read_claims
from explorer.presentation import TourModel, steps
from explorer.study.library import open_study

__all__ = ["address", "browser"]
pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
ENTRIES = "navigation.currentEntry.index"
TEXTS = {term.name: term.text for term in TERMS}
NARROW = {
    "rotation": (
        "Turn the dial",
        "Every map",
        "Which map?",
        "Is R random?",
        "Does the function survive?",
        "Other pairs",
    ),
    "check": ("",),
    "claims": ("",),
}


def followed(page: Page, claim: str) -> None:
    """Click on a claim's See it, and wait until the page that it leads to is at rest."""
    page.locator(f"[data-claim='{claim}'] a").click()
    page.wait_for_url("**see=**", timeout=SLOW)
    settled(page)


@pytest.mark.parametrize("claim", ["raw", "random", "raw steering", "decoder cosine"])
def test_see_it_lands_on_the_figure_and_back_returns_to_the_claims(browser: Browser, address: str, claim: str) -> None:
    (reading,) = [r for r in read_claims(open_study("tales"), "seed0", "seed1", 2, None) if r.claim.name == claim]
    with visit(browser, f"{address}/claims?site=after+3") as page:
        page.wait_for_selector(".claims", timeout=SLOW)
        settled(page)
        followed(page, claim)
        place = page.locator(f".st-key-{reading.link['see']}").first
        expect(place).to_be_in_viewport(timeout=SLOW)
        top = f"document.querySelector('.st-key-{reading.link['see']}').getBoundingClientRect().top < 500"
        page.wait_for_function(top, timeout=SLOW)  # and not at the foot of the window
        page.go_back()  # once: what the link carried and Streamlit dropped is passed over
        page.wait_for_url("**/claims**", timeout=SLOW)
        expect(page.locator(".claims")).to_be_visible(timeout=SLOW)


def test_one_entry_a_page_whatever_the_link_carries_and_the_person_does(browser: Browser, address: str) -> None:
    every = "study=tales&a=seed0&b=seed1&site=after+2&map=rotated&ask=Turn+the+dial&scale=restored&reading=faithful"
    with visit(browser, f"{address}/claims") as page:
        page.wait_for_selector(".claims", timeout=SLOW)
        settled(page)
        page.goto(f"{address}/rotation?{every}")
        settled(page)
        before = page.evaluate(ENTRIES)
        page.locator(".st-key-frame").get_by_role("radio", name="affine").click()
        page.wait_for_url("**map=affine**", timeout=SLOW)
        settled(page)
        assert page.evaluate(ENTRIES) == before, "what a person changes on a page is no entry of its own"
        page.get_by_role("link", name="Steering").click()
        page.wait_for_url("**/steering**", timeout=SLOW)
        settled(page)
        assert page.evaluate(ENTRIES) == before + 1
        page.go_back()
        page.wait_for_url("**/rotation**map=affine**", timeout=SLOW)
        settled(page)
        expect(page.locator(".verdict")).to_contain_text("affine map", timeout=SLOW)
        page.go_back()
        page.wait_for_url("**/claims**", timeout=SLOW)


def test_the_address_without_a_page_is_no_trap(browser: Browser, address: str) -> None:
    with visit(browser, f"{address}/claims") as page:
        settled(page)
        page.goto(address)
        page.wait_for_selector(".sentence", timeout=SLOW)
        page.wait_for_url("**/story**", timeout=SLOW)
        page.wait_for_function("history.state?.page", timeout=SLOW)
        page.go_back()
        page.wait_for_url("**/claims**", timeout=SLOW)
        expect(page.locator(".claims")).to_be_visible(timeout=SLOW)


def test_words_explain_themselves_to_keyboard_mouse_and_finger(browser: Browser, address: str) -> None:
    with visit(browser, f"{address}/rotation") as page:
        settled(page)
        word, tip = page.locator(".verdict dfn").first, page.locator(".tip")
        word.wait_for(timeout=SLOW)
        text = TEXTS[word.get_attribute("data-term") or ""]
        page.locator(".st-key-map button").last.focus()
        page.keyboard.press("Tab")
        expect(word).to_be_focused()
        expect(tip).to_have_text(text)
        expect(tip).to_be_visible()
        page.keyboard.press("Escape")
        expect(tip).to_be_hidden()
        word.hover()
        expect(tip).to_be_visible()
        assert page.locator(".verdict").inner_text().count("\n") == 0, "the sentence stays one"
        names = page.locator("dfn[data-term]").evaluate_all("words => words.map(word => word.dataset.term)")
        assert len(names) == len(set(names)) >= 5, "each once on a page"
    with phone(browser, f"{address}/rotation") as page:
        settled(page)
        word = page.locator(".verdict dfn").last
        word.wait_for(timeout=SLOW)
        word.tap()
        expect(page.locator(".tip")).to_be_visible()
        box = page.locator(".tip").bounding_box()
        assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= 390


def test_the_tour_has_five_steps_and_is_left_by_escape(browser: Browser, address: str) -> None:
    study = open_study("tales")
    labels = tuple(site.label for site in study.sites)
    told = steps(TourModel(labels, "after 2", study.file.d_model, ("seed0", "seed1")))
    with visit(browser, f"{address}/claims", "dark") as page:
        settled(page)
        page.get_by_role("button", name="One-minute tour").click()
        for i, step in enumerate(told):
            expect(page.locator(".tour .said")).to_have_text(step.sentence, timeout=SLOW)
            expect(page.locator(".tour img")).to_be_visible()
            assert page.locator(".tour img").evaluate("e => e.naturalWidth") > 0, "the drawing can be drawn"
            if i < len(told) - 1:
                page.get_by_role("button", name="Next").click()
        page.keyboard.press("Escape")
        expect(page.locator(".tour")).to_have_count(0, timeout=SLOW)


@contextmanager
def phone(browser: Browser, url: str) -> Iterator[Page]:
    """A page on a phone's screen, with a finger."""
    context = browser.new_context(viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)
    page = context.new_page()
    page.goto(url)
    yield page
    context.close()


OVERPRINTED = """() => {
    const found = [];
    for (const figure of document.querySelectorAll('.js-plotly-plot')) {
        const pieces = ['.annotation-text', '.xtick text', '.ytick text', '.g-xtitle text', '.g-ytitle text',
                        '.slider-rail-touch-rect', '.updatemenu-button'];
        const boxes = [...figure.querySelectorAll(pieces.join(','))]
            .map(e => [e.textContent || e.className.baseVal, e.getBoundingClientRect()])
            .filter(([, b]) => b.width > 0);
        const frame = figure.getBoundingClientRect();
        boxes.forEach(([name, a], i) => {
            if (a.right > frame.right + 2 || a.left < frame.left - 2) found.push(`${name} leaves its figure`);
            for (const [other, b] of boxes.slice(i + 1)) {
                const x = Math.min(a.right, b.right) - Math.max(a.left, b.left);
                const y = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
                if (x > 3 && y > 5) found.push(`${name} over ${other}`);
            }
        });
    }
    return found;
}"""
"""Words and handles of a figure that lie over each other or leave it."""


@pytest.mark.parametrize("name", NARROW)
def test_nothing_overprints_or_scrolls_sideways_on_a_phone(browser: Browser, address: str, name: str) -> None:
    for ask in NARROW[name]:
        with phone(browser, f"{address}/{name}?ask={ask.replace(' ', '+').replace('?', '%3F')}") as page:
            settled(page)
            page.wait_for_function(
                "[...document.querySelectorAll('.js-plotly-plot')].every(g => g._fullLayout?.xaxis?._length)",
                timeout=SLOW,
            )
            wide = "e => e.scrollWidth - e.clientWidth"
            assert page.locator("html").evaluate(wide) <= 0 and page.get_by_test_id("stMain").evaluate(wide) <= 0
            assert page.evaluate(OVERPRINTED) == [], ask
