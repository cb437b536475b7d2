"""How many models lie in one space: of a study's seeds, kept beside it, and of the models of several checks.

`python -m explorer.pipeline.one_space_files tales` measures it for a finished study.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from explorer.alignment import OneSpace, measure_one_space
from explorer.files import write_json
from explorer.progress import Report, silent
from explorer.study import ONE_SPACE, Study, open_study, shipped_studies

LEAST = 3
"""Models without which there is no circle."""


def measure_study_space(study: Study, log: Callable[[str], None]) -> None:
    """Write one_space.json of a study's seeds; nothing where it is there, or they are fewer than three."""
    seeds = [m.name for m in study.file.models if m.kind == "seed"]
    if len(seeds) < LEAST or (study.folder / ONE_SPACE).exists():
        return
    found = measure_one_space({n: study.load_model(n) for n in seeds}, study.chunks(), study.sites)
    write_json(study.folder / ONE_SPACE, found)
    log(f"one space of {', '.join(seeds)}")


def check_one_space(out: Path, source: str, checked: Mapping[str, Path], report: Report = silent) -> OneSpace | None:
    """Write one_space.json of a source and of the targets that it was checked with, by name the folders of their checks.

    On the text and at the sites of the first check. None where there are fewer than two targets.
    """
    if len(checked) < LEAST - 1:
        return None
    studies = {name: open_study(folder / "study") for name, folder in checked.items()}
    first = next(iter(studies.values()))
    models = {"source": first.load_model("A")} | {name: study.load_model("B") for name, study in studies.items()}
    folders = {"source": source} | {name: str(folder) for name, folder in checked.items()}
    found = replace(measure_one_space(models, first.chunks(), first.sites, report), folders=folders)
    write_json(out / ONE_SPACE, found)
    return found


if __name__ == "__main__":
    for argument in sys.argv[1:] or shipped_studies():
        measure_study_space(open_study(argument), lambda line: print(line, flush=True))
