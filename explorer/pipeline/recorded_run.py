"""A steered generation that shows a pair: the contrast, dose and seed that a lecturer would read aloud."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from explorer.files import write_json
from explorer.pipeline.known_text import knows_text
from explorer.progress import Report, part
from explorer.steering import NEW_TOKENS, RECORDED, TEMPERATURE
from explorer.study import READING_SHARES, RecordedRun, Study, WrittenToken

if TYPE_CHECKING:
    from explorer.alignment import SiteMaps
    from explorer.models import LanguageModel, Site
    from explorer.steering import DoseResponse, Lane, Sampling
    from explorer.text import Chunks

SEEDS = range(12)
"""What is tried for the recorded generation; a seed decides every draw, so that writing it live gives the same text."""
READABLE = 2.0
"""A lane that surprises its own model without the vector by more than so many times what untouched text does reads as
broken.
"""
LEAST_SURPRISE = 0.05
"""Nats a token below which untouched text is as good as certain: multiples are taken of no less."""
CONTRASTS = 4
"""Contrasts that are tried, where their readings say which show most: each takes a generation for every seed."""
SEEN = 8
"""Words that are signs of the class from which a room sees what a text has become; more do not count."""
LETTERS = 3
"""Shorter tokens are not marked as typical: commas and syllables say nothing to a reader."""


class _Shown(NamedTuple):
    """A contrast that might be recorded, and where."""

    contrast: str
    """Its name."""
    title: str
    """What turns into what."""
    site: str
    """Name of the site."""
    dose: float
    """c."""


def worth_showing(study: Study, source: str, target: str) -> list[_Shown]:
    """The contrasts with a suggested dose, there: of those that transfer by their areas as well, or of all, the few that
    R carries furthest beyond raw. Of a pair without any those that transfer at the middle site, or all that were measured
    there, at the largest dose of their areas.
    """
    from explorer.steering import TransferVerdict

    read = [r for r in study.reading_shares(source, target) if r.suggested is not None]
    responses = study.responses(source, target)
    transfers = {(r.vector, r.site) for r in responses if r.verdict == TransferVerdict.TRANSFERS}
    if read:
        read = [r for r in read if (r.vector, r.site) in transfers] or read
        read = sorted(read, key=lambda r: -r.lead)[:CONTRASTS]
        return [_Shown(r.vector.removeprefix("contrast:"), r.title, r.site, r.suggested or 0.0) for r in read]
    site = study.sites[len(study.sites) // 2]
    ready = [f"contrast:{c.name}" for c in study.corpus.contrasts()]
    found = [r for r in responses if r.site == site.name and r.vector in ready]
    found = [r for r in found if (r.vector, r.site) in transfers] or found
    return [_Shown(r.vector.removeprefix("contrast:"), r.title, r.site, _largest(r)) for r in found]


def _largest(response: DoseResponse) -> float:
    """The largest positive dose that the areas cover; the smallest there is, where they cover none."""
    used = [c for c, u in zip(response.doses, response.usable, strict=True) if u and c > 0]
    return max(used, default=min(c for c in response.doses if c > 0))


def _read(study: Study, source: LanguageModel, target: LanguageModel, report: Report) -> None:
    """Find the suggested doses of a pair that was not read: a check has no time for them before somebody asks."""
    from explorer.steering import NORM_DOCUMENTS, Measurer, ReadingMeasurer

    path = study.pair_path(source.name, target.name) / READING_SHARES
    if path.exists() or not knows_text(study.pair(source.name, target.name)):
        return
    reading = ReadingMeasurer(Measurer(study.corpus, study.chunks(NORM_DOCUMENTS)))
    measured = {r.site for r in study.responses(source.name, target.name)}
    fitted = {name: maps for name, maps in study.maps(source.name, target.name).items() if name in measured}
    if reading.readers and fitted:
        write_json(path, reading.pair(source, target, fitted, report))


def steer(study: Study, source: LanguageModel, target: LanguageModel, report: Report) -> RecordedRun | None:
    """A run of the contrast that R carries furthest and that shows it as it should; None where no dose–response was
    measured.
    """
    from explorer.steering import NORM_DOCUMENTS

    _read(study, source, target, part(report, 0.0, 0.5))
    shown = worth_showing(study, source.name, target.name)
    if not shown:
        return None
    chunks, maps = study.chunks(NORM_DOCUMENTS), study.maps(source.name, target.name)
    total = len(shown) * len(SEEDS)
    tried: list[RecordingTrial] = []
    for run in itertools.chain(*(_runs(study, source, target, maps[one.site], chunks, one) for one in shown)):
        tried.append(run)
        report(f"example text {len(tried)} of {total}", 0.5 + 0.5 * len(tried) / total)
    return first_shown(tried).run


@dataclass(frozen=True)
class RecordingTrial:
    """A steered generation that might be recorded."""

    run: RecordedRun
    """What was written."""
    right: int
    """Lanes that read as they should: the source's steered one and the rotated one count as the class, others do not."""
    signs: int
    """Words of the rotated lane that are signs of the class."""
    surprise: float
    """Mean −log P of the second half of what a steered lane wrote, by its own model without the vector, as a multiple of
    that of what the same model wrote untouched: the worse of both models. Once a text has turned, its own model knows how
    it goes on, where it is no broken text.
    """


def first_shown(tried: Sequence[RecordingTrial]) -> RecordingTrial:
    """The plainest run of the first contrast that has one in which every lane reads as it should, and which a room can
    see; else of all.

    Contrasts come in the order in which R carries them, which is what is counted beside the run.
    """
    for _, own in itertools.groupby(tried, key=lambda trial: trial.run.contrast):
        best = plainest(list(own))
        if best.right == len(best.run.written) and best.signs >= SEEN and best.surprise <= READABLE:
            return best
    return plainest(tried)


def plainest(tried: Sequence[RecordingTrial]) -> RecordingTrial:
    """Of those that read well the one with most lanes right, of these one with enough signs of the class to be seen from
    afar, and of these the least surprising; the least broken if none reads well.
    """
    readable = [t for t in tried if t.surprise <= READABLE]
    if not readable:
        return min(tried, key=lambda t: t.surprise)
    return max(readable, key=lambda t: (t.right, min(t.signs, SEEN), -t.surprise))


def _runs(
    study: Study,
    source: LanguageModel,
    target: LanguageModel,
    fitted: SiteMaps,
    chunks: Chunks,
    shown: _Shown,
) -> Iterator[RecordingTrial]:
    """One contrast at its dose and site, with every seed."""
    from explorer.steering import PLAIN, STEERED, Sampling, lanes as live, typical_tokens, vectors as steering
    from explorer.text import class_words, learn_classes, mark_words

    contrast, site = study.corpus.contrast(shown.contrast), study.site(shown.site)
    prompt = next(p.prompt for p in study.corpus.contrasts() if p.name == shown.contrast)
    reader, typical = learn_classes(contrast, prompt), set(typical_tokens(contrast, source).positive.tolist())
    a, b = (steering.median_norm(model, site, chunks) for model in (source, target))
    v = steering.contrast_vector(source, site, contrast)
    lanes = live.Steering(source, target, site, v, fitted, (a, b))
    for seed in SEEDS:
        sampling = Sampling(TEMPERATURE, seed, NEW_TOKENS)
        built = live.build_lanes(lanes, RECORDED, shown.dose, seed)
        ids, written = _write(built, site, prompt, sampling, typical)
        if reader is not None:
            texts = ["".join(token.text for token in tokens) for tokens in written.values()]
            counts = dict(zip(written, reader.read(texts), strict=True))
        else:
            # Classes of tokens: no text can be read as one. A lane counts that writes something else than its model does
            # untouched, so that one sees that the vector acts, and that a control does not.
            said = {lane: [token.text for token in tokens] for lane, tokens in written.items()}
            counts = {lane: text != said[PLAIN if lane in (PLAIN, STEERED) else "none"] for lane, text in said.items()}
        right = sum(counted == (lane in (STEERED, "rotated")) for lane, counted in counts.items())
        surprises = [
            _surprise(m, prompt, ids[lane]) / max(_surprise(m, prompt, ids[plain]), LEAST_SURPRISE)
            for m, lane, plain in ((source, STEERED, PLAIN), (target, "rotated", "none"))
        ]
        run = RecordedRun(
            shown.contrast, shown.title, site.name, shown.dose, TEMPERATURE, seed, prompt, written
        )  # fmt: skip
        carried = "".join(token.text for token in written["rotated"])
        signs = sum(part.is_sign for part in mark_words(carried, class_words(contrast)))
        yield RecordingTrial(run, right, signs, max(surprises))


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
    ids, half = torch.cat([before, torch.tensor(written)])[None], len(before) + len(written) // 2
    log_p = model.logits(ids)[0, half - 1 : -1].log_softmax(-1).cpu()
    return -float(log_p.gather(1, ids[0, half:, None]).mean())


def is_word(text: str) -> bool:
    """Whether a token can be marked."""
    return text.strip().isalpha() and len(text.strip()) >= LETTERS
