"""Measure the dictionaries of the comparison as they lie on disk: EV, L0, dead features, decoder cosines."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Integer
from torch import Tensor

from explorer import metrics
from explorer.alignment import DecoderMatch, DecoderStory, FamilyMatch, MatchedDictionary, SiteMatch, paired_rows
from explorer.errors import InputError
from explorer.features import decoder_match
from explorer.files import write_bytes, write_json
from explorer.models import NormLimits, Site
from explorer.sae import SAE
from explorer.sae.formats import load_sae, save_sae
from explorer.study import open_study
from explorer.training.decoder_match import FOLDER, RELU, Bench, MatchRecipe, Plan, collect, starting_rows, train_relu
from explorer.training.tales import Log, Workshop, make_corpus


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


def make_decoder_story(bench: Bench, rows: Integer[np.ndarray, "n t"], log: Log, stop_after: int | None = None) -> None:
    """Train the dictionaries of the comparison on rows of tokens, and write decoder_match.json into the study.

    Finished dictionaries are kept; those of other models or another recipe are removed. After `stop_after` dictionaries
    the call ends early, as if interrupted. Raises InputError if the pair is not measured.
    """

    study, a, b = bench.study, bench.recipe.source, bench.recipe.target
    if not (study.pair_path(a, b) / "maps.safetensors").is_file():
        raise InputError(f"study '{study.file.name}' has no maps of {a} → {b}: measure that pair first")
    _remove_stale(bench, log)
    if _train(bench, rows, log, stop_after):
        log("decoder_match.json: cosines, EV, L0, dead features")
        write_json(study.folder / "decoder_match.json", decoder_story(bench))


def make_match_dictionaries(workshop: Workshop) -> None:
    """The comparison of the Tales study, to be made after `build_study`."""
    note = workshop.out / "work" / "match.json"
    bench = Bench(open_study(workshop.out), MatchRecipe(), note)
    make_decoder_story(bench, make_corpus(workshop), workshop.log)


def _remove_stale(bench: Bench, log: Log) -> None:
    if bench.note.is_file() and bench.note.read_bytes() == bench.fingerprint():
        return
    if (old := bench.study.folder / FOLDER).exists():
        log("match: the ReLU dictionaries are of other models or another recipe: made anew")
        shutil.rmtree(old)
    (bench.study.folder / "decoder_match.json").unlink(missing_ok=True)
    write_bytes(bench.note, bench.fingerprint())


def _train(bench: Bench, rows: Integer[np.ndarray, "n t"], log: Log, stop_after: int | None) -> bool:
    """Every dictionary that is not there yet; False if it was stopped before the end."""
    recipe, text = bench.recipe, bench.study.file.text
    missing = [(p, s) for p in bench.plans for s in bench.sites if not bench.folder(p, s).exists()]
    began, done = time.monotonic(), 0
    for name in (recipe.source, recipe.target):
        mine = [(p, s) for p, s in missing if p.model == name]
        if not mine:
            log(f"match: {name}'s dictionaries already trained")
            continue
        model = bench.study.load_model(name)
        activations = collect(model, rows[: recipe.text_rows], sorted({s for _, s in mine}))
        for plan, site in mine:
            if done == stop_after:
                return False
            sae = train_relu(recipe.sae_recipe(plan.family), activations[site], recipe.batches, plan.start, site.name)
            save_sae(sae, bench.folder(plan, site), name, text.context, bos=text.bos)
            done += 1
            left = (time.monotonic() - began) / done * (len(missing) - done)
            made = f"match: {plan.family}, {name} from start {plan.start}, {site.label}"
            log(f"{made}: {done}/{len(missing)}, {left:.0f} s left")
    return True
