"""The dictionaries of a check: trained, loaded, or none; each written into the study as a SAELens folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from explorer.cache import Cache
from explorer.errors import InputError
from explorer.files import user_path
from explorer.models import Site, first_middle_last, residual_index
from explorer.pipeline.check_options import CheckOptions
from explorer.progress import Report, silent

if TYPE_CHECKING:
    from explorer.models import LanguageModel
    from explorer.sae import SAE
    from explorer.study import DictionaryEntry, Study
    from explorer.text import Chunks


def with_fetched(options: CheckOptions, report: Report) -> CheckOptions:
    """The same options, with dictionaries of the hub fetched and named by their folders."""
    from explorer.sae.formats import dictionary_path

    def fetched(wish: str) -> str:
        if wish in ("train", "none") or user_path(wish).exists():
            return wish
        report("looking for the dictionaries", 0.0)
        return str(dictionary_path(wish))

    return replace(options, sae=fetched(options.sae), sae_target=fetched(options.sae_target))


def check_dictionaries(models: Sequence[LanguageModel], sites: list[Site], options: CheckOptions) -> None:
    """Raise InputError for a dictionary that cannot be read or does not fit, before a text is read for it."""
    for model, wish in zip(models, (options.sae, options.sae_target), strict=True):
        if wish not in ("train", "none"):
            _loaded(wish, model, sites, silent, lambda _note: None)


def dictionary_entries(
    study: Study,
    model: LanguageModel,
    sha: str,
    chunks: Chunks,
    options: CheckOptions,
    cache: Cache,
    report: Report,
    note: Callable[[str], None],
) -> list[DictionaryEntry]:
    """The study's entries for the dictionaries of one model, whose hash is `sha`; `cache` keeps what is trained.

    `note` hears which dictionaries of a folder were left out, and why.
    """
    import torch

    from explorer.sae.formats import save_sae
    from explorer.study import DictionaryEntry

    wish = options.sae if model.name == "A" else options.sae_target
    found: dict[Site, SAE] = {}
    if wish == "train":
        sites = first_middle_last(study.sites)
        found = {site: _trained(model, sha, site, chunks, options, cache, report) for site in sites}
    elif wish != "none":
        found = _loaded(wish, model, study.sites, report, note)
    entries = []
    for site, sae in found.items():
        path = f"dictionaries/{model.name}/{site.name}"
        if not (study.folder / path).exists():
            title, text = study.model_entry(model.name).title, study.file.text
            save_sae(sae, study.folder / path, title, text.context, torch.float32, text.bos)
        entries.append(DictionaryEntry(model.name, site.name, path, 0, 0, 0))
    return entries


def _trained(
    model: LanguageModel,
    sha: str,
    site: Site,
    chunks: Chunks,
    options: CheckOptions,
    cache: Cache,
    report: Report,
) -> SAE:
    from explorer.alignment import chunks_digest, precision_key
    from explorer.sae import ROWS, SAE, check_recipe, fit_dictionary

    recipe = check_recipe(model.d_model)
    key = {
        "source": sha,
        "text": chunks_digest(chunks),
        "site": site.name,
        "recipe": asdict(recipe),
        "rows": ROWS,
        "seed": options.seed,
        "massive": options.massive,
        **precision_key(model),
    }

    def told(step: str, share: float) -> None:
        report(step if model.name == "A" else f"{step} of B", share)

    def make() -> dict[str, Any]:
        sae = fit_dictionary(model, site, chunks, recipe, options.seed, told, options.massive)
        return {name: getattr(sae, name) for name in ("W_enc", "b_enc", "W_dec", "b_dec")}

    return SAE("topk", recipe.k, **cache.tensors("dictionaries", key, make), site=site.name)


def _loaded(
    path: str, model: LanguageModel, sites: list[Site], report: Report, note: Callable[[str], None]
) -> dict[Site, SAE]:
    """The dictionaries of the sites that are measured; what is left out is told."""
    from explorer.sae.formats import at_site, load_saes

    held = load_saes(path)
    for skipped in held.skipped:
        report(f"skipped the dictionary {skipped}", 0.0)
        note(f"skipped the dictionary {skipped}")
    found: dict[Site, SAE] = {}
    for sae in held.saes:
        if not sae.site and len(sites) != 1:
            raise InputError(f"'{path}' does not say at which site it was trained: choose one with --sites")
        at = [s for s in sites if not sae.site or s.index == residual_index(sae.site)]
        if at or len(held.saes) == 1:
            wanted = at[0] if at else sites[0]
            found[wanted] = at_site(sae, wanted, model.d_model, path)
    if not found:
        raise InputError(
            f"'{path}' holds dictionaries of {', '.join(sae.site for sae in held.saes)}, and of none of the sites "
            f"{', '.join(site.name for site in sites)}: choose others with --sites"
        )
    return found
