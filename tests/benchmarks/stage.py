"""How long a step of the talk takes: from the key to the drawn figure, in Chromium, once every figure is cached.

`python tests/benchmarks/stage.py [ADDRESS] [STUDY]` prints the slowest of each scene and p50 and p95 over all steps.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from explorer.narrative.rehearsal import FLAGS, PATIENCE, app, find_browser
from explorer.narrative.scenes import scenes_of
from explorer.narrative.story import open_story
from explorer.study.library import open_study

ROUNDS = 2
WATCH = """(selector) => { window.step = new Promise(done => {
  let began = 0;
  document.addEventListener('keydown', () => { began = performance.now(); }, { once: true, capture: true });
  const seen = new MutationObserver(() => {
    if (began && document.querySelector(selector)) {
      seen.disconnect();
      requestAnimationFrame(() => done(performance.now() - began));
    }
  });
  seen.observe(document.body, { subtree: true, childList: true, attributes: true });
}); }"""
"""Milliseconds from a key to the frame in which the next scene is drawn, measured inside the browser."""


def steps(page: Any, names: list[str]) -> list[tuple[str, float]]:
    """Forward and back through all scenes."""
    found = []
    for key, order in (("ArrowRight", names[1:]), ("ArrowLeft", names[-2::-1])):
        for name in order:
            drawn = f".st-key-stage-{name} .main-svg, [data-scene='{name}']"
            page.evaluate(WATCH, drawn)
            page.keyboard.press(key)
            found.append((name, page.evaluate("window.step")))
    return found


def main(address: str | None = None, name: str = "tales") -> None:
    """Print the table."""
    from playwright.sync_api import sync_playwright

    study = open_study(name)
    source = study.sources()[0]
    names = [s.name for s in scenes_of(open_story(study, source, "", len(study.sites) // 2))]
    with app(address) as running, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=find_browser(), args=list(FLAGS))
        page = chromium.new_page(viewport={"width": 1280, "height": 720}, color_scheme="dark")
        page.set_default_timeout(PATIENCE * 1000)
        page.goto(f"{running}/story?study={name}&a={source}")
        page.wait_for_selector(f".st-key-stage-{names[0]} .main-svg, [data-scene='{names[0]}']")
        steps(page, names)  # warms the caches, as preflight does
        for number in range(ROUNDS):
            found = steps(page, names)
            slowest = {scene: max(ms for other, ms in found if other == scene) for scene in names}
            times = [ms for _, ms in found]
            p50, p95 = np.percentile(times, (50, 95))
            print(f"round {number + 1}: p50 {p50:.0f} ms, p95 {p95:.0f} ms, slowest {max(times):.0f} ms")
            print("  " + ", ".join(f"{scene} {ms:.0f}" for scene, ms in slowest.items()))
        chromium.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
