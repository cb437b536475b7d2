"""What the talk shows of a pair, computed once: answers, coordinates against each other, a steered generation.

`python -m explorer.pipeline.recording STUDY` records every pair of a study anew; the files lie beside the pair's results.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from explorer.errors import InputError
from explorer.files import write_bytes, write_json
from explorer.progress import Report, silent
from explorer.steering import RECORDED
from explorer.study import (
    CORRELATION,
    RECORDING,
    RecordedRun,
    Recording,
    Study,
    WrittenToken,
    open_study,
    read_recording,
    shipped_studies,
)

if TYPE_CHECKING:
    from explorer.alignment import SiteMaps
    from explorer.models import LanguageModel, Site
    from explorer.steering import DoseResponse, Lane, Sampling
    from explorer.text import Chunks

CHUNKS, ANSWER_CHUNKS, TOKENS = 48, 4, 400
"""Test chunks whose rows are correlated, those that are answered, and the tokens that are kept of these."""
COORDINATES = 128
"""Coordinates that are correlated, the first ones: a picture of more cannot be read."""
NEW_TOKENS = 60
DOSES, SEEDS, TEMPERATURE = (0.2, 0.3, 0.4), range(12), 0.7
"""What is tried for the recorded generation; a seed decides every draw, so that writing it live gives the same text."""
READABLE = 0.8
"""Nats a token: a lane that surprises its own model without the vector by more than this reads as broken."""
LETTERS = 3
"""Shorter tokens are not marked as typical: commas and syllables say nothing to a reader."""


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
        runs = steered and (anew or lacks_run(study, pair.source, pair.target))
        if not (answers or runs):
            continue
        for name in (pair.source, pair.target):
            models[name] = models.get(name) or study.load_model(name)
        source, target = models[pair.source], models[pair.target]
        if answers:
            report("answers of both models", 0.0)
            chunks = chunks if chunks is not None else study.chunks()
            record_answers(study, source, target, chunks)
        if runs:
            record_run(study, source, target, report)
        done.append(f"{pair.source} → {pair.target}")
    return done


def lacks_run(study: Study, source: str, target: str) -> bool:
    """Whether a pair could have a steered generation and has none."""
    found = read_recording(study, source, target)
    return (found is None or found.run is None) and bool(_worth_showing(study, source, target))


def record_run(study: Study, source: LanguageModel, target: LanguageModel, report: Report = silent) -> None:
    """Steer the target, and add the run that shows most to the pair's recording. Raises InputError if that is gone."""
    run = _steer(study, source, target, report)
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
    texts = [source.tokenizer.decode([i]) for i in answered.ids[:, 1:][answered.predicted][:TOKENS].tolist()]
    a, b = (_log_p(model, answered) for model in (source, target))
    write_json(folder / RECORDING, Recording(texts, a, b, None))


def _beginning(chunks: Chunks, model: LanguageModel) -> int:
    """The first window that begins a document and whose second token begins a word, else 0: where nothing stands
    before the document, its first token is not shown, as nothing is known of it.
    """
    for i in range(len(chunks) - ANSWER_CHUNKS):
        word = chunks.offset[i] < 0 or model.tokenizer.decode(chunks.ids[i, 1:2].tolist())[:1].isspace()
        if chunks.offset[i] <= 0 and word:
            return i
    return 0


def _log_p(model: LanguageModel, chunks: Chunks) -> list[float]:
    log_p = model.logits(chunks.ids)[:, :-1].log_softmax(-1).gather(2, chunks.ids[:, 1:, None])[..., 0]
    return [round(x, 3) for x in log_p[chunks.predicted][:TOKENS].tolist()]


def _correlations(
    study: Study, source: LanguageModel, target: LanguageModel, chunks: Chunks
) -> dict[str, NDArray[np.int8]]:
    from explorer.models import residuals

    read = [residuals(model, chunks.ids, study.sites) for model in (source, target)]
    return {
        s.name: _correlation(*(x[s][chunks.scored][:, :COORDINATES].double().numpy() for x in read))
        for s in study.sites
    }


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.int8]:
    a, b = (x - x.mean(0) for x in (a, b))
    a, b = (x / np.maximum(np.linalg.norm(x, axis=0), 1e-12) for x in (a, b))
    return np.ascontiguousarray(np.round(100 * (a.T @ b)).astype(np.int8))


def _worth_showing(study: Study, source: str, target: str) -> list[DoseResponse]:
    """The contrasts that transfer at the middle site; all that were measured there, if none does."""
    from explorer.steering import TransferVerdict

    site = _middle(study)
    ready = [f"contrast:{c.name}" for c in study.corpus.contrasts()]
    found = [r for r in study.responses(source, target) if r.site == site.name and r.vector in ready]
    return [r for r in found if r.verdict == TransferVerdict.TRANSFERS] or found


def _middle(study: Study) -> Site:
    return study.sites[len(study.sites) // 2]


def _steer(study: Study, source: LanguageModel, target: LanguageModel, report: Report) -> RecordedRun | None:
    """Of the runs of every contrast worth showing the one that shows it most plainly and still reads well; None where
    no dose–response was measured.
    """
    from explorer.steering import lanes as live, vectors as steering

    site, shown = _middle(study), _worth_showing(study, source.name, target.name)
    if not shown:
        return None
    chunks = study.chunks(live.NORM_DOCUMENTS)
    a, b = (steering.median_norm(model, site, chunks) for model in (source, target))
    fitted = study.maps(source.name, target.name)[site.name]
    total = len(shown) * len(DOSES) * len(SEEDS)
    tried: list[RecordingTrial] = []
    for run in itertools.chain(*(_runs(study, source, target, site, fitted, (a, b), r) for r in shown)):
        tried.append(run)
        report(f"example text {len(tried)} of {total}", len(tried) / total)
    return plainest(tried).run


@dataclass(frozen=True)
class RecordingTrial:
    """A steered generation that might be recorded."""

    run: RecordedRun
    """What was written."""
    source_lead: int
    """Words of the class that the source's steered lane has more than its plain one."""
    target_lead: int
    """Words of the class that the rotated lane has more than any other of the target."""
    surprise: float
    """Mean −log P of what a steered lane wrote, by its own model without the vector: the worse of both; nats."""

    @property
    def worth(self) -> tuple[float, ...]:
        """The larger, the better to show. Where no run leads it is the dose: the quietest run is one left untouched."""
        dose = self.run.dose if self.target_lead <= 0 else 0.0
        return min(self.source_lead, self.target_lead), self.target_lead, dose, -self.surprise


def plainest(tried: Sequence[RecordingTrial]) -> RecordingTrial:
    """Of those that read well the one that shows the effect most plainly; the least broken if none reads well."""
    readable = [t for t in tried if t.surprise <= READABLE]
    return max(readable, key=lambda t: t.worth) if readable else min(tried, key=lambda t: t.surprise)


def _runs(
    study: Study,
    source: LanguageModel,
    target: LanguageModel,
    site: Site,
    fitted: SiteMaps,
    norms: tuple[float, float],
    chosen: DoseResponse,
) -> Iterator[RecordingTrial]:
    """One contrast at every dose, with every seed."""
    from explorer.steering import Sampling, lanes as live, typical_tokens, vectors as steering

    name = chosen.vector.removeprefix("contrast:")
    contrast = study.corpus.contrast(name)
    prompt = next(p.prompt for p in study.corpus.contrasts() if p.name == name)
    vector = live.Steering(source, target, site, steering.contrast_vector(source, site, contrast), fitted, norms)
    typical = set(typical_tokens(contrast, source).positive.tolist())
    for dose, seed in itertools.product(DOSES, SEEDS):
        sampling = Sampling(TEMPERATURE, seed, NEW_TOKENS)
        ids, written = _write(live.build_lanes(vector, RECORDED, dose, seed), site, prompt, sampling, typical)
        count = {lane: sum(token.typical for token in tokens) for lane, tokens in written.items()}
        yield RecordingTrial(
            RecordedRun(name, chosen.title, site.name, dose, sampling.temperature, seed, prompt, written),
            count["source+v"] - count["source"],
            count["rotated"] - max(count[lane] for lane in RECORDED if lane != "rotated"),
            max(_surprise(m, prompt, ids[lane]) for m, lane in ((source, "source+v"), (target, "rotated"))),
        )


def _write(
    lanes: Sequence[Lane], site: Site, prompt: str, sampling: Sampling, typical: Set[int]
) -> tuple[dict[str, list[int]], dict[str, list[WrittenToken]]]:
    """By lane: the ids of what it wrote, and their text with the words that are typical of the class marked."""
    from explorer.steering import stream

    ids: dict[str, list[int]] = {lane.key: [] for lane in lanes}
    written: dict[str, list[WrittenToken]] = {lane.key: [] for lane in lanes}
    for tokens in stream(lanes, site, prompt, sampling):
        for token in tokens:
            so_far = sum(len(t.text) for t in written[token.key])
            text = token.text.rstrip("\ufffd")[so_far:]
            ids[token.key].append(token.id)
            written[token.key].append(WrittenToken(text, is_word(text) and token.id in typical))
    return ids, written


def _surprise(model: LanguageModel, prompt: str, written: list[int]) -> float:
    import torch

    from explorer.models import check_prompt

    before = check_prompt(model, prompt)
    ids = torch.cat([before, torch.tensor(written)])[None]
    log_p = model.logits(ids)[0, len(before) - 1 : -1].log_softmax(-1)
    return -float(log_p.gather(1, ids[0, len(before) :, None]).mean())


def is_word(text: str) -> bool:
    """Whether a token can be marked."""
    return text.strip().isalpha() and len(text.strip()) >= LETTERS


if __name__ == "__main__":
    for name in sys.argv[1:] or shipped_studies()[:1]:
        print("\n".join(record_study(open_study(name), anew=True)))
