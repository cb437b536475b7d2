"""A whole visit of the Features page in a real browser: search, card, map, table, steer link, back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, TimeoutError, expect
from test_browser import SLOW, address, browser, settled, visit

from explorer.study.library import shipped_studies

__all__ = ["address", "browser"]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(600),
    pytest.mark.skipif("tales" not in shipped_studies(), reason="the shipped study is not made yet"),
]
LINK = "features?a=seed0&b=seed1"


def number(page: Page) -> str:
    return page.locator(".st-key-feature input").input_value()


def said(page: Page, feature: str) -> None:
    """The card speaks of this feature, and the number box says the same."""
    expect(page.locator(".verdict b").first).to_have_text(f"Feature {feature}", timeout=SLOW)
    expect(page.locator(".st-key-feature input")).to_have_value(feature, timeout=SLOW)


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    with visit(browser, f"{address}/{LINK}") as opened:
        settled(opened)
        yield opened


def places(page: Page, trace: int) -> list[list[float]]:
    """Where the dots of one trace lie in the window, pixels."""
    script = """trace => {
        const plot = document.querySelector('.st-key-directions .js-plotly-plot'), full = plot._fullLayout;
        const box = plot.getBoundingClientRect(), dots = plot._fullData[trace];
        const x = trace ? full.xaxis2 : full.xaxis, y = trace ? full.yaxis2 : full.yaxis;
        return Array.from(dots.x, (at, i) => [box.left + x._offset + x.l2p(at),
            box.top + y._offset + y.l2p(dots.y[i]), dots.customdata[i][1]]);
    }"""
    found: list[list[float]] = page.evaluate(script, trace)
    return found


def hover(page: Page, x: float, y: float) -> None:
    """Rest on a dot until its text is there: a click chooses what is hovered."""
    for _ in range(40):
        page.mouse.move(x + 2, y)
        page.mouse.move(x, y)
        try:
            page.wait_for_selector(".st-key-directions .hoverlayer .hovertext", timeout=2000)
            return
        except TimeoutError:
            continue
    raise AssertionError("no dot is hovered")


def test_a_whole_visit(page: Page) -> None:
    page.locator(".st-key-find input").fill("Monday")
    page.locator(".st-key-find input").press("Enter")
    expect(page.locator(".st-key-finder .count")).not_to_contain_text("2,048 of 2,048", timeout=SLOW)
    settled(page)
    opened = number(page)
    page.get_by_role("button", name=re.compile("^Next")).click()
    expect(page.locator(".st-key-feature input")).not_to_have_value(opened, timeout=SLOW)
    first = number(page)
    said(page, first)
    expect(page.locator(".contexts-list .context")).not_to_have_count(0, timeout=SLOW)
    expect(page.locator(".contexts-list mark[title]").first).to_be_visible()

    # A dot of A's map chooses its feature; the layer follows without a new figure.
    page.locator(".st-key-directions").scroll_into_view_if_needed()
    page.wait_for_function("document.querySelectorAll('.st-key-directions line').length > 0", timeout=SLOW)
    before = page.locator(".st-key-directions line").first.get_attribute("data-from")
    crowd = places(page, 0)
    alone = max(crowd, key=lambda p: min((p[0] - q[0]) ** 2 + (p[1] - q[1]) ** 2 for q in crowd if q is not p))
    assert str(int(alone[2])) != first
    hover(page, alone[0], alone[1])
    page.mouse.click(alone[0], alone[1])
    said(page, str(int(alone[2])))
    page.wait_for_function(
        "from => document.querySelector('.st-key-directions line')?.dataset.from !== from", arg=before, timeout=SLOW
    )

    # The link to Steering carries the feature; Back returns to it, and its number stands in the box.
    link = page.get_by_role("link", name="Steer with it")
    expect(link).to_have_attribute("href", re.compile(rf"feature(%3A|:){int(alone[2])}\b"), timeout=SLOW)
    link.click()
    expect(page).to_have_url(re.compile(r"/steering\?.*vector="), timeout=SLOW)
    assert f"feature%3A{int(alone[2])}" in page.url or f"feature:{int(alone[2])}" in page.url
    settled(page)
    page.go_back()
    expect(page).to_have_url(re.compile("/features"), timeout=SLOW)
    said(page, str(int(alone[2])))
    settled(page)


def test_b_moves_in_the_browser_and_the_line_follows(page: Page) -> None:
    page.wait_for_function("document.querySelectorAll('.st-key-directions line').length > 0", timeout=SLOW)
    read = """() => {
        const line = document.querySelector('.st-key-directions line');
        return [line.getAttribute('x2'), line.getAttribute('y2')];
    }"""
    rotated, dots = page.evaluate(read), places(page, 1)
    page.locator(".st-key-directions").scroll_into_view_if_needed()
    grip = page.locator(".st-key-directions .slider-rail-touch-rect").bounding_box()
    assert grip is not None
    page.mouse.click(grip["x"] + 2, grip["y"] + grip["height"] / 2)
    page.wait_for_function(f"before => String(({read})()) !== String(before)", arg=rotated, timeout=SLOW)
    raw = places(page, 1)
    assert max(abs(a[0] - b[0]) for a, b in zip(dots, raw, strict=True)) > 20, "raw B lies elsewhere"
    # The button plays the whole way and ends at the rotated places.
    page.locator(".st-key-directions .updatemenu-button").first.click()
    page.wait_for_function(f"before => String(({read})()) === String(before)", arg=rotated, timeout=SLOW)
    again = places(page, 1)
    assert max(abs(a[0] - b[0]) for a, b in zip(dots, again, strict=True)) < 1.5


def test_box_selects_in_the_table_and_the_list_stands_in(page: Page) -> None:
    page.get_by_text("The map as a list").click()
    expect(
        page.get_by_test_id("stExpander").filter(has_text="The map as a list").get_by_test_id("stDataFrame")
    ).to_be_visible(timeout=SLOW)
    page.wait_for_function("document.querySelectorAll('.st-key-directions line').length > 0", timeout=SLOW)
    # The list lies below the maps: back to the top, where they are in full.
    page.get_by_test_id("stMain").evaluate("m => m.scrollTo(0, 0)")
    page.locator(".st-key-directions [data-title='Box Select']").click()
    dots = places(page, 0)
    xs, ys = [d[0] for d in dots], [d[1] for d in dots]
    middle = (min(xs) + max(xs)) / 2
    page.mouse.move(min(xs) - 4, min(ys) - 4)
    page.mouse.down()
    page.mouse.move(middle, (min(ys) + max(ys)) / 2, steps=8)
    page.mouse.up()
    chosen = page.locator(".st-key-unbox")
    expect(chosen).to_contain_text("chosen on the map", timeout=SLOW)
    count = int(re.findall(r"\d+", chosen.inner_text())[0])
    assert 10 < count < len(dots) * 0.6
    expect(page.locator(".st-key-finder .count")).to_contain_text(f"{count:,} of", timeout=SLOW)
    settled(page)
    # Lines join the matches of the selection.
    page.wait_for_function("document.querySelectorAll('.st-key-directions line').length > 5", timeout=SLOW)
    chosen.get_by_role("button").click()
    expect(chosen).to_have_count(0, timeout=SLOW)


def test_lasso_in_b_selects_in_a_and_the_maps_are_saved(page: Page) -> None:
    page.wait_for_function("document.querySelectorAll('.st-key-directions line').length > 0", timeout=SLOW)
    page.locator(".st-key-directions").scroll_into_view_if_needed()
    dots = places(page, 1)
    xs, ys = [d[0] for d in dots], [d[1] for d in dots]
    page.locator(".st-key-directions").hover()
    page.locator(".st-key-directions [data-title='Lasso Select']").click()
    left, right, low, high = min(xs) - 4, max(xs) + 4, min(ys) - 4, (min(ys) + max(ys)) / 2
    page.mouse.move(left, low)
    page.mouse.down()
    for x, y in ((right, low), (right, high), (left, high), (left, low)):
        page.mouse.move(x, y, steps=6)
    page.mouse.up()
    chosen = page.locator(".st-key-unbox")
    expect(chosen).to_contain_text("chosen on the map", timeout=SLOW)
    count = int(re.findall(r"\d+", chosen.inner_text())[0])
    assert 10 < count < len(dots), "features of A whose partners lie in the loop"
    expect(page.locator(".st-key-finder .count")).to_contain_text(f"{count:,} of", timeout=SLOW)
    inside = {int(d[2]) for d in dots if d[1] < high + 1}
    page.wait_for_function("document.querySelectorAll('.st-key-directions line').length > 5", timeout=SLOW)
    script = "() => [...document.querySelectorAll('.st-key-directions line')].slice(1).map(l => Number(l.dataset.to))"
    ends = {int(dots[i][2]) for i in page.evaluate(script)}
    assert len(ends & inside) > 5, "the lines lead into the loop"
    settled(page)
    with page.expect_download(timeout=SLOW) as download:
        page.locator(".st-key-csv-map button:visible").click()
    lines = download.value.path().read_text().splitlines()
    assert lines[0].startswith("# Polymorphism Explorer") and "seed0" in lines[1]
    head = next(i for i, line in enumerate(lines) if line.startswith("model,feature,x,y"))
    assert sum(line.startswith(("seed0,", "seed1,")) for line in lines[head:]) == 2 * len(dots)


def test_stars_are_exported(page: Page) -> None:
    feature = page.locator(".verdict b").first.inner_text().removeprefix("Feature ")
    said(page, feature)
    page.get_by_role("button", name=re.compile("star")).first.click()
    expect(page.get_by_text("Starred features: 1")).to_be_visible(timeout=SLOW)
    page.get_by_text("Starred features: 1").click()
    settled(page)
    with page.expect_download(timeout=SLOW) as download:
        page.get_by_role("button", name="Export").click()
    kept = json.loads(download.value.path().read_text())
    assert [str(s["feature"]) for s in kept["stars"]] == [feature] and kept["stars"][0]["source"] == "seed0"
