"""How soon the page answers, in Chromium: warm clicks, five people at once, memory.

Run `.venv/bin/python -m tests.benchmarks.clicks [CLICKS]` on an idle machine (CHROMIUM names the browser); `rows` gives
the same as a table. A click is answered when the page changes for the last time before it rests for 0.7 s; times are
those of the browser.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import psutil
from playwright.sync_api import Browser, Page, sync_playwright

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parent)]

from rows import Row

from explorer.narrative.rehearsal import FLAGS, app, find_browser
from explorer.ui.pages import PAGES

SLOW = 120_000
PEOPLE = 5
VALUES = {"pair": ("twin", "seed1"), "site": ("after 3", "end", "after 2"), "map": ("raw", "affine", "rotated")}
"""What is switched, between which values."""
_WATCH = """() => {
window.seen = {click: 0, last: 0};
document.addEventListener('click', () => { window.seen = {click: performance.now(), last: 0}; }, true);
new MutationObserver(() => { window.seen.last = performance.now(); }).observe(
    document.querySelector('[data-testid=stMain]'), {childList: true, subtree: true, characterData: true});
}"""
_RESTS = """performance.now() - Math.max(window.seen.click, window.seen.last) > 700
    && document.querySelector('[data-testid=stApp]').dataset.testScriptState === 'notRunning'"""
_ANSWERED = "Math.max(0, window.seen.last - window.seen.click) / 1000"


def option(page: Page, label: str, value: str) -> Callable[[], None]:
    """Open a list of the frame; returns the click on one of its options."""
    page.locator(".st-key-frame").get_by_role("combobox", name=label).click()
    choice = page.get_by_role("option", name=value, exact=True)
    choice.wait_for(timeout=SLOW)
    page.wait_for_timeout(400)
    return choice.click


def switch(page: Page, name: str, value: str) -> Callable[[], None]:
    """The click that switches the pair, the site or the map to a value."""
    if name == "map":
        return page.locator(".st-key-frame").get_by_role("radio", name=value, exact=True).click
    return option(page, "Target B" if name == "pair" else "Site", value)


def answered(pages: Sequence[Page], clicks: Sequence[Callable[[], None]]) -> list[float]:
    """Seconds from each page's click to the last change that it made; all pages are clicked before any is awaited."""
    for click in clicks:
        click()
    for page in pages:
        page.wait_for_function(_RESTS, timeout=SLOW)
    return [float(page.evaluate(_ANSWERED)) for page in pages]


def measure(pages: Sequence[Page], name: str, clicks: int) -> list[float]:
    """Latencies of one switch; the first visit of every value is not counted."""
    choices, found = VALUES[name], []
    for i, value in zip(range(clicks + len(choices)), itertools.cycle(choices), strict=False):
        took = answered(pages, [switch(page, name, value) for page in pages])
        if i >= len(choices):
            found += took
    return found


def open_page(browser: Browser, url: str) -> Page:
    """A page of a visitor of its own, drawn and watched."""
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.set_default_timeout(SLOW)
    page.goto(url)
    page.wait_for_selector("[data-testid=stMain] .main-svg")
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
    page.evaluate(_WATCH)
    return page


def memory(address: str) -> float:
    """Resident memory of the process that serves an address, GiB."""
    port = address.rpartition(":")[2]
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if port in words and any("streamlit" in word for word in words):
            return float(process.memory_info().rss) / 2**30
    raise SystemExit(f"no process serves {address}")


def _row(name: str, aim: float, times: Sequence[float]) -> Row:
    p50, p95, most = np.percentile(times, (50, 95, 100))
    return Row(
        f"{name}, p95", aim, (float(p95),), unit="s", note=f"median {p50:.2f}, most {most:.2f}, {len(times)} clicks"
    )


def rows(clicks: int = 50) -> list[Row]:
    """Every figure of the page's speed, measured in one run of a fresh app."""
    found = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(), args=list(FLAGS))
        with app() as address:
            page = open_page(browser, f"{address}/rotation?b=seed1")
            found += [_row(f"{name} click on Rotation", 0.3, measure([page], name, clicks)) for name in VALUES]
            people = [page, *(open_page(browser, f"{address}/rotation?b=seed1") for _ in range(PEOPLE - 1))]
            times = measure(people, "site", max(2, clicks // PEOPLE))
            found.append(_row(f"{PEOPLE} people who click a site at once", 1.0, times))
            for each in PAGES:
                page.goto(f"{address}/{each}")
                page.wait_for_selector(
                    "[data-testid=stMain] h4, [data-testid=stMain] h1, [data-testid=stMain] .verdict"
                )
                page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
            held, said = memory(address), "memory after every page was opened once"
            found.append(Row(said, 1.0, (held,), unit="GiB", note=f"{PEOPLE} visitors"))
        browser.close()
    return found


def main() -> None:
    """Print the rows."""
    for row in rows(int(sys.argv[1]) if len(sys.argv) > 1 else 50):
        print(" | ".join(row.cells), flush=True)


if __name__ == "__main__":
    main()
