"""The numbers that the paper's claims rest on, site by site: where its release bundle has them, and what is ours.

The layout is that which the replication's own scripts write (its docs/PAPER_NUMBERS.md names some of them otherwise).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from explorer.alignment import PairResult, SiteResult
from explorer.models import residual_index
from explorer.narrative.claim_study import ClaimStudy
from explorer.narrative.paper_bundle import SITE, Source

Measured = list[tuple[int, float]]
"""Numbers of ours by site, counted in blocks before it; of several pairs, several at one site."""


@dataclass(frozen=True)
class Quantity:
    """One number of every site."""

    claim: str
    """The claim of `explorer.narrative.claims` that rests on it."""
    what: str
    """What is measured, in a few words."""
    paper: str
    """What the paper says of it."""
    sources: tuple[Source, ...]
    """Where a bundle has it; the first that is there is taken."""
    ours: Callable[[ClaimStudy], Measured] | None
    """What a study says; None where it measures another quantity."""
    of_toy: bool = False
    """Whether it is about the paper's toy."""


def _pairs(study: ClaimStudy, which: str) -> Sequence[PairResult]:
    if which == "early":
        return () if study.early is None else (study.early,)
    found: tuple[PairResult, ...] = getattr(study, which)
    return found


def _over(which: str, read: Callable[[SiteResult], float | None]) -> Callable[[ClaimStudy], Measured]:
    """A reader of one number at every site of some pairs of a study."""

    def measured(study: ClaimStudy) -> Measured:
        found = [(residual_index(s.site), read(s)) for pair in _pairs(study, which) for s in pair.sites]
        return [(index, value) for index, value in found if index is not None and value is not None]

    return measured


def _ev(which: str, arm: str) -> Callable[[ClaimStudy], Measured]:
    return _over(which, lambda s: None if s.dictionary is None else s.dictionary[arm].paper.value)


def _rung(which: str, rung: str) -> Callable[[ClaimStudy], Measured]:
    return _over(which, lambda s: s.ladder[rung].value)


def _distance(which: str) -> Callable[[ClaimStudy], Measured]:
    return _over(which, lambda s: s.rotation.frobenius_from_identity)


def _firing(which: str, arm: str) -> Callable[[ClaimStudy], Measured]:
    return _over(which, lambda s: None if s.firing is None else s.firing[arm])


def _matched(name: str) -> Callable[[ClaimStudy], Measured]:
    """Share or mean of the largest cosines of ReLU dictionaries with the same start."""

    def measured(study: ClaimStudy) -> Measured:
        story = study.study.decoder_story()
        found = [
            (study.study.site(s.site).index, getattr(f.same_init.all, name))
            for s in (story.sites if story is not None else ())
            for f in s.families
            if f.family == "relu" and f.same_init is not None
        ]
        return [(index, value) for index, value in found if value is not None]

    return measured


_RESULTS, _FAST = "scale/pythia_rotation/results.json", "scale/pythia_rotation/panel_c_fast.json"
_SPECTRUM, _FIRING = "scale/pythia_rotation/eigenvalue_spectrum.json", "scale/pythia_rotation/firing_pattern.json"
_AUDIT, _RAW = "cross_seed/exp1d_rotation_audit.json", "cross_seed/exp1a_reconstruction.json"
_TOY_FIRING, _APART = "cross_seed/exp1b_firing_overlap.json", "independent_init/rotation_audit.json"
_TO_ANCHOR, _SEEDS, _OTHERS = r"~seed\d+_to_anchor", r"~seed\d+", r"~seed[1-9]\d*"


def _apart(*path: str) -> tuple[Source, ...]:
    """In the file of cohort B, or in the one that holds all steps of that analysis."""
    return (
        Source(_APART, ("per_site", SITE, *path)),
        Source("independent_init/results.json", ("rotation_audit", "per_site", SITE, *path)),
    )


def _checkpoints(*path: str) -> tuple[Source, ...]:
    """In the file of the Pythia run, or in the one that holds both runs; the site is named after the layer there."""
    return (
        Source("cross_checkpoint/pythia.json", path),
        Source("cross_checkpoint/results.json", ("variant_b", *path)),
    )


QUANTITIES = (
    Quantity(
        "decoder cosine", "share of decoder rows above 0.5", "≥ 0.99 in middle layers",
        (Source(_RESULTS, ("panel_A", "per_site_pair", SITE, r"~seed\d+_vs_seed\d+", "fraction_stable")),
         Source(_RESULTS, ("panel_A", "summary", SITE, "mean_fraction_stable"))),
        _matched("share"),
    ),
    Quantity(
        "decoder cosine", "mean of the largest cosine", "0.91–0.93",
        (Source(_RESULTS, ("panel_A", "per_site_pair", SITE, r"~seed\d+_vs_seed\d+", "mean_max_cos")),
         Source(_RESULTS, ("panel_A", "summary", SITE, "mean_mean_max_cos"))),
        _matched("mean"),
    ),
    Quantity(
        "raw", "EV of A's dictionary on A (ceiling)", "not given by site",
        (Source(_RESULTS, ("panel_B", SITE, r"~sae(\d+)_on_acts\1", "explained_var")),),
        _ev("independent", "ceiling"),
    ),
    Quantity(
        "raw", "EV of A's dictionary on B, raw", "−2.11 to +0.75",
        (Source(_RESULTS, ("panel_C", SITE, "sae_post_rotation", _TO_ANCHOR, "raw", "explained_var")),
         Source(_RESULTS, ("panel_C", SITE, "summary", "mean_raw_EV"))),
        _ev("independent", "raw"),
    ),
    Quantity(
        "rotated", "EV of A's dictionary on B, after R", "0.85 to 0.99",
        (Source(_RESULTS, ("panel_C", SITE, "sae_post_rotation", _TO_ANCHOR, "rotated", "explained_var")),
         Source(_RESULTS, ("panel_C", SITE, "summary", "mean_rot_EV"))),
        _ev("independent", "rotated"),
    ),
    Quantity(
        "rotation only", "EV of A's rows, means moved", "not reported",
        (Source(_FAST, ("per_site", SITE, "pair_metrics", _SEEDS, "raw_EV")),
         Source(_RESULTS, ("panel_C", SITE, "alignment", _TO_ANCHOR, "raw_EV"))),
        _rung("independent", "translation"),
    ),
    Quantity(
        "rotation only", "EV of A's rows, after R", "not reported",
        (Source(_FAST, ("per_site", SITE, "pair_metrics", _SEEDS, "rot_EV")),
         Source(_RESULTS, ("panel_C", SITE, "alignment", _TO_ANCHOR, "rot_EV"))),
        _rung("independent", "orthogonal"),
    ),
    Quantity(
        "distance", "‖R − I‖", "31.99 (√(2d) = 32.00)",
        (Source(_FAST, ("per_site", SITE, "pair_metrics", _SEEDS, "frob_R_minus_I")),
         Source(_RESULTS, ("panel_C", SITE, "alignment", _TO_ANCHOR, "frob_R_minus_I"))),
        _distance("independent"),
    ),
    Quantity(
        "random", "p of the paper's KS test", "1.000, all sites together",
        (Source(_SPECTRUM, ("per_pair", r"~seed\d+_vs_seed1", SITE, "ks_pvalue_vs_haar")),),
        _over("independent", lambda s: s.rotation.haar.ks_p_paper),
    ),
    Quantity(
        "firing", "firing r, raw (theirs means, ours medians)", "0.01 to 0.07",
        (Source(_FIRING, ("per_pair_per_site", r"~seed\d+_vs_seed1", SITE, "raw", "mean")),
         Source(_FIRING, ("summary_per_site", SITE, "mean_raw_pearson"))),
        _firing("independent", "raw"),
    ),
    Quantity(
        "firing", "firing r, after R (theirs means, ours medians)", "0.25 to 0.44",
        (Source(_FIRING, ("per_pair_per_site", r"~seed\d+_vs_seed1", SITE, "rotated", "mean")),
         Source(_FIRING, ("summary_per_site", SITE, "mean_rotated_pearson"))),
        _firing("independent", "rotated"),
    ),
    Quantity(
        "raw steering", "KL on B / KL on A, by vector (unsigned: ours is signed, on Steering)", "1.8 to 10.0",
        (Source(_RESULTS, ("panel_D", "transfer_ratio", SITE, r"~[\d.]+")),), None,
    ),
    Quantity(
        "checkpoints", "EV of its dictionary on itself", "0.907", _checkpoints("sae_self_train_EV"),
        _ev("early", "ceiling"),
    ),
    Quantity(
        "checkpoints", "EV on the later checkpoint, raw", "−0.86", _checkpoints("naive_cross_ckpt_EV"),
        _ev("early", "raw"),
    ),
    Quantity(
        "checkpoints", "EV on the later checkpoint, after R", "0.73", _checkpoints("post_rotation_EV"),
        _ev("early", "rotated"),
    ),
    Quantity(
        "checkpoints", "‖R − I‖", "16.81", _checkpoints("rotation_audit", "frob_R_minus_I"), _distance("early")
    ),
    Quantity(
        "toy, independent", "EV of A's dictionary on B, raw", "−1.53 to −0.58",
        (*_apart("sae_post_rotation", _SEEDS, "raw_EV"), *_apart("summary", "mean_raw_EV")),
        _ev("independent", "raw"), of_toy=True,
    ),
    Quantity(
        "toy, independent", "EV of A's dictionary on B, after R", "0.965 to 0.990",
        (*_apart("sae_post_rotation", _SEEDS, "rotated_EV"), *_apart("summary", "mean_rot_EV")),
        _ev("independent", "rotated"), of_toy=True,
    ),
    Quantity(
        "toy, independent", "EV of A's rows, after R", "not reported", _apart("alignment", _SEEDS, "rot_EV"),
        _rung("independent", "orthogonal"), of_toy=True,
    ),
    Quantity(
        "toy, independent", "‖R − I‖", "10.80 to 11.25 (√(2d) = 11.31)",
        (*_apart("alignment", _SEEDS, "frob_R_minus_I"), *_apart("summary", "mean_frob_R_minus_I")),
        _distance("independent"), of_toy=True,
    ),
    Quantity(
        "toy, shared", "EV of A's dictionary on A (ceiling)", "not given by site",
        (Source(_RAW, (SITE, "x8", "seed0", "explained_var")),), _ev("shared", "ceiling"), of_toy=True,
    ),
    Quantity(
        "toy, shared", "EV of A's dictionary on B, raw", "not given by site",
        (Source(_AUDIT, (SITE, "sae_post_rotation", _OTHERS, "x8_raw", "explained_var")),
         Source(_RAW, (SITE, "x8", _OTHERS, "explained_var"))),
        _ev("shared", "raw"), of_toy=True,
    ),
    Quantity(
        "toy, shared", "EV of A's dictionary on B, after R", "not given by site",
        (Source(_AUDIT, (SITE, "sae_post_rotation", _OTHERS, "x8_rotated", "explained_var")),),
        _ev("shared", "rotated"), of_toy=True,
    ),
    Quantity(
        "toy, shared", "firing r, raw (medians)", "0.03 to 0.51",
        (Source(_TOY_FIRING, (SITE, "x8", r"~seed[1-9]\d*_raw", "median_pearson_all")),),
        _firing("shared", "raw"), of_toy=True,
    ),
    Quantity(
        "toy, shared", "firing r, after R (medians)", "0.27 to 0.74",
        (Source(_TOY_FIRING, (SITE, "x8", r"~seed[1-9]\d*_rotated", "median_pearson_all")),),
        _firing("shared", "rotated"), of_toy=True,
    ),
)  # fmt: skip
"""Every number, in the order of the claims."""
EV_NOTE = (
    "The bundle's EVs divide by a variance pooled over all entries, ours by that around each dimension's mean, so that "
    "the bundle's lie higher; its models and text are others than this study's"
)
"""Why columns differ that bear one name."""
