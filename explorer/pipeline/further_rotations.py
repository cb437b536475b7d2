"""R between all seeds of a study whose cohorts say how they were trained, tested together and kept beside the study.

`python -m explorer.pipeline.further_rotations tales` measures it for a finished study.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from explorer.alignment import TURNS, fit_rotations, uniformity
from explorer.files import write_json
from explorer.progress import silent
from explorer.study import (
    EQUIVARIANT,
    ROTATIONS,
    FurtherRotations,
    PairDraw,
    Study,
    Uniformity,
    lawful_pairs,
    open_study,
    shipped_studies,
)


def measure_further_rotations(study: Study, log: Callable[[str], None]) -> None:
    """Write rotations.json; nothing where it is there, or no pair is a draw whose law is known."""
    measured, further = lawful_pairs(study)
    pairs = [*measured, *further]
    if not pairs or (study.folder / ROTATIONS).exists():
        return
    models = {name: study.load_model(name) for name in dict.fromkeys(name for pair in pairs for name in pair)}
    rotations, tests = fit_rotations(models, pairs, study.chunks(), study.sites, silent)
    labels = tuple(s.label for s in study.sites)
    kept = tuple(PairDraw(*pair, said, labels, tuple(tests[pair])) for pair, said in further.items())
    by_theorem = [pair for pair, said in (measured | further).items() if said == "theorem"]
    free = {m.name for m in study.file.models if m.cohort == EQUIVARIANT}
    together = None
    if by_theorem:
        p = uniformity({pair: rotations[pair] for pair in by_theorem}, free & {n for pair in by_theorem for n in pair})
        together = Uniformity(p, TURNS)
    write_json(study.folder / ROTATIONS, FurtherRotations(kept, together))
    log(f"rotations: {len(kept)} further pairs, p of uniformity {'-' if together is None else together.p}")


if __name__ == "__main__":
    for argument in sys.argv[1:] or shipped_studies()[:1]:
        measure_further_rotations(open_study(argument), lambda line: print(line, flush=True))
