"""What the table over training holds: one row for a pair of seeds at one moment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from explorer import estimates
from explorer.intake import read_json

FILE = "training.json"


@dataclass(frozen=True)
class TrainingRow:
    """One pair of seeds at one moment of training, measured at the middle site."""

    name: str
    """What distinguishes this row."""
    tokens: int
    """Training tokens that each model has seen."""
    d_model: int
    """Width."""
    loss_source: float
    """Loss on held-out documents, nats per token."""
    loss_target: float
    """The target's."""
    orthogonal: float
    """Direct EV of the orthogonal map on test."""
    affine: float
    """Direct EV of the affine map."""
    sae_ceiling: float
    """EV of the source's dictionary on its own rows."""
    sae_raw: float
    """Paper-style EV on the target's rows as they are."""
    sae_rotated: float
    """Paper-style EV through R."""
    sae_shuffled: float
    """Paper-style EV through an R of shuffled pairs."""
    steering_native: float
    """Mean signed effect of the target's own vectors over the genre contrasts, dose 0.4."""
    steering_rotated: float
    """Mean signed effect of the source's vectors through R."""
    restored: float | None = None
    """Faithful: how much of the source's dictionary comes back through R (`estimates.restored`); None in tables from
    before it was measured."""
    dictionary: str | None = None
    """Which dictionary of the source that is."""
    kl: float | None = None
    """KL(source ‖ target) on test, nats per token; None in tables from before it was measured."""

    @property
    def rho(self) -> float:
        """ρ = EV_orthogonal / EV_affine."""
        return self.orthogonal / self.affine

    @property
    def restored_paper(self) -> float:
        """Paper-style: how much of the dictionary comes back through R; NaN where there is nothing to restore."""
        return float(estimates.restored(self.sae_rotated, self.sae_shuffled, self.sae_ceiling))

    @property
    def steering_share(self) -> float:
        """Steering effect through R as a share of the native one."""
        return self.steering_rotated / self.steering_native


def read_training_table(study: Path) -> list[TrainingRow]:
    """The rows of a study's table over training; none where it has no such table."""
    path = study / FILE
    return read_json(path, list[TrainingRow], "remove it and train the study again") if path.exists() else []
