"""What a study keeps of its features' substitutions: one small file a pair.

`python -m explorer.pipeline.substitution_files tales` measures them for a finished study, where they are missing; more
words, such as `seed0-seed1`, say of which pairs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection

from explorer import ranks
from explorer.alignment import PairSubstitution
from explorer.errors import InputError
from explorer.features import matches_of, substitute
from explorer.files import encode_line, write_bytes
from explorer.models import LanguageModel
from explorer.pipeline.plan import IN_CHECK
from explorer.progress import Report, silent
from explorer.study import SUBSTITUTION, Study, open_study, shipped_studies
from explorer.text import Chunks


def write_substitution(
    study: Study,
    source: LanguageModel,
    target: LanguageModel,
    test: Chunks,
    count: int | None = None,
    report: Report = silent,
) -> PairSubstitution | None:
    """Measure a pair at every site where both models have a dictionary, and write its file; None where they have none.

    Raises InputError for an architecture that cannot be edited a token at a time.
    """
    both = [[study.load_dictionary(model.name, site) for model in (source, target)] for site in study.sites]
    found = []
    for site, (a, b) in zip(study.sites, both, strict=True):
        if a is None or b is None:
            continue
        table = study.correspondence(source.name, target.name)
        rotation, matches = study.site_maps(source.name, target.name, site)["rotated"], matches_of(table, site)
        limit = {} if count is None else {"count": count}
        found.append(substitute(source, target, test, site, (a, b), rotation, matches, report=report, **limit))
    if not found:
        return None
    made = PairSubstitution(tuple(found))
    # In one line: columns of numbers, one a line, would be twice as long.
    write_bytes(study.pair_path(source.name, target.name) / SUBSTITUTION, encode_line(made) + b"\n")
    return made


def add_substitution(
    study: Study, source: LanguageModel, target: LanguageModel, test: Chunks, report: Report = silent
) -> list[str]:
    """What a check affords, of a measured pair. Returns a note where the target's attention forbids it.

    Of several ranks the first does all: it is little, and nothing is summed.
    """
    if ranks.rank():
        return []
    with ranks.alone():
        try:
            write_substitution(study, source, target, test, IN_CHECK, report)
        except InputError as error:
            return [f"Substitution was left out: {error}."]
    return []


def measure_substitutions(study: Study, log: Callable[[str], None], pairs: Collection[str] = ()) -> None:
    """Measure every pair that has none, or some of them."""
    test = study.chunks().split("test")
    for pair in study.file.pairs:
        folder = study.pair_path(pair.source, pair.target)
        if (pairs and folder.name not in pairs) or (folder / SUBSTITUTION).exists():
            continue
        made = write_substitution(study, study.load_model(pair.source), study.load_model(pair.target), test)
        for site in made.sites if made is not None else ():
            log(f"{pair.source} → {pair.target} {site.site}: {site.matched} matches, {site.summary}")


if __name__ == "__main__":
    for argument in sys.argv[1:2] or shipped_studies():
        measure_substitutions(open_study(argument), lambda line: print(line, flush=True), sys.argv[2:])
