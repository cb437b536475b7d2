"""What a study keeps of the loss between the weights of its pairs: one small file a pair.

`python -m explorer.pipeline.weight_space_files tales` measures it for a finished study, where it is missing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from explorer.alignment import has_weight_space, measure_weight_space
from explorer.files import write_json
from explorer.models import LanguageModel
from explorer.progress import Report, silent
from explorer.study import WEIGHT_SPACE, Study, open_study, shipped_studies
from explorer.text import Chunks


def add_weight_space(
    study: Study,
    source: LanguageModel,
    target: LanguageModel,
    chunks: Chunks,
    report: Report = silent,
    most: int | None = None,
) -> bool:
    """Write the file of a measured pair; nothing, and False, where its weights cannot be mixed and turned.

    With `most` only for models of at most so many parameters.
    """
    size = sum(weight.numel() for weight in source.weights.values())
    if (most is not None and size > most) or not has_weight_space(source, target):
        return False
    maps = study.maps(source.name, target.name)
    true, wrong = ([maps[s.name][arm].matrix for s in study.sites] for arm in ("rotated", "shuffled"))
    found = measure_weight_space(source, target, chunks, true, wrong, report)
    write_json(study.pair_path(source.name, target.name) / WEIGHT_SPACE, found)
    return True


def measure_weight_spaces(study: Study, log: Callable[[str], None]) -> None:
    """Measure every pair that has none, and whose family can be turned."""
    chunks = study.chunks()
    for pair in study.file.pairs:
        if (study.pair_path(pair.source, pair.target) / WEIGHT_SPACE).exists():
            continue
        if add_weight_space(study, study.load_model(pair.source), study.load_model(pair.target), chunks):
            log(f"weights of {pair.source} → {pair.target}")


if __name__ == "__main__":
    for argument in sys.argv[1:] or shipped_studies():
        measure_weight_spaces(open_study(argument), lambda line: print(line, flush=True))
