"""The stage at work in a browser: live steering with a computed counter, hands that drag and turn, a phone."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect
from test_browser import SLOW, browser as browser
from test_browser_story import address as address, offline, story as story, violations

from explorer.narrative.scenes import scenes_of
from explorer.narrative.story import Story
from explorer.narrative.story_steering import COUNTED, offers, recorded_run, to_a_sentence
from explorer.steering.class_counts import added
from explorer.steering.count_job import FRESH_TEXTS, fresh_counts
from explorer.steering.lanes import NORM_DOCUMENTS, Steering
from explorer.steering.reading_shares import ClassCount
from explorer.steering.vectors import contrast_vector, median_norm
from explorer.text.class_reader import ClassReader, learn_classes

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


def counts(page: Page) -> list[str]:
    """What the counter of the steering scene says, arm by arm."""
    return page.locator(".stage-event .count b").all_inner_texts()


def test_it_steers_live_twice_with_other_texts_and_the_counter_is_computed(
    browser: Browser, address: str, story: Story
) -> None:
    context, page = offline(browser)
    page.goto(f"{address}/story?scene=steering")
    status, carried = page.locator(".stage-status"), page.locator("[data-lane='rotated'] .text")
    expect(status).to_contain_text("recorded when this study was made", timeout=SLOW)
    run, offer = recorded_run(story), offers(story)[0]
    assert run is not None and offer.shares is not None
    whole = to_a_sentence("".join(t.text for t in run.written["rotated"]))
    expect(carried).to_have_text(run.prompt + whole, timeout=SLOW)
    stored = offer.counts(offer.dose)
    assert counts(page) == [f"{stored[arm].counted} of {stored[arm].texts}" for arm in COUNTED]
    texts, told = [], page.locator(".stage-event .told")
    for time_ in (1, 2):
        page.keyboard.press(" ")
        expect(told).to_have_text(f"counted live, fresh seeds {1000 + 20 * time_} to {1019 + 20 * time_}", timeout=SLOW)
        expect(status).to_have_text(f"written live, seed {run.seed + time_}, dose {run.dose:g}", timeout=SLOW)
        texts.append(carried.inner_text())
    assert texts[0] != texts[1] and all(text.startswith(run.prompt) for text in texts)
    counted: dict[str, ClassCount] = {}
    for batch in fresh_counts(steering_of(story), run.dose, run.prompt, reader_of(story), 1040):
        counted = added(counted, batch)
    assert counts(page) == [f"{counted[arm].counted} of {FRESH_TEXTS}" for arm in COUNTED]
    page.get_by_label("Name").fill("Ada")
    page.keyboard.press("Enter")
    expect(carried).to_contain_text("called Ada.", timeout=SLOW)
    expect(told).to_contain_text("counted live, fresh seeds 1060", timeout=SLOW)
    page.get_by_role("button", name="Recording").click()
    expect(status).to_contain_text("recorded when this study was made", timeout=SLOW)
    assert page.blocked == []  # type: ignore[attr-defined]
    context.close()


def steering_of(story: Story) -> Steering:
    """What the recorded vector is added to, built without the app."""
    run, study = recorded_run(story), story.study
    assert run is not None
    a, b = (study.load_model(name) for name in ("seed0", "seed1"))
    site, some = study.site(run.site), study.chunks(NORM_DOCUMENTS)
    v = contrast_vector(a, site, study.corpus.contrast(run.contrast))
    norms = (median_norm(a, site, some), median_norm(b, site, some))
    return Steering(a, b, site, v, study.maps("seed0", "seed1")[site.name], norms)


def reader_of(story: Story) -> ClassReader:
    """Who reads its class."""
    run = recorded_run(story)
    assert run is not None
    found = learn_classes(story.study.corpus.contrast(run.contrast), run.prompt)
    assert found is not None
    return found


def test_three_groups_are_dragged_and_r_lays_them_into_register(browser: Browser, address: str) -> None:
    context, page = offline(browser)
    page.goto(f"{address}/story?scene=toy")
    page.wait_for_selector(".register[data-length]", timeout=SLOW)
    length = lambda: float(page.locator(".register").get_attribute("data-length") or "nan")  # noqa: E731
    assert length() == 1
    page.mouse.move(640, 400)
    page.mouse.down()
    page.mouse.move(760, 360, steps=4)
    page.mouse.up()
    dragged = length()
    assert dragged != 1
    page.locator(".register canvas").focus()
    page.keyboard.press("ArrowUp")
    assert length() != dragged and "scene=toy" in page.url
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press(" ")
    page.wait_for_function("document.querySelector('.register').dataset.length < 0.001", timeout=SLOW)
    context.close()


def test_clock_hands_turn_without_the_server(browser: Browser, address: str) -> None:
    context, page = offline(browser)
    page.goto(f"{address}/story?scene=hands")
    page.wait_for_selector(".hands[data-t='0.000']", timeout=SLOW)
    angles = page.locator(".hands canvas").evaluate_all("all => all.map(c => JSON.parse(c.dataset.angles).length)")
    assert len(angles) == 2 and min(angles) >= 127
    page.keyboard.press(" ")
    page.wait_for_selector(".hands[data-t='1.000']", timeout=SLOW)
    assert page.blocked == []  # type: ignore[attr-defined]
    context.close()


def test_a_phone_gets_the_talk_as_one_page(browser: Browser, address: str, story: Story) -> None:
    context, page = offline(browser, 390, 844)
    page.goto(f"{address}/story")
    page.wait_for_selector(".st-key-stack .st-key-stacked-limits img", timeout=SLOW)
    found = scenes_of(story)
    assert page.locator(".st-key-stack .sentence").all_inner_texts() == [s.sentence(story) for s in found]
    page.wait_for_function("document.querySelectorAll('.st-key-stack .main-svg').length >= 3", timeout=SLOW)
    wide = page.get_by_test_id("stMain").evaluate("m => m.scrollWidth - m.clientWidth")
    assert wide <= 0, "it scrolls sideways"
    broken = (
        "() => [...document.querySelectorAll('.st-key-stack img')].filter(i => !i.complete || !i.naturalWidth).length"
    )
    assert page.evaluate(broken) == 0
    turn = page.locator(".st-key-stacked-dial .updatemenu-button")
    graph = "document.querySelector('.st-key-stacked-dial .js-plotly-plot')"
    turn.click()
    page.wait_for_function(f"{graph}.data.at(-1).meta === 1", timeout=SLOW)
    assert violations(page) == []
    context.close()
