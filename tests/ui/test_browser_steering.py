"""Steering in a browser: lanes stream, stop, continue; a closed tab ends its work; text is never read as HTML."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from test_browser import SLOW, address, browser, held, settled, visit

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
        page.get_by_role("button", name="Write it live").click(timeout=SLOW)
        page.wait_for_function(GROWN, arg=60, timeout=SLOW)
        page.locator(".st-key-stop button").click(timeout=SLOW)
        stopped = held(page)
        page.wait_for_timeout(1500)
        assert texts(page) == stopped, "text went on after Stop"
        assert all(t.startswith("The <b>fox</b> *sat*") for t in stopped), "a prompt is text, not HTML or Markdown"
        page.get_by_role("button", name="Continue").click(timeout=SLOW)
        page.wait_for_function(GROWN, arg=max(map(len, stopped)) + 20, timeout=SLOW)
        page.locator(".st-key-stop button").click(timeout=SLOW)
        gone_on = held(page)
        assert all(after.startswith(before) for before, after in zip(stopped, gone_on, strict=True))
        tinted = page.locator(".lanes .lane[data-lane=rotated] span[title*='KL from unsteered']")
        expect(tinted.nth(10), "hovering a token shows its alternatives").to_be_attached(timeout=SLOW)
        rotated, source = (page.locator(f"[data-lane='{k}']").text_content() or "" for k in ("rotated", "source+v"))
        length = min(len(rotated), len(source))
        assert rotated[:length] == source[:length], "on the twin R must be exact"


def server(address: str) -> Path:
    """/proc of the process that serves an address."""
    port = address.rpartition(":")[2]
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = line.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"streamlit" in words and port.encode() in words:
            return line.parent
    raise AssertionError(f"no process serves {address}")


def worked(process: Path) -> float:
    """Seconds of processor that a process has used."""
    fields = (process / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads the processor time of a process from /proc")
def test_closing_the_tab_ends_its_work(browser: Browser, address: str) -> None:
    process = server(address)
    with visit(browser, f"{address}/steering?b=twin&temperature=0&length=400&dose=0.1") as page:
        settled(page)
        before = worked(process)
        page.get_by_role("button", name="Write it live").click(timeout=SLOW)
        page.wait_for_function(GROWN, arg=60, timeout=SLOW)
        expect(page.locator("p[role=status]")).to_contain_text("Writing")
        assert worked(process) - before > 0.1
    closed = time.monotonic()
    calm, last = 0, worked(process)
    while calm < 3 and time.monotonic() - closed < 10:
        time.sleep(0.2)
        now = worked(process)
        calm, last = (calm + 1 if now - last < 0.03 else 0), now
    assert time.monotonic() - closed < 2.6, "two seconds, and three calm looks"
    time.sleep(2)
    assert worked(process) - last < 0.2, "it began again"


def test_special_tokens_and_what_is_not_read(browser: Browser, address: str) -> None:
    with visit(browser, f"{address}/steering?length=10&prompt=The+end.%3C%7Cendoftext%7C%3EOnce") as page:
        settled(page)
        expect(page.locator(".lanes .chip.special").first).to_have_text("<|endoftext|>", timeout=SLOW)
        expect(page.get_by_test_id("stMain")).to_contain_text("The prompt holds a special token")
        page.goto(f"{address}/steering?study=dyck3&length=10&prompt=([hello")
        settled(page)
        page.get_by_role("button", name="Write it live").click(timeout=SLOW)
        expect(page.locator("p[role=status]")).to_contain_text("A0 does not read h e l o, only ( ) [ ]", timeout=SLOW)


def test_cohort_a_stands_beside_cohort_b(browser: Browser, address: str) -> None:
    with visit(browser, f"{address}/steering?study=dyck3&a=A0&b=A1&site=after+1") as page:
        settled(page)
        for key in ("dose_figure", "dose_other"):
            page.locator(f".st-key-{key} .js-plotly-plot").wait_for(timeout=SLOW)
        main = page.get_by_test_id("stMain")
        expect(main).to_contain_text("Cohort A: A0 → A1, input and output weights shared")
        expect(main).to_contain_text("Cohort B: B0 → B1, nothing shared")
        spans = [
            page.locator(f".st-key-{key} .js-plotly-plot").evaluate("g => [...g._fullLayout.yaxis.range]")
            for key in ("dose_figure", "dose_other")
        ]
        assert spans[0] == spans[1], "two cohorts, one scale"
        with page.expect_download(timeout=SLOW) as download:
            page.locator(".st-key-csv-dose_other button:visible").click()
        saved = download.value.path().read_text()
        assert saved.startswith("# ") and ",B0,B1" in saved


def test_the_dose_response_is_shown(browser: Browser, address: str) -> None:
    with visit(browser, f"{address}/steering?a=seed0&b=twin&vector=contrast%3Anews", "dark") as page:
        settled(page)
        expect(page.get_by_test_id("stMain")).to_contain_text("it transfers", timeout=SLOW)
        page.locator(".st-key-dose_figure .js-plotly-plot").wait_for(timeout=SLOW)
        expect(page.get_by_test_id("stMain")).to_contain_text("contrasts transfer from seed0 to twin")
        assert "vector=contrast%3Anews" in page.url or "vector=contrast:news" in page.url


def test_the_page_opens_with_text_counts_live_and_steers_from_the_strip(browser: Browser, address: str) -> None:
    with visit(browser, f"{address}/steering") as page:
        settled(page)
        lanes = page.locator(".lanes[data-state=recorded]")
        lanes.wait_for(timeout=SLOW)
        assert all(len(text) > 80 for text in texts(page)), "text is there before the first click"
        assert lanes.locator("u").count() > 2
        stored = page.locator(".st-key-bench .verdict").text_content() or ""
        page.locator(".st-key-count button").click(timeout=SLOW)
        expect(page.locator(".st-key-bench")).to_contain_text("Counted live with the seeds 24 to 35", timeout=SLOW)
        counted = page.locator(".lanes .count b").all_text_contents()
        assert len(counted) == 6 and all(0 <= int(c) <= 12 for c in counted) and stored
        page.locator(".st-key-generate button").click(timeout=SLOW)
        page.locator(".lanes[data-state=live]").wait_for(timeout=SLOW)
        expect(page.locator("p[role=status]")).to_contain_text("Done", timeout=SLOW)
        expect(page.locator(".lanes .kl i").nth(40), "a bar for each token").to_be_attached(timeout=SLOW)
        settled(page)
        figure = page.locator(".st-key-strip .js-plotly-plot")
        figure.scroll_into_view_if_needed(timeout=SLOW)
        x, y = figure.evaluate(
            "g => { const l = g._fullLayout, r = g.getBoundingClientRect(); const at = (a, i) => a._offset + a.c2p(i);"
            " return [r.x + at(l.xaxis, 8), r.y + at(l.yaxis, l.yaxis._categories.length - 1)]; }"
        )
        page.mouse.click(x, y)
        page.wait_for_url("**dose=0.4**", timeout=SLOW)
        page.locator(".lanes[data-state=stale]").wait_for(timeout=SLOW)
        assert "site=end" in page.url


def test_nothing_scrolls_sideways_on_a_phone(browser: Browser, address: str) -> None:
    with visit(browser, f"{address}/steering") as page:
        page.set_viewport_size({"width": 390, "height": 844})
        settled(page)
        page.locator(".lanes").wait_for(timeout=SLOW)
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        lane = page.locator(".lanes section").first.bounding_box()
        assert lane is not None and lane["width"] > 300, "one column"
