"""Measure the dictionaries of the comparison as they lie on disk: EV, L0, dead features, decoder cosines."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from explorer import metrics
from explorer.decoder_match import decoder_match
from explorer.decoder_story import DecoderMatch, DecoderStory, FamilyMatch, MatchedDictionary, SiteMatch
from explorer.match_recipe import RELU, Bench, Plan, starting_rows
from explorer.paired_rows import NormLimits, paired_rows
from explorer.sae import SAE
from explorer.sae_formats import load_sae
from explorer.sites import Site


@dataclass(frozen=True)
class _Measured:
    """A dictionary with its numbers and what the comparison needs of it."""

    entry: MatchedDictionary
    rows: Float[Tensor, "f d"]
    alive: Bool[Tensor, " f"]

    def match(self, other: _Measured, rotation: Float[Tensor, "d d"] | None = None) -> DecoderMatch:
        """This one's decoder rows with the other's, those carried into this one's coordinates by R if given."""
        carried = other.rows if rotation is None else other.rows @ rotation
        return decoder_match(self.rows, carried, self.alive, other.alive)


def decoder_story(bench: Bench) -> DecoderStory:
    """Every number of the comparison; EV, L0 and dead features on the study's test rows."""
    study, recipe = bench.study, bench.recipe
    a, b = recipe.source, recipe.target
    maps, test = study.maps(a, b), study.chunks().split("test")
    models = study.load_model(a), study.load_model(b)
    dictionaries: list[MatchedDictionary] = []
    sites = []
    for site in bench.sites:
        pairs = [batch[site] for batch in paired_rows(*models, test, [site], NormLimits())]
        rows = {a: torch.cat([p.source[p.keep] for p in pairs]), b: torch.cat([p.target[p.keep] for p in pairs])}
        rotation = maps[site.name]["rotated"].matrix
        families = []
        for family in RELU:
            found = {p: _relu(bench, p, site, rows[p.model]) for p in bench.plans if p.family == family}
            source, same, other, again = found.values()
            dictionaries += [m.entry for m in found.values()]
            families.append(
                FamilyMatch(
                    family, source.match(same), source.match(other), source.match(other, rotation), source.match(again)
                )
            )
        topk = [m for name in (a, b) if (m := _shipped(bench, name, site, rows[name])) is not None]
        dictionaries += [m.entry for m in topk]
        if len(topk) == 2:
            source, other = topk
            families.append(FamilyMatch("topk", None, source.match(other), source.match(other, rotation), None))
        sites.append(SiteMatch(site.name, site.label, tuple(families)))
    hashes = study.model_entry(a).sha256, study.model_entry(b).sha256
    return DecoderStory(a, b, *hashes, recipe.batches, tuple(dictionaries), tuple(sites))


def _relu(bench: Bench, plan: Plan, site: Site, rows: Float[Tensor, "n d"]) -> _Measured:
    folder, recipe = bench.folder(plan, site), bench.recipe.sae_recipe(plan.family)
    sae = load_sae(folder)
    kept = float((sae.W_dec * starting_rows(recipe, sae.d_in, plan.start)).sum(1).mean())
    return _measure(sae, rows, plan, site, recipe.l1, folder.relative_to(bench.study.folder).as_posix(), kept)


def _shipped(bench: Bench, name: str, site: Site, rows: Float[Tensor, "n d"]) -> _Measured | None:
    """The study's own TopK dictionary of a model, which started from weights of its own."""
    sae, entry = bench.study.load_dictionary(name, site), bench.study.dictionary_entry(name, site)
    if sae is None or entry is None or sae.k is None:
        return None
    return _measure(sae, rows, Plan("topk", name, 0), site, None, entry.path, None)


def _measure(
    sae: SAE, rows: Float[Tensor, "n d"], plan: Plan, site: Site, l1: float | None, path: str, kept: float | None
) -> _Measured:
    activations = sae.encode(rows)
    fires = activations > 0
    alive = fires.any(0)
    ev = metrics.explained_variance(rows, sae.decode(activations))
    l0, dead = float(fires.sum(1).double().mean()), 1 - float(alive.double().mean())
    start = None if plan.family == "topk" else plan.start
    entry = MatchedDictionary(plan.family, plan.model, site.name, start, sae.n_features, l1, path, ev, l0, dead, kept)
    return _Measured(entry, sae.W_dec, alive)
