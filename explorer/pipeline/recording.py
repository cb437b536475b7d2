"""What the talk shows of a pair, computed once: answers, coordinates against each other, a steered generation.

`python -m explorer.pipeline.recording STUDY` records every pair of a study anew; the files lie beside the pair's results.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from explorer.errors import InputError
from explorer.files import write_bytes, write_json
from explorer.models import token_text
from explorer.pipeline.recorded_run import steer, worth_showing
from explorer.pipeline.stage_recording import record_stage
from explorer.progress import Report, silent
from explorer.study import (
    CORRELATION,
    RECORDING,
    Recording,
    Study,
    open_study,
    read_material,
    read_recording,
    shipped_studies,
)

if TYPE_CHECKING:
    from explorer.models import LanguageModel
    from explorer.text import Chunks

CHUNKS, ANSWER_CHUNKS, TOKENS = 48, 4, 400
"""Test chunks whose rows are correlated, those that are answered, and the tokens that are kept of these."""
COORDINATES = 128
"""Coordinates that are correlated, the first ones: a picture of more cannot be read."""


def record_study(
    study: Study,
    loaded: Mapping[str, LanguageModel] | None = None,
    anew: bool = False,
    report: Report = silent,
    steered: bool = True,
) -> list[str]:
    """Record what every measured pair lacks, or everything; the names of the pairs that were recorded.

    `loaded` are models that are in memory already. Without `steered` only what takes seconds: both models' answers.
    `report` may raise: what is recorded by then stays.
    """
    models = dict(loaded or {})
    chunks = None
    done = []
    for pair in study.file.pairs:
        answers = anew or read_recording(study, pair.source, pair.target) is None
        stage = anew or read_material(study, pair.source, pair.target) is None
        runs = steered and (anew or lacks_run(study, pair.source, pair.target))
        if not (answers or stage or runs):
            continue
        for name in (pair.source, pair.target):
            models[name] = models.get(name) or study.load_model(name)
        source, target = models[pair.source], models[pair.target]
        if answers or stage:
            report("answers of both models", 0.0)
            chunks = chunks if chunks is not None else study.chunks()
        if answers and chunks is not None:
            record_answers(study, source, target, chunks)
        if stage and chunks is not None:
            record_stage(study, source, target, chunks)
        if runs:
            record_run(study, source, target, report)
        done.append(f"{pair.source} → {pair.target}")
    return done


def lacks_run(study: Study, source: str, target: str) -> bool:
    """Whether a pair could have a steered generation and has none."""
    found = read_recording(study, source, target)
    return (found is None or found.run is None) and bool(worth_showing(study, source, target))


def record_run(study: Study, source: LanguageModel, target: LanguageModel, report: Report = silent) -> None:
    """Steer the target, and add the run that shows most to the pair's recording. Raises InputError if that is gone."""
    run = steer(study, source, target, report)
    found = read_recording(study, source.name, target.name)
    if found is None:
        raise InputError("the study was renamed or deleted while its example texts were recorded: record them again")
    write_json(study.pair_path(source.name, target.name) / RECORDING, replace(found, run=run))


def record_answers(study: Study, source: LanguageModel, target: LanguageModel, chunks: Chunks) -> None:
    """Read both models on the first test chunks, and write what was found into the pair's folder."""
    from safetensors.numpy import save

    folder = study.pair_path(source.name, target.name)
    first = chunks.split("test")[slice(0, CHUNKS)]
    write_bytes(folder / CORRELATION, save(_correlations(study, source, target, first)))
    begin = _beginning(first, source)
    answered = first[slice(begin, begin + ANSWER_CHUNKS)]
    texts = [token_text(source.tokenizer, [i]) for i in answered.ids[:, 1:][answered.predicted][:TOKENS].tolist()]
    a, b = (_log_p(model, answered) for model in (source, target))
    write_json(folder / RECORDING, Recording(texts, a, b, None))


def _beginning(chunks: Chunks, model: LanguageModel) -> int:
    """The first window that begins a document and whose second token begins a word, else 0: where nothing stands
    before the document, its first token is not shown, as nothing is known of it.
    """
    for i in range(len(chunks) - ANSWER_CHUNKS):
        word = chunks.offset[i] < 0 or token_text(model.tokenizer, chunks.ids[i, 1:2].tolist())[:1].isspace()
        if chunks.offset[i] <= 0 and word:
            return i
    return 0


def _log_p(model: LanguageModel, chunks: Chunks) -> list[float]:
    log_p = model.logits(chunks.ids)[:, :-1].log_softmax(-1).cpu().gather(2, chunks.ids[:, 1:, None])[..., 0]
    return [round(x, 3) for x in log_p[chunks.predicted][:TOKENS].tolist()]


def _correlations(
    study: Study, source: LanguageModel, target: LanguageModel, chunks: Chunks
) -> dict[str, NDArray[np.int8]]:
    from explorer.models import residuals

    read = [residuals(model, chunks.ids, study.sites) for model in (source, target)]
    return {
        s.name: _correlation(*(x[s][chunks.scored][:, :COORDINATES].double().cpu().numpy() for x in read))
        for s in study.sites
    }


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.int8]:
    a, b = (x - x.mean(0) for x in (a, b))
    a, b = (x / np.maximum(np.linalg.norm(x, axis=0), 1e-12) for x in (a, b))
    return np.ascontiguousarray(np.round(100 * (a.T @ b)).astype(np.int8))


if __name__ == "__main__":
    for name in sys.argv[1:] or shipped_studies()[:1]:
        print("\n".join(record_study(open_study(name), anew=True)))
