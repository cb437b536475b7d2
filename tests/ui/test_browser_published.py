"""Check a pair in a browser, on a pair, a dictionary and a text that are published as the paper's are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect
from published import LAYER, SEED1, SEED2, STEP, published
from stand_in import serving
from test_browser import SLOW, app, browser, settled, visit
from test_browser_check import WHOLE, fill, start

from explorer.text.remote import PILE

__all__ = ["browser"]
pytestmark = [pytest.mark.browser, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("published")


@pytest.fixture(scope="module")
def address(root: Path, tokenizer: Any) -> Iterator[str]:
    """A server whose hub is the stand-in."""
    with serving(published(root / "served", tokenizer), root / "home") as hub, pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_ENDPOINT", hub.endpoint)
        patch.setenv("HF_HOME", str(root / "home"))
        patch.setenv("HF_HUB_OFFLINE", "0")
        patch.setenv("EXPLORER_CACHE", str(root / "cache"))
        with app() as running:
            yield running


def test_two_published_seeds_are_checked_from_the_page(browser: Browser, address: str, root: Path) -> None:
    with visit(browser, f"{address}/check") as page:
        page.set_default_timeout(SLOW)
        page.wait_for_selector(".st-key-check_start")
        settled(page)
        fill(page, "check_source", f"{SEED1}@{STEP}")
        fill(page, "check_target", f"{SEED2}@{STEP}")
        fill(page, "check_text", PILE)
        page.get_by_text("Options", exact=True).click()
        fill(page, "check_sites", "1,2")
        fill(page, "check_tokens", "9000")
        fill(page, "check_context", "32")
        page.locator(".st-key-check_sae input").click()
        page.get_by_role("option", name="folder or hub id").click()
        settled(page)
        fill(page, "check_sae_path", LAYER)
        page.locator(".st-key-check_record label").first.click()
        settled(page)
        start(page)
        page.wait_for_selector(".criteria", timeout=WHOLE)
        settled(page)
        (written,) = (root / "cache" / "studies").glob("*/report.json")
        report = json.loads(written.read_text())
        assert report["models"]["source"]["dictionaries"] == LAYER
        assert "published as a pickle" in report["models"]["target"]["weights"]
        main = page.get_by_test_id("stMain")
        expect(page.locator(".large")).to_contain_text(report["verdict"].capitalize())
        kind = report["lineage"]["sentence"].split(":")[0]
        expect(page.locator(".lineage")).to_contain_text(kind)
        for said in (f"Text: {report['text'].split(' (')[0]}", f"Dictionaries of A: {LAYER}", "published as a pickle"):
            expect(main).to_contain_text(said)
        name = written.parent.name
        assert f"study={name}" in page.url
        assert name == "pythia-70m-seed1-step143000-pythia-70m-seed2-step143000", "a step cut short is another step"
        link = page.url
        page.get_by_role("link", name="Open in Rotation").click()
        page.wait_for_selector(".st-key-opening", timeout=SLOW)
        assert f"study={name}" in page.url
    with visit(browser, link, "dark") as page:
        expect(page.locator(".lineage")).to_contain_text(kind, timeout=SLOW)
