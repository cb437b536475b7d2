"""How near the decoders of a checked pair's two dictionaries come once R is applied: one number for each site."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from explorer.features.correspondence import nearest_partners

if TYPE_CHECKING:
    from explorer.study import Study


def decoder_cosines(study: Study, source: str, target: str) -> dict[str, float]:
    """By site: the mean over A's live features of the largest cosine with any live decoder row of B, after R.

    Only sites where both models have a dictionary.
    """
    found = {}
    for site, fitted in study.maps(source, target).items():
        sides = []
        for name in (source, target):
            sae = study.load_dictionary(name, study.site(site))
            if sae is not None:
                frame = study.features(name)
                here = frame[frame.site == study.site(site).index]
                sides.append(sae.W_dec[torch.tensor(here[here.density > 0].feature.to_numpy())])
        if len(sides) == 2 and len(sides[0]) and len(sides[1]):
            cosine = nearest_partners(sides[0], sides[1] @ fitted["rotated"].matrix).cosine
            found[site] = float(cosine.mean())
    return found
