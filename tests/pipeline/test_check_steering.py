"""The steering verdict of a check: the Steering page's rule at the middle site, on models that know the text."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch

from explorer.jobs import Cancelled
from explorer.pipeline.check_steering import contrast_responses
from explorer.pipeline.known_text import knows_text
from explorer.progress import Report, silent
from explorer.report.make import _steering
from explorer.steering.dose_measure import OwnContrast, own_contrasts
from explorer.steering.dose_response import DoseResponse
from explorer.study.library import open_study
from explorer.study.study import Study
from explorer.text.tales import contrasts

DOCUMENTS = 400


@pytest.fixture(scope="module")
def study() -> Study:
    torch.set_num_threads(1)
    return open_study("tales")


@pytest.fixture(scope="module")
def own(study: Study) -> Iterator[tuple[list[OwnContrast], list[OwnContrast]]]:
    """One contrast of each seed's own at the middle site."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contrasts, "PLANS", contrasts.PLANS[:1])
        site = study.sites[len(study.sites) // 2]
        found = [own_contrasts(study.load_model(name), site, study.corpus) for name in ("seed0", "seed1")]
        yield found[0], found[1]


def responses(study: Study, own: Any, report: Report = silent) -> list[DoseResponse]:
    site = study.sites[len(study.sites) // 2]
    fitted = study.maps("seed0", "seed1")[site.name]
    target, text, chunks = study.load_model("seed1"), study.corpus, study.chunks(DOCUMENTS)
    return contrast_responses(target, site, fitted, own, text, chunks, report)


@pytest.mark.slow
def test_a_check_says_what_the_steering_page_says(study: Study, own: Any) -> None:
    shares: list[float] = []
    (found,) = responses(study, own, lambda _step, share: shares.append(share))
    shown = next(r for r in study.responses("seed0", "seed1") if (r.vector, r.site) == (found.vector, found.site))
    assert (found.verdict, found.regime, found.usable) == (shown.verdict, shown.regime, shown.usable)
    assert found.prompts == shown.prompts
    for arm in ("native", "rotated", "raw", "affine", "shuffled"):
        mine, theirs = found.arm(arm), shown.arm(arm)
        assert mine is not None
        assert theirs is not None
        assert mine.area.value == pytest.approx(theirs.area.value, rel=0.02, abs=0.005)
    assert found.random_areas == pytest.approx(shown.random_areas, rel=0.02, abs=0.005)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert len(shares) > 20, "it can be cancelled while it works"


def test_the_row_of_a_report_is_its_response(study: Study) -> None:
    stored = [r for r in study.responses("seed0", "seed1") if r.vector.startswith("contrast:")]
    assert stored
    for response in stored:
        row = _steering(response)
        native, rotated = response.arm("native"), response.arm("rotated")
        assert native is not None
        assert rotated is not None
        assert (row.native, row.rotated) == (native.area.value, rotated.area.value)
        assert row.transfer is None or row.transfer == pytest.approx(row.rotated / row.native, rel=1e-4)
        assert (row.transfer is None) == (row.verdict == "n/a")
        assert row.reach in (0.0, 0.05, 0.1, 0.2, 0.4, 0.8)


def test_only_models_that_know_the_text_are_steered(study: Study) -> None:
    known = {b: knows_text(study.pair("seed0", b)) for b in ("seed1", "twin", "early", "step0")}
    assert known == {"seed1": True, "twin": True, "early": True, "step0": False}
    pair = study.pair("seed0", "step0")
    assert knows_text(replace(pair, sites=tuple(replace(s, stitch=None) for s in pair.sites)))


@pytest.mark.slow
def test_reading_contrasts_can_be_cancelled(study: Study) -> None:
    def cancel(_step: str, _share: float) -> None:
        raise Cancelled

    site = study.sites[2]
    with pytest.raises(Cancelled):
        own_contrasts(study.load_model("seed0"), site, study.corpus, cancel)
