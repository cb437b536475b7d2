"""A pair read in a lower precision: both models are lowered, and what that changes of R is measured on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from explorer.alignment import maps
from explorer.alignment.first_pass import plain_moments
from explorer.alignment.orthogonal import orthogonal_factor
from explorer.models import MASSIVE, LanguageModel, Site
from explorer.progress import Report
from explorer.text import Chunks


@dataclass(frozen=True)
class Lowered:
    """What a site's R is worth in both precisions, on one sample of the text."""

    label: str
    """The site, in words."""
    rows: int
    """Rows that R was fitted on."""
    ev_float32: float
    """EV of R on test rows, both from float32 passes."""
    ev: float
    """EV of the other R on the same test rows, both from passes of the lower precision."""
    turned: float
    """‖R − R′‖ / √(2d) of the two: 1 is how far two random rotations are from each other."""


def lower_pair(
    source: LanguageModel,
    target: LanguageModel,
    dtype: torch.dtype,
    chunks: Chunks,
    sites: Sequence[Site],
    report: Report,
    massive: float = MASSIVE,
) -> list[Lowered]:
    """Let both models compute in `dtype` from now on; what it changes at each site. Sums stay float64 of float32 rows.

    Measured on at most 100·d rows to fit and 20·d to test, as the nulls of fresh models are.
    """

    def fitted(precision: str) -> dict[Site, tuple[Tensor, float, int]]:
        step = f"precision: {precision} passes"
        found = {}
        for site, (fit, _, test) in plain_moments(source, target, chunks, sites, report, step, massive).items():
            r = orthogonal_factor(fit.cross)
            found[site] = r, maps.linear_ev(r, fit, test), fit.n
        return found

    before = fitted("float32")
    for model in (source, target):
        model.lower(dtype)
    after = fitted(str(dtype).removeprefix("torch."))
    distance = (2 * source.d_model) ** 0.5
    return [
        Lowered(site.label, n, ev, after[site][1], float((r - after[site][0]).norm()) / distance)
        for site, (r, ev, n) in before.items()
    ]


def lowered_words(found: Sequence[Lowered], dtype: str) -> str:
    """What a report says of the error of a lower precision."""
    most, turned = max(found, key=lambda f: abs(f.ev - f.ev_float32)), max(found, key=lambda f: f.turned)
    return (
        f"Forward passes are {dtype}, what is summed of them float32; against float32 passes of a sample of "
        f"{most.rows:,} rows to fit, EV of R differs by at most {abs(most.ev - most.ev_float32):.5f} ({most.label}: "
        f"{most.ev_float32:.5f} and {most.ev:.5f}), and R by at most {turned.turned:.2%} of the distance between two "
        f"random rotations ({turned.label})"
    )
