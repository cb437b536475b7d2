"""What kind of matrix R is: the tests and facts about it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class HaarTest:
    """Does R deviate from a Haar-random orthogonal matrix? Against Haar draws on O(d)."""

    statistic: float
    """T = Σ_{k=1..10} (tr R^k − 1[k even])² / k; about χ²₁₀ under Haar."""
    statistic_p: float
    """Two-sided p of T."""
    kurtosis: float
    """Kurtosis of √d·R_ij; near 3 under Haar."""
    kurtosis_p: float
    """Two-sided p of the kurtosis."""
    largest: float
    """max |R_ij|."""
    largest_p: float
    """p of so large an entry."""
    p: float
    """The three together: how often the smallest of a Haar draw's three p is as small. Above 0.05: no deviation from
    Haar detected (never "is Haar")."""
    ks_p_paper: float
    """The paper's two-sample KS test of eigen-angles; near 1 for nearly every orthogonal matrix."""
    draws: int
    """Haar draws compared with."""


@dataclass(frozen=True)
class Spectrum:
    """Histogram of R's eigen-angles |θ| in [0, π], with what Haar draws put there."""

    edges: tuple[float, ...]
    """Bin edges, radians; one more than bins."""
    counts: tuple[int, ...]
    """Eigenvalues of R in each bin (pairs ±θ count twice)."""
    haar_mean: tuple[float, ...]
    """Mean count over Haar draws."""
    haar_low: tuple[float, ...]
    """2.5 % quantile over Haar draws."""
    haar_high: tuple[float, ...]
    """97.5 % quantile."""


@dataclass(frozen=True)
class RotationFacts:
    """What kind of matrix R is."""

    determinant: float
    """+1 or −1."""
    frobenius_from_identity: float
    """‖R − I‖_F; near √(2d) for every matrix of trace near 0."""
    special_cost: float
    """Direct EV lost by forcing the determinant to +1, as the dial must; 0 where R has it already."""
    identified_rank: int
    """k*: left singular directions uᵢ of M with |uᵢᵀ R₁ R₂ᵀ uᵢ| ≥ 0.9, R₁ and R₂ fitted on halves of the fit documents;
    R is arbitrary on the other d − k*."""
    identity_share: float
    """tr(M) / ΣS in [−1, 1]: how much of the alignment that R achieves is there without turning; 1 is R = I."""
    haar: HaarTest
    """Whether R deviates from a Haar-random matrix."""
    spectrum: Spectrum
    """Its eigen-angles."""
    scale: float | None = None
    """s = ΣS / ‖X̃_B‖², by which the turned rows are multiplied to fit the source's best; below 1 also where the fit is
    poor. None in studies measured before it was kept."""


@dataclass(frozen=True)
class RotationTest:
    """R of a pair at one site as a draw: what is tested, and in how many directions it is known."""

    haar: HaarTest
    """Whether R deviates from a Haar-random matrix."""
    identified_rank: int
    """k*, as in `RotationFacts`."""
