"""What a study keeps of probes and lenses that were carried through R: one small file a pair.

`python -m explorer.pipeline.carried_files tales` fits them on every source and carries them, where that is missing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from explorer.alignment import CarriedReaders, carry_lenses, carry_probes
from explorer.errors import InputError
from explorer.files import write_json
from explorer.models import begin_token
from explorer.study import CARRIED_READERS, Study, open_study, shipped_studies
from explorer.text import LabelledTokens, TextReading, corpus_labels, read_labelled


def labelled_tokens(study: Study, given: str) -> LabelledTokens:
    """Labelled text of a study: a jsonl file, or a label of its own corpus. Raises InputError."""
    from explorer.models import load_tokenizer

    tokenizer = load_tokenizer(study.folder / study.file.models[0].path)
    if given.endswith((".jsonl", ".ndjson")) or "/" in given:
        text = study.file.text
        reading = TextReading(text.context, begin_token(tokenizer, text.begin), False, text.cut)
        return read_labelled(given, tokenizer, reading)
    return corpus_labels(study.corpus, given, study.chunks(), tokenizer)


def measure_carried(study: Study, source: str, target: str, labels: Sequence[LabelledTokens]) -> CarriedReaders:
    """Probes of these labels and affine lenses, fitted on the source at every site and carried to the target."""
    a, b = study.load_model(source), study.load_model(target)
    maps = study.maps(source, target)
    made = [carry_probes(a, b, tokens, study.sites, maps) for tokens in labels]
    probes = [probe.found for by_site in made for probe in by_site.values()]
    if a.sites[-1] not in study.sites:
        raise InputError(
            "lenses end at the last site, which this study was not measured at: check the pair with --sites all"
        )
    lenses = carry_lenses(a, b, study.chunks(), [s for s in study.sites if s != a.sites[-1]], maps)
    return CarriedReaders(tuple(probes), tuple(lens.found for lens in lenses.values()))


def measure_carried_readers(study: Study, log: Callable[[str], None]) -> None:
    """Write the file of every pair that has none, where the corpus has labels."""
    asked = study.corpus.probe_labels
    missing = [p for p in study.file.pairs if not (study.pair_path(p.source, p.target) / CARRIED_READERS).exists()]
    labels = [labelled_tokens(study, label) for label in asked] if missing else []
    for pair in missing if labels else ():
        log(f"probes and lenses of {pair.source} → {pair.target}")
        found = measure_carried(study, pair.source, pair.target, labels)
        write_json(study.pair_path(pair.source, pair.target) / CARRIED_READERS, found)


if __name__ == "__main__":
    for argument in sys.argv[1:] or shipped_studies():
        measure_carried_readers(open_study(argument), lambda line: print(line, flush=True))
