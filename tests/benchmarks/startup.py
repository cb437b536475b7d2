"""How soon the first figure is there after the start of the app, in Chromium with an empty profile.

`.venv/bin/python tests/benchmarks/startup.py [STARTS]` on an idle machine; CHROMIUM names the browser.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parent)]

from clicks import SLOW
from rows import Row

from explorer.narrative.rehearsal import FLAGS, app, find_browser

PARTS = ("the server", "the browser's own scripts", "the page's code and its figures")


def start(browser: Browser) -> tuple[float, float, float]:
    """Seconds until the server answers, until Streamlit's page stands, and until the first figure is drawn."""
    began = time.monotonic()
    with app() as address:
        served = time.monotonic() - began
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        page = context.new_page()
        page.set_default_timeout(SLOW)
        page.goto(f"{address}/rotation?b=seed1")
        page.wait_for_selector("[data-testid=stApp]")
        stands = time.monotonic() - began
        page.wait_for_selector("[data-testid=stMain] .main-svg")
        drawn = time.monotonic() - began
        context.close()
    return served, stands, drawn


def rows(starts: int = 3) -> list[Row]:
    """The first figure; its note says where the time goes."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(), args=list(FLAGS))
        browser.new_context().new_page().goto("about:blank")
        start(browser)  # what is compiled and read from disk for the first time
        found = [start(browser) for _ in range(starts)]
        browser.close()
    served, stands, drawn = (statistics.median(times) for times in zip(*found, strict=True))
    spent = zip(PARTS, (served, stands - served, drawn - stands), strict=True)
    note = ", ".join(f"{part} {seconds:.1f} s" for part, seconds in spent)
    return [
        Row("first figure after the start of the app", 3.0, tuple(times[2] for times in found), unit="s", note=note)
    ]


if __name__ == "__main__":
    for row in rows(int(sys.argv[1]) if len(sys.argv) > 1 else 3):
        print(" | ".join(row.cells))
