"""The dose–response of every ready contrast and the strongest features, measured for a whole study and kept beside it.

`python -m explorer.pipeline.dose_responses tales` measures what a finished study lacks.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from explorer.files import encode_line, write_bytes
from explorer.models import LanguageModel
from explorer.steering import Measurer
from explorer.study import RESPONSES, Study, open_study, shipped_studies

CHUNKS = 400
"""Documents that are read for norms and for features' native directions."""


def measure_responses(study: Study, log: Callable[[str], None], models: dict[str, LanguageModel] | None = None) -> None:
    """Write steering.json for every measured pair of a study that lacks it; nothing for text without ready contrasts.

    `models` are those in memory; more are loaded as they are needed.
    """
    wanted = [p for p in study.file.pairs if not (study.pair_path(p.source, p.target) / RESPONSES).exists()]
    if not study.corpus.contrasts() or not wanted:
        return
    models = {} if models is None else models

    def model(name: str) -> LanguageModel:
        if name not in models:
            models[name] = study.load_model(name)
        return models[name]

    measurer = Measurer(study.corpus, study.chunks(CHUNKS))
    dictionaries = {
        source: {s: sae for s in study.sites if (sae := study.load_dictionary(source, s)) is not None}
        for source in dict.fromkeys(p.source for p in wanted)
    }
    for source, own in dictionaries.items():
        measurer.prepare(model(source), own)
    for pair in wanted:
        began = time.monotonic()
        fitted = study.maps(pair.source, pair.target)
        found = measurer.pair(model(pair.source), model(pair.target), fitted, dictionaries[pair.source])
        write_bytes(study.pair_path(pair.source, pair.target) / RESPONSES, encode_line(found))
        seconds = time.monotonic() - began
        log(f"steering {pair.source} → {pair.target}: {len(found)} vectors and sites, {seconds:.0f} s")


if __name__ == "__main__":
    for argument in sys.argv[1:] or shipped_studies()[:1]:
        measure_responses(open_study(argument), lambda line: print(line, flush=True))
