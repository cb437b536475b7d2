"""Each verdict is reached with a constructed pair, and each threshold decides where it stands."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import doubles
import pytest
import torch

from explorer.alignment import stitching as stitch
from explorer.alignment.control_runs import Controls, controls
from explorer.alignment.fresh_models import fresh_model
from explorer.alignment.grounds import recovered
from explorer.alignment.map_results import GateNulls
from explorer.alignment.orthogonal import haar
from explorer.alignment.pair import measure_pair
from explorer.alignment.pair_verdict import (
    FAVOURABLE,
    WORST_FIRST,
    deciding_site,
    decisive,
    exit_code,
    pair_verdict,
    which_is_what,
)
from explorer.alignment.results import VERDICTS, PairResult, PositiveControl, SiteResult, Verdict, VerdictName
from explorer.alignment.twin import make_twin
from explorer.alignment.verdict import MEANING, NEXT, RULES as TABLE, site_verdict
from explorer.cache import Cache
from explorer.estimates import Estimate
from explorer.models.language_model import LanguageModel
from explorer.study.library import open_study
from explorer.study.study import Study

DOCUMENTS = 110


class Bench:
    """Seed 0 of the shipped study with its controls, at the middle site, on a little text."""

    def __init__(self) -> None:
        self.study: Study = open_study("tales")
        self.source = self.study.load_model("seed0")
        self.chunks = self.study.chunks(DOCUMENTS)
        self.site = self.study.sites[len(self.study.sites) // 2]
        self.controls: Controls = controls(
            self.source, self.source, self.chunks, [self.site], ("", ""), lambda _s, _p: None, Cache(None)
        )

    def measure(self, target: LanguageModel) -> PairResult:
        return measure_pair(self.source, target, self.chunks, [self.site], {}, controls=self.controls).result

    def copy(self) -> LanguageModel:
        """The source under another name, for the doubles."""
        return replace(self.source, name="B")


@pytest.fixture(scope="module")
def bench() -> Any:
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stitch, "TOKENS", 1500)
        yield Bench()


@pytest.fixture(scope="module")
def twin(bench: Bench) -> PairResult:
    return bench.measure(make_twin(bench.source))


@pytest.fixture(scope="module")
def stored() -> SiteResult:
    """The middle site of the shipped study's twin."""
    sites = open_study("tales").pair("seed0", "twin").sites
    return sites[len(sites) // 2]


def stretched(d: int, sigma: float, seed: int = 3) -> torch.Tensor:
    """A linear map whose singular values are log-normal."""
    values = torch.exp(sigma * torch.randn(d, generator=torch.Generator().manual_seed(seed)))
    return ((haar(d, 1) * values) @ haar(d, 2)).float()


def verdict(result: PairResult) -> str:
    assert result.verdict is not None
    assert result.sites[0].verdict is not None
    assert result.verdict.verdict == result.sites[0].verdict.verdict, "one site: the pair is what the site is"
    return result.verdict.verdict


@pytest.mark.slow
def test_the_twin_is_rotation_equivalent_with_every_direction_identified(twin: PairResult) -> None:
    assert verdict(twin) == "rotation-equivalent"
    site = twin.sites[0]
    assert site.rotation.identified_rank == twin.d_model
    assert site.rho is not None
    assert site.rho.value == pytest.approx(1, abs=1e-4)
    assert site.stitch is not None
    for scores in (site.stitch.source_to_target, site.stitch.target_to_source):
        assert scores["orthogonal"].value == pytest.approx(1, abs=1e-3)
        assert scores["translation"].value < 0.5, "the rows as they are mean nothing to the twin"
        assert scores.loss < scores.base <= scores.unigram
    assert site.token.residual is not None
    assert site.token.residual.value == pytest.approx(1, abs=1e-3)
    assert site.rotation.haar.p > 0.01
    assert site.fit_curve.orthogonal[-1] == pytest.approx(1, abs=1e-4)
    assert site.fit_curve.rows[0] == 2 * twin.d_model
    assert twin.control is not None
    assert (twin.control.kind, twin.control.passed) == ("twin", True)


@pytest.mark.slow
def test_a_model_with_itself_is_a_shared_basis(bench: Bench) -> None:
    found = bench.measure(bench.copy())
    assert verdict(found) == "shared basis"
    assert found.sites[0].rotation.identity_share == pytest.approx(1, abs=1e-4)
    assert found.sites[0].rotation.haar.p < 0.05, "the identity is not random"


@pytest.mark.slow
def test_a_trained_and_an_untrained_model_are_not_aligned(bench: Bench) -> None:
    found = bench.measure(fresh_model(bench.source, 99))
    assert verdict(found) == "not aligned"
    assert exit_code(verdict(found)) == 1


@pytest.mark.slow
def test_an_untrained_model_and_itself_are_not_called_apart_by_their_null(bench: Bench) -> None:
    model, sites = bench.study.load_model("step0"), [bench.site, bench.study.sites[-1]]
    shared = controls(model, model, bench.chunks, sites, ("", ""), lambda _s, _p: None, Cache(None))
    found = measure_pair(model, model, bench.chunks, sites, {}, controls=shared).result
    for site in found.sites:
        assert max(site.nulls_affine.untrained) < 0.5
        assert site.ladder["affine"].value == pytest.approx(1, abs=1e-3)
        assert site.verdict is not None
        assert site.verdict.verdict not in ("not aligned", "not assessable")


@pytest.mark.slow
def test_log_normal_stretching_is_affine_only(bench: Bench) -> None:
    with doubles.in_coordinates("B", stretched(bench.source.d_model, 2.0)):
        found = bench.measure(bench.copy())
    assert verdict(found) == "affine only"
    site = found.sites[0]
    assert site.ladder["affine"].value > 0.95
    assert site.stitch is not None
    assert site.stitch.target_to_source["affine"].value > 0.9, "an affine map loses nothing"


@pytest.mark.slow
def test_a_little_stretching_is_mostly_rotation(bench: Bench) -> None:
    with doubles.in_coordinates("B", stretched(bench.source.d_model, 0.28)):
        found = bench.measure(bench.copy())
    assert verdict(found) == "mostly rotation"


@pytest.mark.slow
def test_a_copy_that_is_not_read_is_geometric_not_functional(bench: Bench) -> None:
    with doubles.in_coordinates("B", haar(bench.source.d_model, 4).float(), ignores=True):
        found = bench.measure(bench.copy())
    assert verdict(found) == "geometric, not functional"


@pytest.mark.slow
def test_two_seeds_of_tales_are_what_they_are(bench: Bench) -> None:
    found = bench.measure(bench.study.load_model("seed1"))
    stored = next(s for s in bench.study.pair("seed0", "seed1").sites if s.site == bench.site.name)
    assert stored.verdict is not None
    assert verdict(found) == stored.verdict.verdict == "partly rotation"
    # On a tenth of the text the estimate lies in the neighbourhood of the shipped one.
    assert found.sites[0].rho is not None
    assert stored.rho is not None
    assert found.sites[0].rho.value == pytest.approx(stored.rho.value, abs=0.05)
    assert found.sites[0].rho.low < found.sites[0].rho.value < found.sites[0].rho.high


def around(value: float, width: float = 0.005) -> Estimate:
    return Estimate(value, value - width, value + width)


SEAMS = {"ce": "orthogonal_scale", "shift": "translation", "rescaled": "identity_scale"}


def changed(site: SiteResult, **to: Any) -> SiteResult:
    """A site with other numbers: rungs by name, rho_scale, CE recovered in both directions, share, scale, nulls."""
    rungs = {k: to.pop(k) for k in ("translation", "identity_scale", "orthogonal_scale", "affine") if k in to}
    site = replace(site, ladder=replace(site.ladder, rungs={**site.ladder.rungs, **rungs}))
    assert site.stitch is not None
    arms = {name: to.pop(key) for key, name in SEAMS.items() if key in to}
    site = replace(
        site,
        stitch=replace(
            site.stitch,
            **{
                way: replace(scores, seams={**scores.seams, **arms})
                for way in ("source_to_target", "target_to_source")
                if (scores := getattr(site.stitch, way))
            },
        ),
    )
    facts = {name: to.pop(key) for key, name in (("share", "identity_share"), ("scale", "scale")) if key in to}
    site = replace(site, rotation=replace(site.rotation, **facts))
    if "null" in to:
        site = replace(site, nulls_scale=GateNulls((to.pop("null"),), ()))
    if "null_affine" in to:
        site = replace(site, nulls_affine=replace(site.nulls_affine, untrained=(to.pop("null_affine"),)))
    return replace(site, **to)


TURNED = {"translation": around(0.3), "identity_scale": around(0.3), "share": 0.0}
SAME = {"translation": around(0.956), "share": 0.9, "shift": around(0.9)}
RESCALED = {"translation": around(-3.0), "identity_scale": around(0.956), "share": 0.9, "rescaled": around(0.9)}
DRIFTED = {"translation": around(0.856), "share": 0.7, "shift": around(0.4), "ce": around(0.7)}
RULES = [
    ("not assessable", {"null_affine": 0.501}, {"null_affine": 0.499}),
    ("not assessable", {"null_affine": 0.6, "rho_scale": None}, {"rho_scale": None}),
    ("not aligned", {"affine": around(0.5), "null_affine": 0.476}, {"affine": around(0.5), "null_affine": 0.474}),
    ("not aligned", {"rho_scale": None}, {}),
    ("geometric, not functional", {"ce": around(0.494)}, {"ce": around(0.496)}),
    (
        "geometric, not functional",
        {"ce": around(0.3), "rho_scale": around(0.806)},
        {"ce": around(0.3), "rho_scale": around(0.804)},
    ),
    ("geometric, not functional", {**SAME, "ce": around(0.3)}, {**SAME, "ce": around(0.5)}),
    ("shared basis", SAME, {**SAME, "translation": around(0.954)}),
    ("shared basis", SAME, {**SAME, "share": 0.899}),
    ("shared basis", SAME, {**SAME, "shift": around(0.899)}),
    ("shared basis", RESCALED, {**RESCALED, "identity_scale": around(0.954)}),
    ("shared basis", RESCALED, {**RESCALED, "rescaled": around(0.899)}),
    ("same basis, drifted", DRIFTED, {**DRIFTED, "translation": around(0.854)}),
    ("same basis, drifted", DRIFTED, {**DRIFTED, "share": 0.699}),
    (
        "same basis, drifted",
        {**DRIFTED, "translation": around(-3.0), "identity_scale": around(0.856)},
        {**DRIFTED, "translation": around(-3.0), "identity_scale": around(0.854)},
    ),
    ("rotation-equivalent", {"rho_scale": around(0.956)}, {"rho_scale": around(0.954)}),
    ("rotation-equivalent", {"orthogonal_scale": around(0.806)}, {"orthogonal_scale": around(0.804)}),
    ("rotation-equivalent", {"ce": around(0.906)}, {"ce": around(0.904)}),
    ("mostly rotation", {"rho_scale": around(0.806)}, {"rho_scale": around(0.804)}),
    ("affine only", {"rho_scale": around(0.494)}, {"rho_scale": around(0.496)}),
    (
        "partly rotation",
        {"rho_scale": around(0.7), "orthogonal_scale": around(0.4), "null": 0.394},
        {"rho_scale": around(0.7), "orthogonal_scale": around(0.4), "null": 0.396},
    ),
    (
        "inconclusive",
        {"rho_scale": around(0.7), "orthogonal_scale": around(0.4), "null": 0.395},
        {"rho_scale": around(0.7), "orthogonal_scale": around(0.4), "null": 0.39},
    ),
]


@pytest.mark.parametrize(("expected", "inside", "outside"), RULES)
def test_thresholds_decide_where_they_stand(
    expected: str, inside: dict[str, Any], outside: dict[str, Any], stored: SiteResult
) -> None:
    site = one_rotation(stored)
    found = site_verdict(changed(site, **inside))
    assert found.verdict == expected
    assert found.next == NEXT[expected]
    assert all("\n" not in reason for reason in found.reasons)
    assert site_verdict(changed(site, **outside)).verdict != expected


def one_rotation(stored: SiteResult) -> SiteResult:
    """A site where R explains all and nothing is there without turning; R without a scale would say otherwise."""
    low = Estimate(-9.0, -9.0, -9.0)
    site = replace(
        stored, rho=low, rho_scale=around(1.0), ladder=replace(stored.ladder, rungs=dict(stored.ladder.rungs))
    )
    site = changed(site, **TURNED, affine=around(1.0), orthogonal_scale=around(1.0), ce=around(1.0), shift=low)
    site = changed(site, rescaled=low, null=0.0, null_affine=0.1, scale=1.0)
    return changed(replace(site, ladder=replace(site.ladder, rungs={**site.ladder.rungs, "orthogonal": low})))


def test_the_rules_stand_in_the_order_of_the_names() -> None:
    assert tuple(rule.verdict for rule in TABLE) == VERDICTS


@pytest.mark.parametrize(
    ("scale", "told"), [(1 / 3, True), (0.949, True), (0.951, False), (1.049, False), (1.051, True)]
)
def test_the_scale_is_told_where_it_is_not_one(scale: float, told: bool, stored: SiteResult) -> None:
    found = site_verdict(changed(one_rotation(stored), scale=scale))
    assert found.verdict == "rotation-equivalent"
    assert (f"{scale:.3f}" in found.reasons[-1]) == (f"s = {scale:.3f}" in found.next) == told
    partly = site_verdict(changed(one_rotation(stored), scale=scale, rho_scale=around(0.7)))
    assert partly.verdict == "partly rotation"
    assert partly.next == NEXT["partly rotation"], "below 1 also where the fit is poor: nothing to undo"


def test_a_drifted_copy_is_told_how_much_holds_as_it_is(stored: SiteResult) -> None:
    site = changed(one_rotation(stored), **DRIFTED)
    assert site.dictionary is not None
    known = replace(site.dictionary["raw"], restored_faithful=around(0.63))
    found = site_verdict(replace(site, dictionary={**site.dictionary, "raw": known}))
    assert "0.63 of the source's dictionary" in found.reasons[2]
    without = replace(site, ladder=replace(site.ladder, rungs={**site.ladder.rungs, "identity": around(0.77)}))
    assert "explain 0.77" in site_verdict(replace(without, dictionary=None)).reasons[2]
    assert "leave R out" in found.next and "transfer" not in found.next


def test_the_worse_direction_of_stitching_counts(stored: SiteResult) -> None:
    site = one_rotation(stored)
    assert site.stitch is not None
    scores = site.stitch.target_to_source
    worse = replace(scores, seams={**scores.seams, "orthogonal_scale": around(0.2)})
    found = site_verdict(replace(site, stitch=replace(site.stitch, target_to_source=worse)))
    assert found.verdict == "geometric, not functional"
    assert "target to source" in found.reasons[1]


def called(site: SiteResult, label: str, name: VerdictName) -> SiteResult:
    """A site of a label that is called so."""
    return replace(site, label=label, verdict=Verdict(name, ("why",), "next"))


def test_where_sites_differ_the_pair_says_which_is_what(stored: SiteResult) -> None:
    names: tuple[VerdictName, ...] = ("shared basis", "shared basis", "partly rotation", "partly rotation")
    labels = ("after 1", "after 2", "after 3", "end")
    sites = [called(stored, label, name) for label, name in zip(labels, names, strict=True)]
    embedding = replace(called(stored, "input", "not aligned"), site="blocks.0.hook_resid_pre")
    sentence = "shared basis up to after 2, partly rotation after that"
    assert which_is_what([embedding, *sites]) == sentence
    found = pair_verdict([embedding, *sites], PositiveControl("twin", (1.0,), True))
    assert sentence in found.reasons and found.reasons[0].startswith("decided at the site after 3")
    assert deciding_site([embedding, *sites]).label == "after 3"
    assert which_is_what(sites[:2]) == which_is_what([embedding]) == ""
    swapped = [sites[0], sites[2], called(stored, "end", "shared basis")]
    assert which_is_what(swapped) == "shared basis up to after 1, partly rotation at after 3, shared basis after that"
    longer = [sites[0], sites[2], called(stored, "after 4", "partly rotation"), called(stored, "end", "inconclusive")]
    assert which_is_what(longer).split(", ")[1] == "partly rotation at after 3 to after 4"
    comma = [sites[0], called(stored, "after 2", "same basis, drifted")]
    assert which_is_what(comma) == "shared basis up to after 1; same basis, drifted after that"


def test_a_verdict_rests_on_one_number_and_its_own_nulls(stored: SiteResult) -> None:
    site = changed(one_rotation(stored), orthogonal_scale=around(0.4), null=0.1, affine=around(0.6), null_affine=0.3)
    partly = decisive(called(site, "after 1", "partly rotation"))
    assert (partly.estimate.value, partly.nulls.gate, partly.title) == (0.4, 0.1, "R with one scale")
    failed = decisive(called(site, "after 1", "not aligned"))
    assert (failed.estimate.value, failed.title) == (0.6, "the affine map")
    assert failed.nulls.gate == site.nulls_affine.gate
    older = replace(site, nulls_scale=None, nulls=replace(site.nulls, shuffled=(0.25,), untrained=(0.2,)))
    assert decisive(older).nulls.gate == 0.25
    assert older.stitch is not None
    one_way = older.stitch.source_to_target
    plain = replace(one_way, seams={"orthogonal": around(0.3)})
    assert recovered(replace(older, stitch=replace(older.stitch, source_to_target=plain))).estimate.value == 0.3


def test_the_pair_is_its_least_favourable_site_without_the_embedding(stored: SiteResult) -> None:
    control = PositiveControl("twin", (1.0,), True)
    good = stored
    assert good.verdict is not None
    embedding = replace(good, site="blocks.0.hook_resid_pre", verdict=replace(good.verdict, verdict="not aligned"))
    assert pair_verdict([embedding, good], control).verdict == "rotation-equivalent"
    assert pair_verdict([embedding], control).verdict == "not aligned"
    silent = replace(good, label="silent", verdict=replace(good.verdict, verdict="not assessable"))
    found = pair_verdict([embedding, silent, good], control)
    assert found.verdict == "rotation-equivalent"
    assert "silent" in found.reasons[-1]
    assert pair_verdict([embedding, silent], control).verdict == "not assessable"
    for worst, better in pairwise(WORST_FIRST):
        sites = [replace(good, verdict=replace(good.verdict, verdict=name)) for name in (better, worst, better)]
        assert pair_verdict(sites, control).verdict == worst
    failed = pair_verdict([good], PositiveControl("planted", (0.7,), False))
    assert failed.verdict == "not assessable"
    assert "0.7000" in failed.reasons[0]


def test_every_verdict_has_a_place_a_next_step_and_an_exit_code() -> None:
    assert set(NEXT) == set(MEANING) == set(VERDICTS) == {*WORST_FIRST, "not assessable"}
    assert [v for v in VERDICTS if exit_code(v) == 0] == list(VERDICTS[3:7])
    assert VERDICTS[3:7] == ("shared basis", "same basis, drifted", "rotation-equivalent", "mostly rotation")
    assert set(FAVOURABLE) == {v for v in VERDICTS if exit_code(v) == 0}
    assert exit_code("not assessable") == 2
