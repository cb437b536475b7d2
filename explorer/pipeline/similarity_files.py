"""What a study keeps of the field's similarity indices: one small file a pair.

`python -m explorer.pipeline.similarity_files tales` measures them for a finished study, where they are missing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace

from explorer.alignment import PairSimilarity, measure_similarity, measure_unpaired
from explorer.features import decoder_mccs
from explorer.files import write_json
from explorer.models import LanguageModel
from explorer.progress import Report, silent
from explorer.study import SIMILARITY, Study, open_study, shipped_studies
from explorer.text import Chunks


def write_similarity(study: Study, source: str, target: str, found: PairSimilarity) -> None:
    """Add the dictionaries' PW-MCC, and write the pair's file."""
    decoders = decoder_mccs(study, source, target)
    sites = tuple(replace(site, decoders=decoders.get(site.site)) for site in found.sites)
    write_json(study.pair_path(source, target) / SIMILARITY, replace(found, sites=sites))


def add_unpaired(
    study: Study, source: LanguageModel, target: LanguageModel, chunks: Chunks, report: Report = silent
) -> None:
    """Find R without pairs for a measured pair, and add it to the pair's file."""
    found = study.similarity(source.name, target.name)
    if found is None:
        raise ValueError("the pair has no similarity indices yet")
    fitted = study.maps(source.name, target.name)
    fits = measure_unpaired(source, target, chunks, study.sites, fitted, report)
    sites = tuple(replace(site, unpaired=fits[site.site]) for site in found.sites)
    write_json(study.pair_path(source.name, target.name) / SIMILARITY, replace(found, sites=sites))


def measure_similarities(study: Study, log: Callable[[str], None]) -> None:
    """Measure the indices of every pair that has none."""
    chunks = study.chunks()
    for pair in study.file.pairs:
        if (study.pair_path(pair.source, pair.target) / SIMILARITY).exists():
            continue
        log(f"similarity of {pair.source} → {pair.target}")
        models = study.load_model(pair.source), study.load_model(pair.target)
        write_similarity(study, pair.source, pair.target, measure_similarity(*models, chunks, study.sites))


if __name__ == "__main__":
    for argument in sys.argv[1:] or shipped_studies():
        measure_similarities(open_study(argument), lambda line: print(line, flush=True))
