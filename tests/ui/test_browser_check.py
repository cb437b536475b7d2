"""Check a pair in a real browser: a whole check with a page change and a reload in it, one cancelled, and bad input."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from playwright.sync_api import Browser, Page, expect
from test_browser import SLOW, app, browser, settled, visit

from explorer.text.tales import stories as tales
from explorer.training.tokenizer import train_tokenizer

__all__ = ["browser"]
pytestmark = [pytest.mark.browser, pytest.mark.timeout(1200)]
WHOLE = 600_000
"""Milliseconds that a whole check may take on a busy machine; ten seconds on an idle one."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tokenizer: Any) -> Path:
    """Two random models of one shape, some that cannot be paired with them, and stories to read."""
    root = tmp_path_factory.mktemp("browser")
    for seed, name in enumerate(("ann", "ben", "flax", "cut", "words")):
        tiny.save("llama", tokenizer, root / name, seed)
    (root / "flax" / "model.safetensors").rename(root / "flax" / "flax_model.msgpack")
    weights = root / "cut" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    train_tokenizer((d.text for d in tales.documents("train", 30)), 300, root / "words")
    broken = tiny.network("llama", 3)
    with torch.no_grad():
        broken.model.layers[1].mlp.down_proj.weight[0, 0] = float("nan")
    broken.save_pretrained(root / "nan")
    tokenizer.save_pretrained(root / "nan")
    tiny.network("llama", hidden_size=32).save_pretrained(root / "wide")
    tokenizer.save_pretrained(root / "wide")
    (root / "empty").mkdir()
    (root / "stories.txt").write_text("<|endoftext|>".join(tiny.stories(4000)))
    (root / "short.txt").write_text("One short story.")
    return root


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """A server with a cache of its own, which may read the test's folder only, and no hub."""
    settings = {"EXPLORER_CACHE": str(folder / "cache"), "EXPLORER_ROOTS": str(folder), "HF_HUB_OFFLINE": "1"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        with app() as running:
            yield running


def fill(page: Page, key: str, value: str) -> None:
    field = page.locator(f".st-key-{key} input").first
    field.fill(value)
    field.press("Enter")
    settled(page)


def fill_pair(page: Page, folder: Path, text: str = "stories.txt", tokens: int = 4000) -> None:
    page.set_default_timeout(SLOW)
    page.wait_for_selector(".st-key-check_start")
    settled(page)
    fill(page, "check_source", str(folder / "ann"))
    fill(page, "check_target", str(folder / "ben"))
    fill(page, "check_text", str(folder / text))
    page.get_by_text("Options", exact=True).click()
    fill(page, "check_tokens", str(tokens))
    fill(page, "check_context", "32")


def start(page: Page) -> None:
    page.get_by_role("button", name="Check this pair").click()


def test_a_whole_check_from_the_page(browser: Browser, address: str, folder: Path) -> None:
    with visit(browser, f"{address}/check") as page:
        fill_pair(page, folder)
        expect(page.get_by_test_id("stMain")).to_contain_text("of memory on this machine", timeout=SLOW)
        start(page)
        expect(page.locator(".large")).to_have_text("Checking ann → ben", timeout=SLOW)
        page.wait_for_url("**check=ann-ben")
        link = page.url
        expect(page.locator(".st-key-frame")).to_be_hidden()
        page.get_by_role("link", name="Rotation").click()
        expect(page.locator(".st-key-opening")).to_be_visible(timeout=SLOW)
        page.get_by_role("link", name="Check a pair").click()
        page.wait_for_selector(".large", timeout=SLOW)
        page.reload()
        # Back on the page after a reload: the check is found again, or has just ended and shows its verdict.
        page.wait_for_selector(".large", timeout=SLOW)
        page.wait_for_selector(".criteria", timeout=WHOLE)
        settled(page)
        expect(page.locator(".large")).to_contain_text("Not aligned.")
        assert "study=ann-ben" in page.url
        expect(page.locator(".st-key-frame")).to_be_visible()
        for name, beginning in (("Report (JSON)", b"{"), ("Report (HTML)", b"<!"), ("Sites (CSV)", b"site,")):
            with page.expect_download(timeout=SLOW) as waiting:
                page.get_by_role("button", name=name).click()
            assert Path(waiting.value.path()).read_bytes().lstrip().startswith(beginning)
        with page.expect_download(timeout=SLOW) as waiting:
            page.get_by_role("button", name="Rotations").click()
        from safetensors.torch import load_file

        found = load_file(waiting.value.path())
        assert found["blocks.1.hook_resid_pre.R"].shape == (24, 24)
        for title, key in (("Rotation", "opening"), ("Features", "finder"), ("Steering", "bench")):
            page.get_by_role("link", name=f"Open in {title}").click()
            page.wait_for_selector(f".st-key-{key}", timeout=SLOW)
            expect(page.get_by_test_id("stException")).to_have_count(0)
            assert "study=ann-ben" in page.url
            page.get_by_role("link", name="Check a pair").click()
            page.wait_for_selector(".criteria", timeout=SLOW)
    # The link of the check that ran, in a tab that knows nothing of it: the result is there.
    with visit(browser, link, "dark") as page:
        page.set_default_timeout(SLOW)
        expect(page.locator(".large")).to_contain_text("Not aligned.", timeout=SLOW)
        page.get_by_role("button", name="Manage").click()
        with page.expect_download(timeout=SLOW) as waiting:
            page.get_by_role("button", name="Export").click()
        archive = folder / "ann-ben.zip"
        waiting.value.save_as(archive)
        page.keyboard.press("Escape")
        page.get_by_text("Bring in an archive").click()
        page.locator(".st-key-study_archive input[type=file]").set_input_files(archive)
        # The name stands there once the upload has begun; until it is done Streamlit disables the button.
        expect(page.locator(".st-key-study_archive")).to_contain_text("ann-ben.zip", timeout=SLOW)
        page.get_by_role("button", name="Import").click()
        expect(page.get_by_test_id("stMain")).to_contain_text("'ann-ben-2' is here", timeout=SLOW)


def test_a_check_is_cancelled(browser: Browser, address: str, folder: Path) -> None:
    studies = folder / "cache" / "studies"
    before = sorted(studies.glob("*")) if studies.is_dir() else []
    with visit(browser, f"{address}/check") as page:
        fill_pair(page, folder, tokens=9000)
        start(page)
        page.get_by_role("button", name="Cancel").click(timeout=SLOW)
        expect(page.get_by_test_id("stMain")).to_contain_text("was cancelled", timeout=SLOW)
        expect(page.locator(".st-key-check_source input")).to_have_value(str(folder / "ann"))
        waited = threading.Event()
        for _ in range(120):
            if not list(studies.glob(".unfinished-*")):
                break
            waited.wait(1)
        assert sorted(studies.glob("*")) == before


AT_ONCE = (
    ("check_source", "", "Source A is empty"),
    ("check_source", "{folder}/nowhere", "there is no folder"),
    ("check_source", "{folder}/empty", "holds no config.json"),
    ("check_source", "{folder}/flax", "holds no weights"),
    ("check_source", os.sep + "etc", "lies outside the folders that this app may read"),
    ("check_target", "{folder}/wide", "the widths differ"),
    ("check_text", "{folder}/nothing.txt", "there is no file"),
    ("check_sites", "0,7", "no site '7'"),
)
"""What the form itself can tell: the field, what is written into it, and what the page answers."""

LATER = (
    ("check_text", "{folder}/short.txt", "not assessable"),
    ("check_target", "{folder}/words", "different token ids"),
    ("check_target", "{folder}/nan", "non-finite weights in"),
    ("check_source", "{folder}/cut", "it is cut short"),
    ("check_source", "nobody/nothing", "the hub"),
)
"""What only the check can tell."""


def mistake(page: Page, folder: Path, field: str, value: str, message: str) -> None:
    """Write it and click at once, as an impatient visitor does; read the answer, and put the field right again."""
    box = page.locator(f".st-key-{field} input").first
    right = box.input_value()
    box.fill(value.format(folder=folder))
    start(page)
    expect(page.get_by_test_id("stAlert")).to_contain_text(message, timeout=SLOW)
    expect(page.get_by_test_id("stException")).to_have_count(0)
    expect(box).to_have_value(value.format(folder=folder))
    fill(page, field, right)


def test_every_mistake_is_one_calm_line(browser: Browser, address: str, folder: Path) -> None:
    with visit(browser, f"{address}/check") as page:
        fill_pair(page, folder)
        for field, value, message in AT_ONCE:
            mistake(page, folder, field, value, message)


def test_what_only_the_check_can_tell_is_a_calm_line_too(browser: Browser, address: str, folder: Path) -> None:
    with visit(browser, f"{address}/check") as page:
        fill_pair(page, folder)
        for field, value, message in LATER:
            mistake(page, folder, field, value, message)
            expect(page.get_by_role("button", name="Check this pair")).to_be_visible()
