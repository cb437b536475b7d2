"""The pictures of the README, taken from the running app: the Rotation page, the dial turning, a text being steered.

`python -m tests.screenshots` writes rotation.png, dial.webp and steering.webp into assets/screenshots; it needs
Chromium and playwright.
"""

from __future__ import annotations

import base64
import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from explorer.errors import InputError
from explorer.narrative.rehearsal import FLAGS, PATIENCE, app, find_browser

FOLDER = Path(__file__).resolve().parent.parent / "assets" / "screenshots"
SIZE = (1280, 720)
SHOWN = (960, 540)
"""Size of the pictures."""
MOST_BYTES = 3_000_000
HOLD_MILLISECONDS = 1600
"""How long the first and the last frame stay."""
STEPS = 21
MOST_FRAMES = 24
"""Of a picture that moves: more are thinned out evenly, the first and the last stay."""


def take_pictures(folder: Path = FOLDER, address: str | None = None) -> list[Path]:
    """Write all three pictures. Raises InputError without a browser, and for a picture that is too large."""
    from playwright.sync_api import sync_playwright

    browser = find_browser()
    if browser is None:
        raise InputError("the pictures need Chromium and playwright: run make test once, which installs both")
    with app(address) as running, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=list(FLAGS))
        page = chromium.new_page(viewport={"width": SIZE[0], "height": SIZE[1]}, color_scheme="dark")
        page.set_default_timeout(PATIENCE * 1000)
        made = [_page(folder / "rotation.png", chromium, running)]
        made.append(_picture(folder / "dial.webp", 110, lambda: _dial(page, running)))
        made.append(_picture(folder / "steering.webp", 140, lambda: _lanes(page, running)))
        chromium.close()
    return made


def _page(path: Path, chromium: Any, address: str) -> Path:
    """The first screen of the Rotation page, on paper."""
    page = chromium.new_page(viewport={"width": 1440, "height": 900}, color_scheme="light")
    page.goto(f"{address}/rotation", timeout=PATIENCE * 1000)
    for key in ("opening", "dial"):
        page.wait_for_selector(f".st-key-{key} .main-svg", timeout=PATIENCE * 1000)
    _settle(page)
    path.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=path)
    page.close()
    return path


def _picture(path: Path, milliseconds: int, take: Callable[[], Iterator[bytes]]) -> Path:
    from PIL import Image

    frames: list[Any] = []
    for shot in take():
        frame = Image.open(io.BytesIO(shot)).convert("RGB").resize(SHOWN, Image.Resampling.LANCZOS)
        if not frames or frame.tobytes() != frames[-1].tobytes():
            frames.append(frame)
    if len(frames) > MOST_FRAMES:
        milliseconds = round(milliseconds * len(frames) / MOST_FRAMES)
        frames = [frames[round(i * (len(frames) - 1) / (MOST_FRAMES - 1))] for i in range(MOST_FRAMES)]
    lasting = [milliseconds] * len(frames)
    lasting[0] = lasting[-1] = HOLD_MILLISECONDS
    path.parent.mkdir(parents=True, exist_ok=True)
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=lasting, loop=0, quality=80, method=4)
    if path.stat().st_size > MOST_BYTES:
        raise InputError(f"'{path}' has {path.stat().st_size:,} bytes, at most {MOST_BYTES:,} are allowed")
    return path


def _dial(page: Any, address: str) -> Iterator[bytes]:
    """Every step of the sister's dial: the slider is put on each, so that a slow machine takes the same picture."""
    page.goto(f"{address}/story?scene=sister")
    graph = ".st-key-stage-sister .js-plotly-plot"
    page.wait_for_function(f"document.querySelector('{graph}')?._fullData?.length > 5")
    _settle(page)
    rail = page.locator(f"{graph} .slider-rail-touch-rect").bounding_box()
    for step in range(STEPS):
        page.mouse.click(rail["x"] + rail["width"] * step / (STEPS - 1), rail["y"] + rail["height"] / 2)
        page.mouse.move(SIZE[0] / 2, 5)  # away from the figure, whose buttons show under the pointer
        page.wait_for_function(f"document.querySelector('{graph}').data.at(-1).meta === {step} / {STEPS - 1}")
        page.wait_for_timeout(400)
        yield page.screenshot()


def _lanes(page: Any, address: str) -> Iterator[bytes]:
    """A generation written live, from its first words to its last: every picture that the browser paints meanwhile."""
    page.goto(f"{address}/story?scene=steering")
    page.wait_for_selector(".stage-event .text")
    _settle(page)
    session = page.context.new_cdp_session(page)
    painted: list[bytes] = []

    def keep(frame: dict[str, Any]) -> None:
        painted.append(base64.b64decode(frame["data"]))
        session.send("Page.screencastFrameAck", {"sessionId": frame["sessionId"]})

    session.on("Page.screencastFrame", keep)
    page.get_by_role("button", name="Write it live").click()
    page.mouse.move(SIZE[0] / 2, 5)
    page.locator(".stage-status", has_text="writing live").wait_for()
    session.send("Page.startScreencast", {"format": "png"})
    page.locator(".stage-status", has_text="written live").wait_for()
    page.locator(".stage-event .told", has_text="counted live").wait_for()
    session.send("Page.stopScreencast")
    yield from painted
    page.wait_for_timeout(500)
    yield page.screenshot()


def _settle(page: Any) -> None:
    page.wait_for_function("!document.querySelector('[data-testid=stStatusWidget]')")
    page.wait_for_timeout(800)


if __name__ == "__main__":
    try:
        for written in take_pictures(address=sys.argv[1] if len(sys.argv) > 1 else None):
            print(f"{written}: {written.stat().st_size:,} bytes")
    except InputError as error:
        sys.exit(f"error: {error}")
