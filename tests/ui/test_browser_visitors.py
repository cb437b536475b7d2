"""Several people steer at once in browsers of their own: each text grows to its end, and is what they write alone."""

from __future__ import annotations

import pytest
from faults.visitors import steer, visitors
from playwright.sync_api import Browser
from test_browser import address, browser

__all__ = ["address", "browser"]
pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]


def test_three_who_steer_at_once_end_with_the_texts_that_they_write_alone(browser: Browser, address: str) -> None:
    with visitors(browser, address, 3, length=20) as pages:
        alone = [steer([page])[0] for page in pages]
    with visitors(browser, address, 3, length=20) as pages:
        together = steer(pages)
    assert all(len(visit.texts) >= 5 for visit in alone)
    assert [visit.texts for visit in together] == [visit.texts for visit in alone]
    assert len({visit.texts for visit in together}) == 3, "each has a seed of their own"
    assert all(visit.ahead == () for visit in together), "all have begun"
