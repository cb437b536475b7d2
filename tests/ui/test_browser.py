"""What only a browser shows: cold deep links, the dial turning, a feature opened, text streamed and stopped."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SLOW = 90_000


@contextmanager
def app() -> Iterator[str]:
    """A fresh server process on a free port: what opens first is a cold deep link."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "explorer/app.py"]
    options = ["--server.port", str(port), "--server.headless", "true"]
    process = subprocess.Popen([*command, *options], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://localhost:{port}"
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"{address}/_stcore/health", timeout=1)
                break
            except OSError:
                time.sleep(0.25)
        yield address
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium: the one that `make test` found, or the system's."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if not found:
        pytest.fail("no Chromium: run make test, which finds or installs one")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """One server for the tests that need no cold start."""
    with app() as running:
        yield running


@contextmanager
def visit(browser: Browser, url: str, scheme: str = "light") -> Iterator[Page]:
    """A page that fails the test if it asks any other host for anything, or logs an error of ours."""
    context = browser.new_context(color_scheme=scheme, viewport={"width": 1440, "height": 900})  # type: ignore[arg-type]
    page = context.new_page()
    outside: list[str] = []
    page.on(
        "request",
        lambda r: outside.append(r.url) if not r.url.startswith(("http://localhost", "data:", "blob:")) else None,
    )
    page.goto(url)
    yield page
    assert outside == [], "the page asked another host"
    context.close()


IDLE = """() => {
    const app = document.querySelector('[data-testid=stApp]');
    if (app?.dataset.testScriptState !== 'notRunning') { window.idleSince = null; return false; }
    window.idleSince ??= performance.now();
    return performance.now() - window.idleSince > 300;
}"""
"""No script has run for a while: one that a click asked for begins only after a moment."""


def settled(page: Page) -> None:
    """Wait until the page has drawn and no script is running; fail on an error box."""
    page.wait_for_selector("[data-testid='stMain'] h4, [data-testid='stMain'] .verdict", timeout=SLOW)
    page.evaluate("window.idleSince = null")
    page.wait_for_function(IDLE, timeout=SLOW)
    expect(page.get_by_test_id("stException")).to_have_count(0)


def held(page: Page) -> list[str]:
    """What the lanes show once they have stopped: the line above them is drawn first, and says how many tokens."""
    status = page.locator("p[role=status]")
    expect(status).to_contain_text("Stopped", timeout=SLOW)
    count = status.inner_text().removeprefix("Stopped: ").split()[0]
    page.locator(f".lanes[data-tokens='{count}']").wait_for(timeout=SLOW)
    return page.locator(".lanes .lane").all_text_contents()


@pytest.mark.parametrize("path", ["rotation", "features", "steering"])
def test_cold_deep_link_opens_the_page_with_its_frame(browser: Browser, path: str) -> None:
    with app() as fresh, visit(browser, f"{fresh}/{path}?a=seed1&b=seed0&site=end", "dark") as page:
        settled(page)
        for key, value in (("a", "seed1"), ("b", "seed0"), ("site", "end")):
            expect(page.locator(f".st-key-{key} input")).to_have_value(value)
        assert path in page.url
        expect(page.get_by_test_id("stAlert")).to_have_count(0)


def test_dial_turns_in_the_browser(browser: Browser, address: str) -> None:
    with visit(browser, f"{address}/rotation?a=seed0&b=twin") as page:
        settled(page)
        graph = page.locator(".st-key-dial .js-plotly-plot")
        graph.wait_for(timeout=SLOW)
        page.wait_for_function(
            "document.querySelector('.st-key-dial .js-plotly-plot')?._fullData?.length === 5", timeout=SLOW
        )
        read = "g => [g.data.at(-1).x[0], g.data.at(-1).y[0], g._fullData[1].x[0]]"
        before = graph.evaluate(read)
        page.evaluate(
            "() => { window.sent = 0; const send = WebSocket.prototype.send;"
            "WebSocket.prototype.send = function(d) { window.sent += 1; return send.call(this, d); }; }"
        )
        graph.get_by_text("Turn the dial").click()
        page.wait_for_function(
            "document.querySelector('.st-key-dial .js-plotly-plot').data.at(-1).x[0] === 1", timeout=20_000
        )
        after = graph.evaluate(read)
        assert before[0] == 0 and after[0] == 1
        assert after[1] > before[1] + 0.3, "on the twin EV climbs along the dial"
        assert after[2] != before[2], "the cloud moved"
        assert page.evaluate("window.sent") == 0, "turning the dial asked the server"


def test_map_switch_drives_the_page_and_the_link(browser: Browser, address: str) -> None:
    with visit(browser, f"{address}/rotation") as page:
        settled(page)
        page.locator(".st-key-frame").get_by_role("radio", name="affine").click()
        expect(page.locator(".verdict")).to_contain_text("affine map", timeout=SLOW)
        page.wait_for_url("**map=affine**")
        page.get_by_role("link", name="Features").click()
        settled(page)
        assert "map=affine" in page.url


def test_a_feature_opens_from_the_map_and_from_the_link(browser: Browser, address: str) -> None:
    with visit(browser, f"{address}/features?b=seed1") as page:
        settled(page)
        graph = page.locator(".st-key-map-of-features .js-plotly-plot")
        graph.wait_for(timeout=SLOW)
        page.wait_for_function(
            "document.querySelector('.st-key-map-of-features .js-plotly-plot')?._fullLayout?.xaxis?._length",
            timeout=SLOW,
        )
        # Where the dot that is farthest from its nearest neighbour stands on the screen.
        x, y, number = graph.evaluate(
            """g => {
                const t = g._fullData[0], box = g.getBoundingClientRect(), l = g._fullLayout, dots = [];
                for (let i = 0; i < t.x.length; i++)
                    dots.push([box.left + l.xaxis._offset + l.xaxis.d2p(t.x[i]),
                               box.top + l.yaxis._offset + l.yaxis.d2p(t.y[i]), Number(t.customdata[i][1])]);
                const gap = a => Math.min(...dots.filter(b => b !== a).map(b => Math.hypot(a[0] - b[0], a[1] - b[1])));
                return dots.map(a => [gap(a), a]).sort((a, b) => b[0] - a[0])[0][1];
            }"""
        )
        page.mouse.move(x, y)
        page.wait_for_timeout(600)
        page.mouse.click(x, y)
        page.wait_for_url(f"**feature={number}**", timeout=SLOW)
        expect(page.get_by_test_id("stMain")).to_contain_text(f"Feature {number} of seed0", timeout=SLOW)
        link = page.url
    with visit(browser, link, "dark") as page:
        settled(page)
        expect(page.get_by_test_id("stMain")).to_contain_text(f"Feature {number} of seed0", timeout=SLOW)


def test_steered_text_streams_and_stops(browser: Browser, address: str) -> None:
    with visit(browser, f"{address}/steering?b=twin&temperature=0&length=400&dose=0.2") as page:
        settled(page)
        page.get_by_role("button", name="Write it live").click(timeout=SLOW)
        lanes = page.locator(".lanes .lane")
        grown = "n => [...document.querySelectorAll('.lanes .lane')].every(l => l.textContent.length > n)"
        page.wait_for_function(grown, arg=80, timeout=SLOW)
        page.locator(".st-key-stop button").click(timeout=SLOW)
        stopped = held(page)
        page.wait_for_timeout(1500)
        assert lanes.all_text_contents() == stopped, "text went on after Stop"
        titles = page.locator(".lanes h5").all_text_contents()
        rotated, steered = (
            next(i for i, t in enumerate(titles) if word in t.lower()) for word in ("rotated", "seed0 + v")
        )
        length = min(len(stopped[rotated]), len(stopped[steered]))
        assert length > 80 and stopped[rotated][:length] == stopped[steered][:length], "on the twin R must be exact"


def test_two_visitors_do_not_reach_each_other(browser: Browser, address: str) -> None:
    with (
        visit(browser, f"{address}/steering?vector=contrast:recipe&temperature=0&length=60") as one,
        visit(browser, f"{address}/steering?vector=contrast:letter&temperature=0&length=60") as two,
    ):
        texts = []
        for page in (one, two):
            settled(page)
        for page in (one, two):
            page.get_by_role("button", name="Write it live").click(timeout=SLOW)
        for page in (one, two):
            expect(page.locator("p[role=status]")).to_contain_text("Done", timeout=SLOW)
            page.wait_for_function("document.querySelectorAll('.lanes .lane').length >= 6", timeout=SLOW)
            texts.append(page.locator(".lanes .lane").all_text_contents())
        assert texts[0][0] == texts[1][0], "the unsteered lane is the same for both"
        assert texts[0][1] != texts[1][1], "each steers with its own vector"
