"""What a study keeps of its dictionaries' warm starts: one small file a pair.

`python -m explorer.pipeline.warm_start_files tales` measures them for a finished study, where they are missing; more
words, such as `seed0-seed1`, say of which pairs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import TYPE_CHECKING

from explorer.alignment import PairWarmStart, WarmStart, measure_warm_start
from explorer.files import write_json
from explorer.progress import Report, silent
from explorer.study import WARM_START, Study, open_study, shipped_studies

if TYPE_CHECKING:
    from explorer.models import LanguageModel, Site
    from explorer.sae import SAE
    from explorer.text import Chunks

ROWS = 131_072
"""Rows of the longest training of a shipped curve."""


def train_on(
    study: Study,
    source: str,
    target: LanguageModel,
    site: Site,
    sae: SAE,
    rows: int,
    chunks: Chunks | None = None,
    seed: int = 0,
    report: Report = silent,
) -> WarmStart:
    """A dictionary of the source, rotated for the target and trained on with the target's rows of the study's text."""
    found = study.site_maps(source, target.name, site)["rotated"]
    begin = replace(sae.rotated_for_target(found.matrix, found.mean_source, found.mean_target), site=site.name)
    own = study.load_dictionary(target.name, site)
    text = study.chunks() if chunks is None else chunks
    made = measure_warm_start(target, text, site, begin, own, rows, seed, report)
    return WarmStart(replace(made.told, dictionary=sae.name), made.trained)


def measure_warm_starts(study: Study, log: Callable[[str], None], pairs: Collection[str] = ()) -> None:
    """Measure every pair of seeds that has none, or some pairs."""
    chunks = study.chunks()
    for pair in study.file.pairs:
        folder = study.pair_path(pair.source, pair.target)
        if (pairs and folder.name not in pairs) or (folder / WARM_START).exists():
            continue
        target, found = study.load_model(pair.target), []
        for site in study.sites:
            sae, own = study.load_dictionary(pair.source, site), study.load_dictionary(pair.target, site)
            if sae is None or sae.k is None or own is None:
                continue
            found.append(train_on(study, pair.source, target, site, sae, ROWS, chunks).told)
            log(f"{pair.source} → {pair.target}: {found[-1]}")
        if found:
            write_json(folder / WARM_START, PairWarmStart(tuple(found)))


if __name__ == "__main__":
    for argument in sys.argv[1:2] or shipped_studies():
        measure_warm_starts(open_study(argument), lambda line: print(line, flush=True), sys.argv[2:])
