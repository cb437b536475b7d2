"""A figure is drawn once: Streamlit hands it to Plotly twice, and the second time there is nothing new to draw."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser
from test_browser import address, browser, settled, visit  # noqa: F401 (fixtures)

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
REDRAWN = """() => {
    window.redrawn = [];
    const drawn = new WeakSet();
    new MutationObserver((changes) => {
        for (const { target, removedNodes } of changes)
            // What a figure that goes away takes along is no longer in the page.
            if (removedNodes.length && target.isConnected && target.matches?.(".infolayer") && drawn.has(target))
                window.redrawn.push(target.closest("[class*=st-key-]").className);
        for (const words of document.querySelectorAll(".infolayer")) if (words.childNodes.length) drawn.add(words);
    }).observe(document.body, { childList: true, subtree: true });
}"""
"""Plotly takes away the words of a figure and sets them anew when it draws it again."""


@pytest.mark.slow
@pytest.mark.parametrize("page_name", ["rotation", "steering"])
def test_a_site_draws_each_figure_once(browser: Browser, address: str, page_name: str) -> None:  # noqa: F811
    with visit(browser, f"{address}/{page_name}?b=seed1") as page:
        settled(page)
        page.evaluate(REDRAWN)
        page.locator(".st-key-frame").get_by_role("combobox", name="Site").click()
        page.get_by_role("option", name="after 3", exact=True).click()
        settled(page)
        assert page.locator("[data-testid=stMain] .main-svg").count() > 1
        assert page.evaluate("window.redrawn") == []
