"""Steering in a browser: lanes stream, stop and continue; a closed tab ends its work; text is never read as HTML."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect
from test_browser import SLOW, address, browser, settled, visit

__all__ = ["address", "browser"]
pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

GROWN = "n => [...document.querySelectorAll('.lanes .lane')].filter(l => l.textContent.length > n).length >= 6"


def texts(page: Page) -> list[str]:
    """What each lane shows."""
    return page.locator(".lanes .lane").all_text_contents()


def test_lanes_stream_stop_and_continue(browser: Browser, address: str) -> None:
    link = f"{address}/steering?b=twin&temperature=0&length=200&dose=0.2&prompt=The+%3Cb%3Efox%3C%2Fb%3E+*sat*"
    with visit(browser, link) as page:
        settled(page)
        page.get_by_role("button", name="Generate").click(timeout=SLOW)
        page.wait_for_function(GROWN, arg=60, timeout=SLOW)
        page.get_by_role("button", name="Stop").click(timeout=SLOW)
        expect(page.locator("p[role=status]")).to_contain_text("Stopped", timeout=20_000)
        stopped = texts(page)
        page.wait_for_timeout(1500)
        assert texts(page) == stopped, "text went on after Stop"
        assert all(t.startswith("The <b>fox</b> *sat*") for t in stopped), "a prompt is text, not HTML or Markdown"
        page.get_by_role("button", name="Continue").click(timeout=SLOW)
        page.wait_for_function(GROWN, arg=max(map(len, stopped)) + 20, timeout=SLOW)
        page.get_by_role("button", name="Stop").click(timeout=SLOW)
        expect(page.locator("p[role=status]")).to_contain_text("Stopped", timeout=20_000)
        gone_on = texts(page)
        assert all(after.startswith(before) for before, after in zip(stopped, gone_on, strict=True))
        tinted = page.locator(".lanes .lane[data-lane=rotated] span[title*='KL from unsteered']")
        expect(tinted.nth(10), "hovering a token shows its alternatives").to_be_attached(timeout=20_000)
        rotated, source = (page.locator(f"[data-lane='{k}']").text_content() or "" for k in ("rotated", "source+v"))
        length = min(len(rotated), len(source))
        assert rotated[:length] == source[:length], "on the twin R must be exact"


def test_the_dose_response_is_shown(browser: Browser, address: str) -> None:
    with visit(browser, f"{address}/steering?a=seed0&b=twin&vector=contrast%3Anews", "dark") as page:
        settled(page)
        expect(page.get_by_test_id("stMain")).to_contain_text("it transfers", timeout=SLOW)
        page.locator(".st-key-dose_figure .js-plotly-plot").wait_for(timeout=SLOW)
        expect(page.get_by_test_id("stMain")).to_contain_text("contrasts transfer from seed0 to twin")
        assert "vector=contrast%3Anews" in page.url or "vector=contrast:news" in page.url
