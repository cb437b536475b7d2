"""How soon the Rotation page answers a warm click, in Chromium: switching the pair, the site and the map.

Run `.venv/bin/python -m tests.benchmarks.clicks [CLICKS]` on an idle machine (CHROMIUM names the browser). A click is
answered when the page changes for the last time before it rests for 0.7 s; times are those of the browser, in
milliseconds.
"""

from __future__ import annotations

import itertools
import os
import shutil
import sys
from collections.abc import Callable

import numpy as np
from playwright.sync_api import Page, sync_playwright
from tests.test_browser import FLAGS, SLOW, app, settled

_WATCH = """
window.seen = {click: 0, last: 0};
document.addEventListener('click', () => { window.seen = {click: performance.now(), last: 0}; }, true);
new MutationObserver(() => { window.seen.last = performance.now(); }).observe(
    document.querySelector('[data-testid=stMain]'), {childList: true, subtree: true, characterData: true});
"""
_RESTS = "performance.now() - Math.max(window.seen.click, window.seen.last) > 700"


def answered(page: Page, click: Callable[[], None]) -> float:
    """Milliseconds from a click to the last change that it made."""
    click()
    page.wait_for_function(_RESTS, timeout=SLOW)
    page.wait_for_function("!document.querySelector('[data-testid=stStatusWidget]')", timeout=SLOW)
    return float(page.evaluate("Math.max(0, window.seen.last - window.seen.click)"))


def option(page: Page, label: str, value: str) -> Callable[[], None]:
    """Open a list of the frame; returns the click on one of its options."""
    page.locator(".st-key-frame").get_by_role("combobox", name=label).click()
    choice = page.get_by_role("option", name=value, exact=True)
    choice.wait_for(timeout=SLOW)
    page.wait_for_timeout(400)
    return choice.click


def measure(page: Page, clicks: int) -> dict[str, list[float]]:
    """Latencies by what is switched; the first visit of every value is not counted."""
    found: dict[str, list[float]] = {"pair": [], "site": [], "map": []}
    values = {
        "pair": ("twin", "seed1"),
        "site": ("after 3", "end", "after 2"),
        "map": ("raw", "affine", "rotated"),
    }
    for name, choices in values.items():
        for i, value in zip(range(clicks + len(choices)), itertools.cycle(choices), strict=False):
            if name == "map":
                click = page.locator(".st-key-frame").get_by_role("radio", name=value, exact=True).click
            else:
                click = option(page, "Target B" if name == "pair" else "Site", value)
            took = answered(page, click)
            if i >= len(choices):
                found[name].append(took)
    return found


def main() -> None:
    """Print one row for each switch."""
    clicks = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    with app() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
        page.goto(f"{address}/rotation?b=seed1")
        settled(page)
        page.wait_for_timeout(3000)
        page.evaluate(_WATCH)
        for name, times in measure(page, clicks).items():
            median, high = np.percentile(times, [50, 95])
            print(f"{name:5} median {median:4.0f} ms, p95 {high:4.0f} ms, {len(times)} clicks", flush=True)


if __name__ == "__main__":
    main()
