"""What was measured of the maps at one site: the ladder, its nulls, the token's share, the text needed, stitching."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from explorer.estimates import Estimate


@dataclass(frozen=True)
class Ladder:
    """EV of predicting the source's rows from the target's; 0 is predicting the mean. Fitted on fit, scored on test."""

    rungs: Mapping[str, Estimate]
    """Of every rung by its name, from the rows as they are up to the affine map (see `map_registry`)."""
    shuffled: tuple[float, ...]
    """Orthogonal maps refitted to deranged pairings (19 cyclic shifts of the chunks), each scored on the true pairs."""
    random: float
    """A Haar-random rotation with the true means."""
    mean: float
    """The mean of the fit rows for every row: 0 but for the difference of the two splits' means."""

    def __getitem__(self, rung: str) -> Estimate:
        return self.rungs[rung]

    @property
    def p(self) -> float:
        """(1 + #{shuffled ≥ orthogonal}) / 20."""
        above = sum(null >= self["orthogonal"].value for null in self.shuffled)
        return (1 + above) / (1 + len(self.shuffled))


@dataclass(frozen=True)
class GateNulls:
    """The two gates of one map: its EV on the true test pairs after a fit without a true pairing. The strength of an
    affine map is chosen on the validation rows, the scale of a scaled one from the wrong pairs, as for the true map.
    """

    shuffled: tuple[float, ...]
    """Fitted to deranged pairings: 19 cyclic shifts of the windows at equal position."""
    untrained: tuple[float, ...]
    """Fitted with the target replaced by fresh initialisations of its config (3 seeds, drawn from a hash of both
    models); empty where it was not run."""

    @property
    def gate(self) -> float:
        """The largest of the gates: what the map must beat."""
        return max((*self.shuffled, *self.untrained))


@dataclass(frozen=True)
class Nulls(GateNulls):
    """Direct EV on the test rows of orthogonal maps that had no true pairing to learn from; each was fitted anew."""

    haar: tuple[float, ...]
    """No gate. Haar-random rotations with the true means."""
    pca_signs: tuple[float, ...]
    """No gate. Principal axes onto principal axes with random signs: matched covariances, no pairing."""


@dataclass(frozen=True)
class TokenFacts:
    """What the token alone explains, and what a rotation explains beyond it."""

    lookup: Estimate
    """EV of predicting the mean of A's fit rows of the same token id (A's mean for tokens seen < 5 times)."""
    residual: Estimate | None
    """EV of an R fitted and scored after E[x | token] of the fit rows was subtracted on both sides; tokens seen ≥ 5
    times only. None where nothing but rounding is left (the embedding), or too few rows to fit."""
    share: float
    """Share of the test rows whose token was seen ≥ 5 times in the fit rows."""


@dataclass(frozen=True)
class FitCurve:
    """How many rows a map needs: EV on all test rows after a fit on the first `rows` rows (in random order)."""

    rows: tuple[int, ...]
    """2d, 4d, 8d, … and all."""
    orthogonal: tuple[float, ...]
    """EV of R."""
    affine: tuple[float, ...]
    """EV of the ridge-affine map (strength chosen on the validation rows)."""


@dataclass(frozen=True)
class StitchScores:
    """CE recovered = (CE_base − CE_stitched) / (CE_base − CE_receiver) by the map at the seam; 1 is as good as the
    receiver itself, 0 as bad as the base.
    """

    seams: Mapping[str, Estimate]
    """By what passes the seam: the stitched maps of `map_registry`, by their `forward` towards the target
    (Rᵀ, or a map fitted in that direction); and `mean`, the receiver's mean row everywhere: nothing passes."""
    loss: float
    """CE of the receiver by itself, nats per token."""
    base: float
    """CE_base: the smaller of mean-ablated and unigram."""
    unigram: float
    """CE of the unigram model of the fit text."""

    def __getitem__(self, seam: str) -> Estimate:
        return self.seams[seam]


@dataclass(frozen=True)
class Stitch:
    """One model up to the site, the other from there; rows left out of the fit keep the receiver's own activations."""

    source_to_target: StitchScores
    """The source to the site, the target from there."""
    target_to_source: StitchScores
    """The target to the site, the source from there."""
    tokens: int
    """Test tokens predicted."""
