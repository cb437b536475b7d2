"""Before a talk: everything the stage needs is there and warm, and every scene opens with the network off."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from explorer import PROJECT
from explorer.errors import InputError
from explorer.narrative.scenes import MOST_WORDS, scenes_of
from explorer.narrative.story import Story, open_story
from explorer.pipeline import record_study
from explorer.study import Study, open_study, own_names, shipped_studies

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync")
LOCAL = re.compile(r"^(http://localhost[:/]|data:|blob:)")
PATIENCE = 120.0
"""Seconds after which a scene that has not opened counts as missing."""


@dataclass(frozen=True)
class Check:
    """One thing that was tried."""

    what: str
    """What was tried."""
    problem: str
    """Why a talk would suffer; empty if all is well."""
    seconds: float
    """How long it took."""


Say = Callable[[Check], None]


def preflight(study: Study, say: Say, address: str | None = None) -> bool:
    """Try everything, say how each went, and whether a talk can begin.

    `address` is that of a running app, which is warmed for the audience; without one an app is started for the test.
    """
    problems: list[str] = []

    def tried(what: str, work: Callable[[], str]) -> None:
        began = time.monotonic()
        try:
            problem = work()
        except InputError as error:
            problem = str(error)
        problems.extend([problem] if problem else [])
        say(Check(what, problem, time.monotonic() - began))

    tried("recordings of every pair", lambda: _record(study))
    tried("a model writes one token", lambda: _write(study))
    found: list[Story] = []
    tried("the story has its scenes", lambda: _story(study, found))
    browser, name = find_browser(), listed_as(study)
    if name is None:
        problems.append("not listed")
        say(Check("the app lists the study", f"'{study.folder}' is neither shipped nor among your studies", 0.0))
    elif browser is None:
        say(Check("no browser found: scenes were not opened (install Chromium and playwright to try them)", "", 0.0))
    elif found:
        with app(address) as running:
            for what, problem, seconds in open_scenes(browser, running, name, found[0]):
                problems.extend([problem] if problem else [])
                say(Check(what, problem, seconds))
    return not problems


def _record(study: Study) -> str:
    try:
        record_study(study)
    except OSError as error:
        return f"the study's folder cannot be written ({error.strerror}): copy the study to a folder of yours"
    return ""


def _write(study: Study) -> str:
    from explorer.steering import Lane, Sampling, generate

    model = study.load_model(study.sources()[0])
    prompt = model.tokenizer.decode(study.chunks(4).ids[0, :8].tolist())
    generate([Lane("a", model)], study.sites[0], prompt, Sampling(0.0, 0, 1))
    return ""


def _story(study: Study, found: list[Story]) -> str:
    source = study.sources()[0]
    story = open_story(study, source, "", len(study.sites) // 2)
    found.append(story)
    scenes = scenes_of(story)
    long = [s.name for s in scenes if len(s.sentence(story).split()) > MOST_WORDS]
    if long:
        return f"sentences of more than {MOST_WORDS} words: {', '.join(long)}"
    return "" if len(scenes) > 1 else "this study has fewer than two scenes to show"


def listed_as(study: Study) -> str | None:
    """The name under which the app offers a study; None if it does not."""
    for name in (*shipped_studies(), *own_names()):
        with suppress(InputError):
            if open_study(name).folder == study.folder:
                return name
    return None


def find_browser() -> str | None:
    """A Chromium or Chrome, if playwright is there to drive it."""
    if importlib.util.find_spec("playwright") is None:
        return None
    named = [os.environ.get("CHROMIUM", ""), *BROWSERS]
    return next((path for name in named if name and (path := shutil.which(name))), None)


@contextmanager
def app(address: str | None = None) -> Iterator[str]:
    """The address of a running app: the one given, or one started for as long as this is open."""
    if address is not None:
        yield address.rstrip("/")
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", str(PROJECT / "explorer" / "app.py")]
    command += ["--server.port", str(port), "--server.headless", "true"]
    process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            with suppress(OSError):
                urllib.request.urlopen(f"http://localhost:{port}/_stcore/health", timeout=1)
                break
            time.sleep(0.25)
        yield f"http://localhost:{port}"
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:  # a busy machine: it has nothing left to lose
            process.kill()
            process.wait()


def open_scenes(browser: str, address: str, study: str, story: Story) -> Iterator[tuple[str, str, float]]:
    """Each scene in the browser, twice: (what, problem, seconds of the second time). Other hosts are blocked."""
    from playwright.sync_api import Error, sync_playwright

    names = [scene.name for scene in scenes_of(story)]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=list(FLAGS))
        context = chromium.new_context(viewport={"width": 1280, "height": 720}, color_scheme="dark")
        blocked: list[str] = []

        def block(route: Any) -> None:
            blocked.append(route.request.url)
            route.abort()

        context.route(lambda url: not LOCAL.match(url), block)
        page = context.new_page()
        query = urlencode({"study": study, "a": story.sister.source, "b": story.sister.target})
        page.goto(f"{address}/story?{query}", timeout=PATIENCE * 1000)
        for name in names:  # the first round warms the caches
            with suppress(Error):
                _to(page, name)
        for name in reversed(names):
            began = time.monotonic()
            try:
                _to(page, name)
                seconds = time.monotonic() - began
                problem = "" if _fits(page) else f"scene {name} does not fit 1280 × 720"
            except Error:
                seconds = time.monotonic() - began
                problem = f"scene {name} did not open within {PATIENCE:.0f} s"
            yield f"scene {name}", problem, seconds
        hosts = ", ".join(sorted({url.split("/")[2] for url in blocked}))
        yield (
            f"requests to other hosts: {len(blocked)}",
            f"the talk asked {hosts}: it would not work offline" if blocked else "",
            0.0,
        )
        chromium.close()


_FITS = """() => {
  const main = document.querySelector('[data-testid=stMain]');
  const end = document.querySelector('.st-key-stage_bar').getBoundingClientRect().top + 1;
  const controls = [...document.querySelectorAll('.st-key-stage :is(button, input, p)')];
  return main.scrollHeight <= main.clientHeight + 1 && controls.every(c => c.getBoundingClientRect().bottom <= end);
}"""


def _fits(page: Any) -> bool:
    """Whether nothing has to be scrolled and no control is under the bar, once the scene before has left the page."""
    from playwright.sync_api import TimeoutError as Late

    try:
        page.wait_for_function(_FITS, timeout=PATIENCE * 1000)
    except Late:
        return False
    return True


def _to(page: Any, name: str) -> None:
    page.locator(".st-key-scene").get_by_role("radio", name=name, exact=True).click(timeout=PATIENCE * 1000)
    page.wait_for_selector(f".st-key-stage-{name} .main-svg, [data-scene='{name}']", timeout=PATIENCE * 1000)
