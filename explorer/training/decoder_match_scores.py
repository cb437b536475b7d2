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
from explorer.study import Study
from explorer.training.decoder_match import (
    FOLDER,
    RELU,
    TOPK_AGAIN,
    Bench,
    MatchRecipe,
    Plan,
    collect,
    starting_rows,
    train_relu,
)
from explorer.training.recall_objective import MARK
from explorer.training.tales import Log, Workshop, make_dictionaries, tales_file, training_stream


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
        topk = [_shipped(bench, name, site, rows[name]) for name in (a, b)]
        second = _second(bench, a, site, rows[a])
        dictionaries += [m.entry for m in (*topk, second) if m is not None]
        own, theirs = topk
        if own is not None and theirs is not None:
            ceiling = own.match(second) if second is not None else None
            families.append(FamilyMatch("topk", None, own.match(theirs), own.match(theirs, rotation), ceiling))
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


def _second(bench: Bench, name: str, site: Site, rows: Float[Tensor, "n d"]) -> _Measured | None:
    """A model's TopK dictionary from another start, which only this comparison uses."""
    folder = bench.study.folder / TOPK_AGAIN / name / site.name
    if not folder.exists():
        return None
    path = folder.relative_to(bench.study.folder).as_posix()
    return _measure(load_sae(folder), rows, Plan("topk", name, 1), site, None, path, None)


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


def make_decoder_story(bench: Bench, log: Log) -> None:
    """Measure the trained dictionaries, and write decoder_match.json into the study. Raises InputError if the pair is
    not measured.
    """
    study, a, b = bench.study, bench.recipe.source, bench.recipe.target
    if not (study.pair_path(a, b) / "maps.safetensors").is_file():
        raise InputError(f"study '{study.file.name}' has no maps of {a} → {b}: measure that pair first")
    log("decoder_match.json: cosines, EV, L0, dead features")
    write_json(study.folder / "decoder_match.json", decoder_story(bench))


def train_dictionaries(
    bench: Bench, windows: Integer[np.ndarray, "n t"], log: Log, stop_after: int | None = None
) -> None:
    """Train the dictionaries of the comparison on windows of tokens.

    Finished ones are kept; those of other models or another recipe are removed. After `stop_after` dictionaries the
    call ends early, as if interrupted.
    """
    _remove_stale(bench, log)
    recipe, text = bench.recipe, bench.study.file.text
    missing = [(p, s) for p in bench.plans for s in bench.sites if not bench.folder(p, s).exists()]
    began, done = time.monotonic(), 0
    for name in (recipe.source, recipe.target):
        mine = [(p, s) for p, s in missing if p.model == name]
        if not mine:
            log(f"match: {name}'s dictionaries already trained")
            continue
        model = bench.study.load_model(name)
        activations = collect(model, windows[: recipe.windows], sorted({s for _, s in mine}))
        for plan, site in mine:
            if done == stop_after:
                return
            sae = train_relu(recipe.sae_recipe(plan.family), activations[site], recipe.batches, plan.start, site.name)
            save_sae(sae, bench.folder(plan, site), name, text.context, torch.float8_e4m3fn, text.bos)
            done += 1
            left = (time.monotonic() - began) / done * (len(missing) - done)
            made = f"match: {plan.family}, {name} from start {plan.start}, {site.label}"
            log(f"{made}: {done}/{len(missing)}, {left:.0f} s left")


def make_match_dictionaries(workshop: Workshop) -> None:
    """Train the ReLU dictionaries of the Tales study's comparison, and its source's second TopK dictionaries."""
    bench, recipe = _bench(workshop), workshop.recipe
    text = training_stream(workshop, recipe.sae_tokens)
    windows = text.windows(bench.recipe.windows, recipe.model.context, np.random.default_rng(13)) & (MARK - 1)
    train_dictionaries(bench, windows, workshop.log)
    make_dictionaries(workshop, bench.recipe.source, 1)


def write_decoder_match(workshop: Workshop) -> None:
    """The comparison of the Tales study, to be made after `build_study`."""
    make_decoder_story(_bench(workshop), workshop.log)


def _bench(workshop: Workshop) -> Bench:
    study = Study(workshop.out, tales_file(workshop))
    return Bench(study, MatchRecipe(), workshop.out / "work" / "match.json")


def _remove_stale(bench: Bench, log: Log) -> None:
    if bench.note.is_file() and bench.note.read_bytes() == bench.fingerprint():
        return
    if (old := bench.study.folder / FOLDER).exists():
        log("match: the ReLU dictionaries are of other models or another recipe: made anew")
        shutil.rmtree(old)
    (bench.study.folder / "decoder_match.json").unlink(missing_ok=True)
    write_bytes(bench.note, bench.fingerprint())
