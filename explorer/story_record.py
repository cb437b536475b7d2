"""What the talk shows of a pair, computed once: answers, coordinates against each other, a steered generation.

`python -m explorer.story_record STUDY` records every pair of a study anew; the files lie beside the pair's results.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray

from explorer.study import Study, encode, open_study, write_atomically

if TYPE_CHECKING:
    from explorer.corpus import Chunks
    from explorer.dose_response import DoseResponse
    from explorer.models import LanguageModel
    from explorer.site_maps import SiteMaps
    from explorer.sites import Site

RECORDING, CORRELATION = "story.json", "story.safetensors"
CHUNKS, ANSWER_CHUNKS, TOKENS = 48, 4, 400
"""Test chunks whose rows are correlated, those that are answered, and the tokens that are kept of these."""
ARMS = ("none", "raw", "rotated", "random")
NEW_TOKENS = 60
DOSE = 0.4
"""Of the recorded generation: one that can be seen in the text, though it may be beyond the doses that are compared."""
TEMPERATURE = 0.0
"""Greedy, so that writing it live on the stage gives the recorded text."""
LETTERS = 3
"""Shorter tokens are not marked as typical: commas and syllables say nothing to a reader."""


@dataclass(frozen=True)
class WrittenToken:
    """One token of a recorded generation."""

    text: str
    """What it added to the text; a character whose bytes are spread over tokens comes with the last of them."""
    typical: bool
    """Whether it is typical of the class that the vector leads to."""


@dataclass(frozen=True)
class RecordedRun:
    """A steered generation as it was written, token by token."""

    contrast: str
    """Name of the contrast whose vector was added."""
    title: str
    """What turns into what."""
    site: str
    """Name of the site."""
    dose: float
    """c, in median norms of the steered model."""
    temperature: float
    """0 is greedy."""
    seed: int
    """Seed of the sampling, and of the random arm."""
    prompt: str
    """What every lane continues."""
    written: dict[str, list[WrittenToken]]
    """By lane (source, source+v, then the target's arms): the tokens it wrote."""


@dataclass(frozen=True)
class Recording:
    """What the same tokens do in both models of a pair, and how one vector steered the target."""

    tokens: list[str]
    """The first test tokens, as text."""
    log_p_source: list[float]
    """log P of each token, given those before it in its chunk, by the source; nats."""
    log_p_target: list[float]
    """The same by the target."""
    run: RecordedRun | None
    """A steered generation; None where the study has no ready contrasts."""


@dataclass(frozen=True)
class Word:
    """A word of the text, with what both models thought of it."""

    text: str
    """As it is written; ¶ for a line break."""
    source: float
    """Surprise of the source, −log P of its tokens together; nats."""
    target: float
    """Surprise of the target."""


def spoken(recording: Recording) -> list[Word]:
    """The recorded tokens as words: one begins at a space, and its surprises add up. Text without spaces stays."""
    tokens = recording.tokens[: len(recording.log_p_source)]
    spaced = any(token[:1].isspace() for token in tokens)
    groups: list[list[int]] = []
    for i, token in enumerate(tokens):
        if spaced and groups and not token[:1].isspace() and tokens[i - 1].strip():
            groups[-1].append(i)
        else:
            groups.append([i])
    return [
        Word(
            "".join(tokens[i] for i in group).strip() or "¶",
            *(-sum(log_p[i] for i in group) for log_p in (recording.log_p_source, recording.log_p_target)),
        )
        for group in groups
    ]


def read_recording(study: Study, source: str, target: str) -> Recording | None:
    """The recording of a pair; None where there is none."""
    path = study.pair_path(source, target) / RECORDING
    return msgspec.json.decode(path.read_bytes(), type=Recording) if path.is_file() else None


def read_correlation(study: Study, source: str, target: str, site: Site) -> NDArray[np.int8] | None:
    """100 × Pearson r of the source's coordinate i (row) with the target's coordinate j (column) on test rows."""
    from safetensors import safe_open

    path = study.pair_path(source, target) / CORRELATION
    if not path.is_file():
        return None
    with safe_open(path, "np") as tensors:
        found: NDArray[np.int8] = tensors.get_tensor(site.name)
    return found


def record_study(study: Study, loaded: Mapping[str, LanguageModel] | None = None, anew: bool = False) -> list[str]:
    """Record every measured pair that lacks a recording, or all of them; the names of those that were recorded.

    `loaded` are models that are in memory already.
    """
    models = dict(loaded or {})
    chunks = None
    done = []
    for pair in study.file.pairs:
        folder = study.pair_path(pair.source, pair.target)
        if anew or not (folder / RECORDING).is_file():
            for name in (pair.source, pair.target):
                models[name] = models.get(name) or study.load_model(name)
            chunks = chunks if chunks is not None else study.chunks()
            record_pair(study, models[pair.source], models[pair.target], chunks)
            done.append(f"{pair.source} → {pair.target}")
    return done


def record_pair(study: Study, source: LanguageModel, target: LanguageModel, chunks: Chunks) -> None:
    """Read both models on the first test chunks, steer the target, and write what was found into the pair's folder."""
    from safetensors.numpy import save

    folder = study.pair_path(source.name, target.name)
    first = chunks.split("test")[slice(0, CHUNKS)]
    write_atomically(folder / CORRELATION, save(_correlations(study, source, target, first)))
    texts = [source.tokenizer.decode([i]) for i in first.ids[:, 1:][first.valid[:, 1:]][:TOKENS].tolist()]
    a, b = (_log_p(model, first[slice(0, ANSWER_CHUNKS)]) for model in (source, target))
    write_atomically(folder / RECORDING, encode(Recording(texts, a, b, _steer(study, source, target))))


def _log_p(model: LanguageModel, chunks: Chunks) -> list[float]:
    import torch

    with model.lock, torch.inference_mode():
        logits = model.network(input_ids=chunks.ids, use_cache=False).logits[:, :-1]
    log_p = logits.log_softmax(-1).gather(2, chunks.ids[:, 1:, None])[..., 0]
    return [round(x, 3) for x in log_p[chunks.valid[:, 1:]][:TOKENS].tolist()]


def _correlations(
    study: Study, source: LanguageModel, target: LanguageModel, chunks: Chunks
) -> dict[str, NDArray[np.int8]]:
    from explorer.activations import residuals

    read = [residuals(model, chunks.ids, study.sites) for model in (source, target)]
    return {s.name: _correlation(*(x[s][chunks.scored].double().numpy() for x in read)) for s in study.sites}


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.int8]:
    a, b = (x - x.mean(0) for x in (a, b))
    a, b = (x / np.maximum(np.linalg.norm(x, axis=0), 1e-12) for x in (a, b))
    return np.ascontiguousarray(np.round(100 * (a.T @ b)).astype(np.int8))


def _steer(study: Study, source: LanguageModel, target: LanguageModel) -> RecordedRun | None:
    """Of the contrasts that transfer at the middle site (of all, if none does) the one whose rotated lane shows it
    most plainly; None where no dose–response was measured.
    """
    from explorer import live, steering
    from explorer.dose_response import TransferVerdict

    site = study.sites[len(study.sites) // 2]
    ready = [f"contrast:{c.name}" for c in study.contrasts()]
    found = [r for r in study.responses(source.name, target.name) if r.site == site.name and r.vector in ready]
    passed = [r for r in found if r.verdict == TransferVerdict.TRANSFERS] or found
    if not passed:
        return None
    chunks = study.chunks(live.NORM_DOCUMENTS)
    a, b = (steering.median_norm(model, site, chunks) for model in (source, target))
    fitted = study.maps(source.name, target.name)[site.name]
    runs = [_write(study, source, target, site, fitted, (a, b), response) for response in passed]
    return max(runs, key=_lead)


def _write(
    study: Study,
    source: LanguageModel,
    target: LanguageModel,
    site: Site,
    fitted: SiteMaps,
    norms: tuple[float, float],
    chosen: DoseResponse,
) -> RecordedRun:
    from explorer import live, steering
    from explorer.decoding import Sampling
    from explorer.effect import typical_tokens
    from explorer.generation import stream

    name = chosen.vector.removeprefix("contrast:")
    contrast = study.contrast(name)
    prompt = next(p.prompt for p in study.contrasts() if p.name == name)
    vector, sampling = steering.contrast_vector(source, site, contrast), Sampling(TEMPERATURE, new_tokens=NEW_TOKENS)
    typical = set(typical_tokens(contrast, source).positive.tolist())
    lanes = live.build_lanes(live.Steering(source, target, site, vector, fitted, norms), ARMS, DOSE, sampling.seed)
    written: dict[str, list[WrittenToken]] = {lane.key: [] for lane in lanes}
    for tokens in stream(lanes, site, prompt, sampling):
        for token in tokens:
            so_far = sum(len(t.text) for t in written[token.key])
            text = token.text.rstrip("\ufffd")[so_far:]
            written[token.key].append(WrittenToken(text, is_word(text) and token.id in typical))
    return RecordedRun(
        name, chosen.title, site.name, DOSE, sampling.temperature, sampling.seed, prompt,
        written,
    )  # fmt: skip


def is_word(text: str) -> bool:
    """Whether a token can be marked."""
    return text.strip().isalpha() and len(text.strip()) >= LETTERS


def _lead(run: RecordedRun) -> int:
    """By how many words of the class the rotated lane leads the others of the target."""
    count = {lane: sum(token.typical for token in tokens) for lane, tokens in run.written.items()}
    return count["rotated"] - max(count[lane] for lane in ("none", "raw", "random"))


if __name__ == "__main__":
    for name in sys.argv[1:] or ["tales"]:
        print("\n".join(record_study(open_study(name), anew=True)))
