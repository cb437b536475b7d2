"""How far a check is and how long the rest takes, on a clock that the test moves."""

import itertools
import random
from collections.abc import Iterator
from typing import Any

import pytest
from background import Clock

from explorer.models.shape import ModelShape
from explorer.models.sites import all_sites
from explorer.pipeline.check_options import CheckOptions
from explorer.pipeline.plan import PlannedCheck
from explorer.pipeline.progress import CheckProgress, PlannedPart

SMALL = ModelShape(128, 4, 851_968, 2048, 1_376_256, 512)
PLAN = PlannedCheck(SMALL, SMALL, CheckOptions(tokens=65_536), all_sites(4), 5e10).parts()
"""A default check of the shipped seeds on two cores."""


class Run:
    """A check on a machine that needs `slower` times as long as planned, give or take a factor for each part."""

    def __init__(self, slower: float, spread: float = 1.0, skipped: tuple[str, ...] = ()) -> None:
        self.clock, draw = Clock(), random.Random(1)
        parts = [p for p in PLAN if not p.step.startswith(skipped or ("nothing",))]
        self.truth = {p.step: p.seconds * slower * spread ** draw.uniform(-1, 1) for p in parts}
        self.heard: list[tuple[str, float]] = []
        self.progress = CheckProgress(lambda step, share: self.heard.append((step, share)), plan=PLAN, clock=self.clock)

    def moments(self, reports: int) -> Iterator[tuple[float, float]]:
        """(share of the work that is done, seconds that are truly left), twenty times in every part.

        A part tells its share `reports` times, or never but for its beginning.
        """
        whole = done = sum(self.truth.values())
        left = whole
        for step, seconds in self.truth.items():
            for i in range(20):
                if i == 0 or (reports and i % (20 // reports) == 0):
                    self.progress(step, i / 20)
                yield 1 - left / done, left
                self.clock.now += seconds / 20
                left -= seconds / 20


@pytest.mark.parametrize("reports", [0, 4, 20])
@pytest.mark.parametrize("spread", [1.0, 1.4])
def test_the_time_left_is_within_a_factor_of_two_on_a_machine_five_times_slower(reports: int, spread: float) -> None:
    run = Run(5.0, spread)
    whole = sum(run.truth.values())
    told = 0
    for done, left in run.moments(reports):
        found = run.progress.left
        assert found is not None and found > 0
        if done >= 0.1:
            told += 1
            # What is less than a fiftieth of the run is told in words that do not tell it from nothing.
            assert left / 2 - whole / 50 <= found <= 2 * left + whole / 50, (done, left, found)
    assert told > 100
    shares = [share for _, share in run.heard]
    assert shares == sorted(shares) and shares[-1] < 1
    run.progress.end()
    assert run.heard[-1] == ("done", 1.0) and run.progress.share == 1.0


def test_at_first_the_plan_is_believed_and_then_the_clock() -> None:
    clock = Clock()
    progress = CheckProgress(plan=[PlannedPart("one", 60), PlannedPart("two", 40)], clock=clock)
    assert progress.left == pytest.approx(100)
    progress("one", 0.0)
    clock.now += 3
    assert progress.left == pytest.approx(97)
    clock.now += 9
    progress("one", 0.1)
    assert 1.2 * 94 < (progress.left or 0) < 1.8 * 94, "6 planned seconds took 12, which is little to go by"
    clock.now += 120
    progress("one", 1.0)
    assert progress.left == pytest.approx(40 * 132 / 60, rel=0.1)


def test_a_step_that_says_nothing_is_not_said_to_be_over() -> None:
    clock = Clock()
    progress = CheckProgress(plan=[PlannedPart("one", 50), PlannedPart("two", 50)], clock=clock)
    progress("one", 0.0)
    clock.now += 50
    progress("two", 0.0)
    found = []
    for _ in range(20):
        clock.now += 10
        found.append(progress.left)
    assert all(b < a for a, b in itertools.pairwise(found[:5])), "it counts down while the plan holds"
    clock.now += 1000
    progress("two", 0.5)
    assert (progress.left or 0) > 300, "half of the last step is left, and it is slow"


def test_what_is_in_the_cache_leaves_the_plan() -> None:
    kept = ("dictionary", "null", "reading fit")
    run = Run(1.0, skipped=kept)
    whole = sum(run.truth.values())
    for done, left in run.moments(4):
        if done > 0.5:
            assert run.progress.left == pytest.approx(left, abs=whole / 50)
    assert [share for _, share in run.heard] == sorted(share for _, share in run.heard)


def test_waiting_and_unknown_steps_say_nothing_of_the_pace() -> None:
    clock = Clock()
    heard: list[Any] = []
    progress = CheckProgress(
        lambda *told: heard.append(told), plan=[PlannedPart("one", 50), PlannedPart("two", 50)], clock=clock
    )
    progress("waiting for the same check", 0.0)
    clock.now += 1000
    progress("one", 0.0)
    assert progress.left == pytest.approx(100)
    clock.now += 50
    progress("downloading", 0.7)
    assert heard[-1] == ("downloading", 0.0)
    clock.now += 1000
    progress("two", 0.0)
    assert progress.left == pytest.approx(50) and heard[-1] == ("two", 0.5)
    progress("one", 1.0)
    assert heard[-1] == ("one", 0.5), "what is over does not begin again"


def test_without_a_plan_nothing_is_promised() -> None:
    progress = CheckProgress()
    progress("one", 0.5)
    assert progress.left is None and progress.share == 0.0 and progress.awaited == ()


def test_a_second_plan_begins_anew() -> None:
    clock = Clock()
    progress = CheckProgress(plan=[PlannedPart("guess", 10)], clock=clock)
    progress("guess", 0.0)
    clock.now += 500
    progress.plan([PlannedPart("one", 30, "input"), PlannedPart("two", 30, "end")])
    assert progress.left == pytest.approx(60) and progress.awaited == ("input", "end")


def test_every_part_of_a_plan_has_a_name_of_its_own_and_costs_something() -> None:
    both = PlannedCheck(SMALL, SMALL, CheckOptions(tokens=65_536, sae_target="train"), all_sites(4), 5e10).parts()
    for parts in (PLAN, both):
        assert len({p.step for p in parts}) == len(parts)
        assert min(p.seconds for p in parts) >= 0 and sum(p.seconds > 0 for p in parts) >= len(parts) - 1
        assert [p.site for p in parts if p.site] == ["input", "after 1", "after 2", "after 3", "end"]
    assert {p.step for p in PLAN} < {p.step for p in both}


def test_portions_that_a_verdict_does_not_need_leave_the_plan() -> None:
    plan = PlannedCheck(SMALL, SMALL, CheckOptions(), all_sites(4), 5e10).parts()
    portions = [part for part in plan if part.step.startswith("portion")]
    assert [part.step for part in portions] == [f"portion {i} of the text" for i in range(1, len(portions) + 1)]
    assert len(portions) >= 2
    assert "reading fit text" not in {part.step for part in plan}
    progress = CheckProgress(plan=plan, clock=lambda: 0.0)
    progress(portions[0].step, 1.0)
    before = progress.share
    progress("positive control", 0.0)
    # What was never begun leaves the plan as well: here all that comes before the first portion.
    asked = [part for part in plan[plan.index(portions[0]) :] if part not in portions[1:]]
    assert before < progress.share == pytest.approx(portions[0].seconds / sum(part.seconds for part in asked))
