"""Many people steer at once against one app, each in a browser of their own.

Run `.venv/bin/python -m tests.faults.visitors [VISITORS] [ADDRESS]` (CHROMIUM names the browser). Every visitor writes
six lanes with a seed of their own, first alone, then all at the same time. Each must end, with the text that they write
alone. Printed are how long each took, the longest time for which a visitor's text stood still while the page said that
it was written, how even the rates are, and the server's memory before, during and after.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psutil
from playwright.sync_api import Browser, Page, sync_playwright

from explorer.narrative.rehearsal import FLAGS, app, find_browser

PATIENCE = 600.0
"""Seconds after which text that has not ended never will."""
LENGTH = 60
"""Tokens of each lane."""
_WATCH = """() => {
    window.seen = [];
    const note = () => {
        const told = document.querySelector('.told p[role=status]')?.textContent ?? '';
        const lanes = document.querySelector('.lanes');
        const tokens = lanes?.dataset.state === 'live' ? Number(lanes.dataset.tokens) : 0;
        const last = window.seen.at(-1);
        if (!last || last.told !== told || last.tokens !== tokens)
            window.seen.push({at: performance.now() / 1000, told, tokens});
    };
    new MutationObserver(note).observe(document.body, {subtree: true, childList: true, characterData: true,
        attributes: true, attributeFilter: ['data-tokens', 'data-state']});
    note();
}"""


@dataclass(frozen=True)
class Told:
    """What a visitor's page said from one moment on."""

    at: float
    """Seconds of the browser's clock."""
    told: str
    """The line on where the text stands."""
    tokens: int
    """Tokens that the lanes show."""


@dataclass(frozen=True)
class Visit:
    """What one visitor saw."""

    texts: tuple[str, ...]
    """What each lane showed in the end; empty where it never ended."""
    seconds: float
    """From the click to the last token."""
    still: float
    """The longest time for which the text stood still while the page said that it was written, in seconds."""
    writing: float
    """From the first token that was shown to the last, in seconds."""
    tokens: int
    """Tokens in the end."""
    ahead: tuple[int, ...]
    """How many the page said were before this visitor, each time that it changed."""

    @property
    def rate(self) -> float:
        """Tokens in a second, from the click on."""
        return self.tokens / self.seconds if self.seconds else 0.0


@contextmanager
def visitors(browser: Browser, address: str, count: int, length: int = LENGTH) -> Iterator[list[Page]]:
    """Pages of so many visitors, each with a seed of their own, open and at rest; lanes of `length` tokens."""
    contexts = [browser.new_context(viewport={"width": 1280, "height": 800}) for _ in range(count)]
    try:
        pages = [context.new_page() for context in contexts]
        for number, page in enumerate(pages):
            page.set_default_timeout(PATIENCE * 1000)
            page.goto(f"{address}/steering?b=seed1&length={length}&seed={100 + number}")
        for page in pages:
            page.wait_for_selector(".lanes[data-state]")
            page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
        yield pages
    finally:
        for context in contexts:
            context.close()


def steer(pages: Sequence[Page], each: Callable[[], None] = lambda: None) -> list[Visit]:
    """Let every visitor press Write it live, one after the other without waiting, and wait for all."""
    for page in pages:
        page.evaluate(_WATCH)
    for page in pages:
        # Between two redraws the button is gone for a moment.
        page.wait_for_function(
            "(() => { const button = document.querySelector('.st-key-generate button'); button?.click(); "
            "window.began = performance.now(); return Boolean(button); })()"
        )
    end, open_ = time.monotonic() + PATIENCE, set(range(len(pages)))
    while open_ and time.monotonic() < end:
        for i in sorted(open_):
            if str(pages[i].evaluate("window.seen.at(-1).told")).startswith(("Done", "Nothing was")):
                open_.discard(i)
        each()
        time.sleep(0.5)
    for i in sorted(set(range(len(pages))) - open_):
        pages[i].wait_for_function("document.querySelectorAll('.lanes .lane[data-lane]').length >= 5")
        pages[i].wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
    return [_visit(page, i not in open_) for i, page in enumerate(pages)]


def _visit(page: Page, ended: bool) -> Visit:
    began = float(page.evaluate("window.began")) / 1000
    seen = [Told(float(s["at"]), str(s["told"]), int(s["tokens"])) for s in page.evaluate("window.seen")]
    texts = tuple(page.locator(".lanes .lane[data-lane]").all_text_contents()) if ended else ()
    grown = [seen[0]] + [b for a, b in itertools.pairwise(seen) if b.tokens > a.tokens]
    ahead = [int(t.told.partition(": ")[2].split()[0]) for t in seen if " before you" in t.told]
    last = grown[-1].at if ended else float(page.evaluate("performance.now()")) / 1000
    return Visit(texts, last - began, still(seen, last), last - grown[min(1, len(grown) - 1)].at, grown[-1].tokens,
                 tuple(ahead))  # fmt: skip


def still(seen: Sequence[Told], end: float) -> float:
    """The longest time without another token while the page said that text was written."""
    longest, since, tokens = 0.0, seen[0].at, -1
    for told, after in zip(seen, [t.at for t in seen[1:]] + [end], strict=True):
        if told.tokens != tokens or not told.told.startswith("Writing"):
            since, tokens = told.at, told.tokens
        longest = max(longest, min(after, end) - since) if told.told.startswith("Writing") else longest
    return longest


def memory(address: str) -> float:
    """Resident memory of the process that serves an address, MiB."""
    port = address.rpartition(":")[2]
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if "streamlit" in " ".join(words) and port in words:
            return float(process.memory_info().rss) / 2**20
    raise SystemExit(f"no process serves {address}")


def main() -> int:
    """Print what every visitor saw; 1 if one did not end, or wrote something else than alone."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    with app(sys.argv[2] if len(sys.argv) > 2 else None) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(), args=list(FLAGS))
        alone: list[Visit] = []
        with visitors(browser, address, count) as pages:
            for page in pages:
                alone += steer([page])
        time.sleep(5)
        before = memory(address)
        print(f"alone: {min(v.seconds for v in alone):.1f} to {max(v.seconds for v in alone):.1f} s, "
              f"stood still for at most {max(v.still for v in alone):.1f} s; {before:.0f} MiB", flush=True)  # fmt: skip
        most = [before]
        with visitors(browser, address, count) as pages:
            found = steer(pages, lambda: most.append(memory(address)))
        for i, (one, two) in enumerate(zip(alone, found, strict=True)):
            same = "as alone" if two.texts == one.texts else "NOT AS ALONE" if two.texts else "NEVER ENDED"
            print(f"{i}: {two.seconds:6.1f} s, {two.rate:6.1f} tokens/s, still {two.still:5.1f} s, "
                  f"writing {two.writing:5.1f} s, ahead {two.ahead[:12]}, {same}", flush=True)  # fmt: skip
        rates = [v.rate for v in found]
        end = time.monotonic() + 60
        while memory(address) > 1.2 * before and time.monotonic() < end:
            time.sleep(1)
        after = memory(address)
        print(f"{count} together: {max(v.seconds for v in found):.1f} s, slowest over fastest rate "
              f"{min(rates) / max(rates):.2f}, memory {before:.0f} before, {max(most):.0f} at most, {after:.0f} after "
              f"({after / before - 1:+.0%})", flush=True)  # fmt: skip
        browser.close()
        whole = all(a.texts and a.texts == b.texts for a, b in zip(alone, found, strict=True))
        return 0 if whole and after <= 1.2 * before else 1


if __name__ == "__main__":
    raise SystemExit(main())
