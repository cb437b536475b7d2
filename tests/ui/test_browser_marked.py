"""What a study or a link brings along stays words: no element, no formula, no script, no question to another host."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlencode

import pytest
from marked import FOUND, HOST, MARK, mark_study
from playwright.sync_api import Browser, Page, expect
from test_browser import IDLE, SLOW, app, browser  # noqa: F401 (a fixture)

from explorer.study import SHIPPED
from explorer.study.library import studies_folder
from explorer.ui import PAGES

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]
READ = {
    "rotation": ("study", "a", "b", "site", "map", "see"),
    "story": ("scene",),
    "features": ("feature", "text", "find", "card_prompt"),
    "steering": ("vector", "prompt"),
    "check": ("check", "show"),
}
"""The parameters that are read as words, by the page that reads them; those that every page reads stand at one."""
NAMES = [name for names in READ.values() for name in names]


@pytest.fixture(scope="module", params=[("tales", "seed0", "seed1")], ids=["tales"])
def address(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with one marked study."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EXPLORER_CACHE", str(tmp_path_factory.mktemp("cache")))
        name, source, target = request.param
        refused = mark_study(SHIPPED / name, studies_folder() / "marked" / "study", source, target)
        assert all(re.search(r"(kind|verdict|arm|regime|architecture|family)$", group) for group in refused), refused
        with app() as running:
            yield running


@contextmanager
def watched(browser: Browser) -> Iterator[Page]:  # noqa: F811
    """A page that fails the test if it asks another host, or tries to."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    outside: list[str] = []
    page.on("request", lambda r: outside.append(r.url) if HOST in r.url.split("?")[0] else None)
    page.on("console", lambda m: outside.append(m.text) if "Content Security Policy" in m.text else None)
    yield page
    assert outside == []
    context.close()


def look(page: Page) -> None:
    """Wait until the page is drawn, and find nothing that a mark has become."""
    page.wait_for_selector("[data-testid=stApp]", timeout=SLOW)
    page.evaluate("window.idleSince = null")
    page.wait_for_function(IDLE, timeout=SLOW)
    assert page.evaluate(FOUND) == []


def unfold(page: Page) -> None:
    """Open everything that is folded, and look once: what is open stays open."""
    folded = page.locator("[data-testid=stMain] details:not([open]) > summary:visible")
    while (before := folded.count()) > 0:
        folded.first.click(timeout=SLOW)
        expect(folded).not_to_have_count(before)
    look(page)


def press(page: Page, places: str) -> None:
    """Click everything of a kind, and look each time."""
    for i in range(page.locator(places).count()):
        place = page.locator(places).nth(i)
        if place.is_visible():
            place.click(timeout=SLOW)
            look(page)
            if "Popover" in places:
                page.keyboard.press("Escape")


@pytest.fixture(scope="module")
def plain() -> Iterator[str]:
    """A server without a study of its own."""
    with app() as running:
        yield running


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_every_word_of_a_study_stays_a_word(browser: Browser, address: str, name: str) -> None:  # noqa: F811
    with watched(browser) as page:
        page.goto(f"{address}/{name}?study=marked")
        look(page)
        if name == "story":
            for _ in range(12):
                page.keyboard.press("ArrowRight")
                look(page)
            page.keyboard.press("n")
        unfold(page)
        press(page, "[data-testid=stMain] :not(.st-key-frame) > * [data-testid^=stBaseButton-segmented_control]")
        press(page, "[data-testid=stMain] [data-testid=stPopoverButton]")


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_every_word_of_a_link_stays_a_word(browser: Browser, name: str, plain: str) -> None:  # noqa: F811
    with watched(browser) as page:
        for words in (NAMES, *([word] for word in READ.get(name, ()))):
            page.goto(f"{plain}/{name}?" + urlencode(dict.fromkeys(words, MARK)))
            look(page)
