"""PW-MCC: how alike two dictionaries' decoders are when their rows are matched one to one (Song et al. 2505.20254)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from explorer.alignment import DecoderMcc, SiteMaps
from explorer.features.correspondence import PAIRS, one_to_one, unit

if TYPE_CHECKING:
    from explorer.models import Site
    from explorer.study import Study


def matched_cosine(source: Float[Tensor, "f d"], target: Float[Tensor, "g d"]) -> float:
    """Mean cosine of the rows of the smaller set, each with a partner of its own, so that the sum is largest.

    Signed: a decoder row that points the other way is another feature.
    """
    cosine = unit(source) @ unit(target).T
    partner = one_to_one(cosine)
    held = partner >= 0
    return float(cosine[held, partner[held]].mean())


def decoder_mcc(source: Float[Tensor, "f d"], target: Float[Tensor, "g d"], fitted: SiteMaps) -> DecoderMcc:
    """PW-MCC of two decoders' live rows: as they are, through R, and through R's controls."""
    through = {arm: matched_cosine(source, target @ fitted[arm].matrix) for arm in ("rotated", "shuffled", "random")}
    return DecoderMcc(matched_cosine(source, target), **through, features=min(len(source), len(target)))


def decoder_mccs(study: Study, source: str, target: str) -> dict[str, DecoderMcc]:
    """By site, where both models have a dictionary of at most 4,096 features."""
    found = {}
    for name, fitted in study.maps(source, target).items():
        site = study.site(name)
        sides = [_live_rows(study, model, site) for model in (source, target)]
        a, b = sides
        if a is not None and b is not None and len(a) and len(b) and len(a) * len(b) <= PAIRS:
            found[name] = decoder_mcc(a, b, fitted)
    return found


def _live_rows(study: Study, model: str, site: Site) -> Tensor | None:
    """Decoder rows of a model's features that fire at a site; of a twin those that fire in what it is a copy of."""
    sae = study.load_dictionary(model, site)
    if sae is None:
        return None
    entry = study.model_entry(model)
    same = [m.name for m in study.file.models if m.path == entry.path and m.kind != "twin"]
    frame = study.features(same[0] if entry.kind == "twin" else model)
    here = frame[frame.site == site.index]
    return sae.W_dec[torch.tensor(here[here.density > 0].feature.to_numpy())]
