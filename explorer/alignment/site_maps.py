"""Every map of one site, fitted from the moments that the first pass collected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from explorer.alignment.first_pass import SiteMoments
from explorer.alignment.map_registry import MAPS, FitMoments
from explorer.alignment.maps import ResidualMap
from explorer.errors import InputError

LEAST_ROWS_PER_DIMENSION = 20


@dataclass(frozen=True)
class SiteMaps:
    """The maps of one site."""

    by_name: Mapping[str, ResidualMap]
    """By their names in the registry: all that were fitted, or those that were stored."""

    def __getitem__(self, name: str) -> ResidualMap:
        """The map of a name. Raises InputError for one that is not here."""
        if name not in self.by_name:
            raise InputError(f"no map '{name}' here: there are {', '.join(self.by_name)}")
        return self.by_name[name]

    def to(self, device: torch.device | str) -> SiteMaps:
        """The same maps on a device."""
        return SiteMaps({name: found.to(device) for name, found in self.by_name.items()})


def fit_maps(moments: SiteMoments) -> SiteMaps:
    """Every map of a site from its moments. Raises InputError for fewer than 20·d rows."""
    fit = moments.fit
    least = LEAST_ROWS_PER_DIMENSION * len(fit.sum_source)
    if fit.n < least:
        raise InputError(f"not assessable: {fit.n} rows to fit, at least 20·d = {least} are needed: give more text")
    wrong = next((m for m in moments.shuffled if m.n), None)
    if wrong is None:
        raise InputError("not assessable: every chunk of the text is from one document: give at least two to fit")
    given = FitMoments(fit, moments.validation, wrong)
    return SiteMaps({name: entry.fit(given) for name, entry in MAPS.items()})
