"""How every ready contrast and the strongest features steer, measured for a whole study and kept beside it.

`python -m explorer.pipeline.dose_responses tales` measures what a finished study lacks.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from explorer.files import encode_line, write_bytes, write_json
from explorer.models import LanguageModel
from explorer.pipeline.known_text import knows_text
from explorer.steering import Measurer, ReadingMeasurer
from explorer.study import READING_SHARES, RESPONSES, Study, open_study, shipped_studies

CHUNKS = 400
"""Documents that are read for norms and for features' native directions."""


def measure_responses(study: Study, log: Callable[[str], None], models: dict[str, LanguageModel] | None = None) -> None:
    """Write steering.json and reading.json for every measured pair of a study that lacks them.

    Nothing for text without ready contrasts. `models` are those in memory; more are loaded as they are needed.
    """
    if not study.corpus.contrasts():
        return
    work = _Work(study, log, {} if models is None else models)
    work.responses()
    work.readings()


class _Work:
    """What the pairs of a study share while they are measured."""

    def __init__(self, study: Study, log: Callable[[str], None], models: dict[str, LanguageModel]) -> None:
        self.study, self.log, self.models = study, log, models
        self.measurer = Measurer(study.corpus, study.chunks(CHUNKS))

    def model(self, name: str) -> LanguageModel:
        """A model, kept in memory."""
        if name not in self.models:
            self.models[name] = self.study.load_model(name)
        return self.models[name]

    def lacking(self, file: str) -> list[tuple[str, str]]:
        """The pairs that lack a file."""
        pairs = [(p.source, p.target) for p in self.study.file.pairs]
        return [pair for pair in pairs if not (self.study.pair_path(*pair) / file).exists()]

    def responses(self) -> None:
        """steering.json: the dose–response of every contrast and strong feature at every site."""
        study, wanted = self.study, self.lacking(RESPONSES)
        dictionaries = {
            source: {s: sae for s in study.sites if (sae := study.load_dictionary(source, s)) is not None}
            for source in dict.fromkeys(source for source, _ in wanted)
        }
        for source, own in dictionaries.items():
            self.measurer.prepare(self.model(source), own)
        for source, target in wanted:
            began = time.monotonic()
            fitted = study.maps(source, target)
            found = self.measurer.pair(self.model(source), self.model(target), fitted, dictionaries[source])
            write_bytes(study.pair_path(source, target) / RESPONSES, encode_line(found))
            self._tell("steering", source, target, f"{len(found)} vectors and sites", began)

    def readings(self) -> None:
        """reading.json: what one reads of every contrast; an empty list where a model does not know the text."""
        if not (wanted := self.lacking(READING_SHARES)):
            return
        reading = ReadingMeasurer(self.measurer)
        for source, target in wanted if reading.readers else []:
            path = self.study.pair_path(source, target) / READING_SHARES
            if not knows_text(self.study.pair(source, target)):
                write_json(path, [])
                self.log(f"reading {source} → {target}: skipped, one of the models does not know the text")
                continue
            began = time.monotonic()
            found = reading.pair(self.model(source), self.model(target), self.study.maps(source, target))
            write_json(path, found)
            offered = sum(r.suggested is not None for r in found)
            self._tell("reading", source, target, f"{offered} of {len(found)} contrasts turn what is written", began)

    def _tell(self, what: str, source: str, target: str, found: str, began: float) -> None:
        self.log(f"{what} {source} → {target}: {found}, {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    for argument in sys.argv[1:] or shipped_studies()[:1]:
        measure_responses(open_study(argument), lambda line: print(line, flush=True))
