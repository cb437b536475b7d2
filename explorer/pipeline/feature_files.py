"""What a study keeps of its features: a catalogue for each model; for each pair correspondences, readings, a layout."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from explorer.features import catalogue, correspond, readings, site_layout
from explorer.files import write_parquet
from explorer.progress import Report, silent
from explorer.study import CORRESPONDENCE, HALF, LAYOUT, READINGS

if TYPE_CHECKING:
    import pandas as pd

    from explorer.alignment import FeatureFiring, SiteMaps
    from explorer.models import LanguageModel, Site
    from explorer.sae import SAE
    from explorer.study import Study
    from explorer.text import Chunks, LabelMatrix


def write_layout(path: Path, frame: pd.DataFrame) -> None:
    """Write the layout of a pair."""
    write_parquet(path, frame.astype({column: "float16" for column in HALF}))


def write_catalogue(
    path: Path,
    model: LanguageModel,
    test: Chunks,
    dictionaries: Mapping[Site, SAE],
    labels: LabelMatrix | None = None,
    report: Report = silent,
) -> pd.DataFrame:
    """Measure a model's features on the test text and write its catalogue, features/<model>.parquet."""
    found = catalogue(model, test, dictionaries, labels, report)
    write_parquet(path, found)
    return found


def write_pair(
    folder: Path,
    models: tuple[LanguageModel, LanguageModel],
    test: Chunks,
    fitted: Mapping[str, SiteMaps],
    fires: Mapping[str, Mapping[str, FeatureFiring]],
    dictionaries: tuple[Mapping[Site, SAE], Mapping[Site, SAE]],
    known: pd.DataFrame,
    labels: LabelMatrix | None = None,
    report: Report = silent,
) -> None:
    """Measure what becomes of the source's features in the target, and write a pair's correspondences and readings.

    `known` is the source's catalogue. The layout is `write_layouts`' work; without it a page makes it once.
    """
    (source, target), (own, theirs) = models, dictionaries
    write_parquet(folder / CORRESPONDENCE, correspond(source, target, test, fitted, fires, own, theirs, report))
    write_parquet(folder / READINGS, readings(source, target, test, fitted, own, known, labels, report))


def lay_out(
    site: Site, fitted: Mapping[str, SiteMaps], own: Mapping[Site, SAE], theirs: Mapping[Site, SAE], known: pd.DataFrame
) -> pd.DataFrame:
    """The directions of both dictionaries at one site in two dimensions; `known` is the source's catalogue."""
    promoted = known[known["site"] == site.index].sort_values("feature")["promoted"].map(list).tolist()
    return site_layout(site, own[site], theirs.get(site), fitted[site.name]["rotated"].matrix, promoted)


def write_layouts(study: Study, log: Callable[[str], None] = lambda _line: None) -> None:
    """Lay out the directions of every pair of a study (UMAP: about half a minute a site), those that have none yet."""
    import pandas as pd

    for pair in study.file.pairs:
        folder = study.pair_path(pair.source, pair.target)
        if (folder / LAYOUT).exists() or not (folder / CORRESPONDENCE).exists():
            continue
        log(f"layout of {pair.source} → {pair.target}")
        own, theirs = (
            {s: sae for s in study.sites if (sae := study.load_dictionary(name, s)) is not None}
            for name in (pair.source, pair.target)
        )
        fitted, known = study.maps(pair.source, pair.target), study.features(pair.source)
        frames = [lay_out(site, fitted, own, theirs, known) for site in own]
        write_layout(folder / LAYOUT, pd.concat(frames, ignore_index=True))
