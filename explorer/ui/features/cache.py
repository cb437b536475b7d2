"""Caches of the Features page, keyed by study, pair, site, map and feature; tables are read only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from explorer.study import READINGS, read_optional
from explorer.ui import cache

if TYPE_CHECKING:
    import pandas as pd

    from explorer.features import Context, TextFiring


@cache.of_study(16)
def features(where: str, model: str) -> pd.DataFrame | None:
    """The catalogue of a model's dictionary; a twin's is its original's; None without one."""
    study = cache.study(where)
    entry = study.model_entry(model)
    names = [m.name for m in study.file.models if m.path == entry.path and m.kind != "twin"]
    for name in (model, *names) if entry.kind == "twin" else (model,):
        if (study.folder / "features" / f"{name}.parquet").is_file():
            return study.features(name)
    return None


@cache.of_study(32)
def atlas(where: str, source: str, target: str, site_index: int) -> pd.DataFrame:
    """Each feature of the source at a site, with its fate in the target; empty without a dictionary."""
    import pandas as pd

    from explorer.features import feature_table as atlas

    study = cache.study(where)
    site, known = study.site_at(site_index), features(where, source)
    if known is None or not (known["site"] == site_index).any():
        return pd.DataFrame()
    path = study.pair_path(source, target) / READINGS
    f1 = [f"f1_{arm}" for arm in cache.arms(where, source, target)]
    readings = read_optional(path, site, ["site", "feature", *f1])
    return atlas.atlas(known, cache.correspondence(where, source, target), site, readings)


@cache.of_study(8)
def readings(where: str, source: str, target: str, site_index: int) -> pd.DataFrame | None:
    """Distributions and strongest chunks of every feature under every map; None where the study lacks them."""
    study = cache.study(where)
    path = study.pair_path(source, target) / READINGS
    found = read_optional(path, study.site_at(site_index))
    return None if found is None else found.set_index("feature")


@cache.of_study(2)
def pieces(where: str) -> list[list[str]]:
    """The tokens of every test chunk as text."""
    chunks, tokenizer = cache.test_chunks(where), cache.model(where, cache.study(where).file.models[0].name).tokenizer
    return [chunks.pieces(row, tokenizer) for row in range(len(chunks))]


@cache.of_study(8)
def context_words(where: str, source: str, target: str, site_index: int) -> pd.Series:
    """The text around each feature's peaks, for the search."""
    from explorer.features import context_words

    return context_words(atlas(where, source, target, site_index), pieces(where))


@cache.of_study(16)
def special_tokens(where: str) -> frozenset[str]:
    """Tokens of the study's models that stand for no text."""
    from explorer.models import special_tokens

    return special_tokens(cache.model(where, cache.study(where).file.models[0].name).tokenizer)


@cache.of_study(256)
def contexts(
    where: str, source: str, target: str, site_index: int, arm: str, feature: int, numbers: tuple[int, ...]
) -> list[Context]:
    """Some chunks with a feature's activations in both models, under one map."""
    import torch

    from explorer.features import top_contexts

    if not numbers:
        return []
    site, sae = cache.study(where).site_at(site_index), cache.dictionary(where, source, site_index)
    assert sae is not None
    mapped = cache.maps(where, source, target)[site.name][arm]
    chunks = cache.test_chunks(where)[torch.tensor(numbers)]
    models = cache.model(where, source), cache.model(where, target)
    return top_contexts(*models, mapped, sae, site, feature, chunks)


@cache.of_study(1024, copied=True)
def tokens_in_target(
    where: str, source: str, target: str, site_index: int, arm: str, feature: int
) -> tuple[list[str], list[str]]:
    """The tokens that a feature's direction, carried to the target by a map, promotes and suppresses there."""
    import torch

    from explorer.models import promoted_tokens

    site, sae = cache.study(where).site_at(site_index), cache.dictionary(where, source, site_index)
    assert sae is not None
    direction = cache.maps(where, source, target)[site.name][arm].direction(sae.W_dec[feature : feature + 1])
    up, down = promoted_tokens(cache.model(where, target), torch.cat([direction, -direction]))
    return up, down


@cache.of_study(16)
def text_firing(where: str, source: str, target: str, site_index: int, arm: str, text: str) -> TextFiring:
    """What fires on a person's own text."""
    from explorer.features import read_text

    study = cache.study(where)
    site, sae = study.site_at(site_index), cache.dictionary(where, source, site_index)
    assert sae is not None
    mapped = cache.maps(where, source, target)[site.name][arm]
    models = cache.model(where, source), cache.model(where, target)
    return read_text(*models, mapped, sae, site, text, study.file.text.context)
