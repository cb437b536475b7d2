"""What the stage shows of a pair beside its results, recorded in seconds: see `explorer.study.stage_material`.

`python -m explorer.pipeline.stage_recording STUDY [PAIR …]` records it anew, for every pair of a study or some.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from explorer.files import write_bytes, write_json
from explorer.pipeline.stage_answer import Prompt, answer, choose_prompt
from explorer.pipeline.stage_detector import DetectorRows, detector
from explorer.pipeline.stage_motion import GroupedRows, follow, kept_groups
from explorer.pipeline.stage_register import register
from explorer.study import (
    INSIDE,
    MOTION,
    MOTION_FIELDS,
    REGISTER_FIELDS,
    STAGE,
    InsideSite,
    StageMaterial,
    Study,
    open_study,
    shipped_studies,
)

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Bool, Float, Int
    from numpy.typing import NDArray
    from torch import Tensor

    from explorer.models import LanguageModel, Site
    from explorer.study import Detector, Motion, Register, ThreeGroups, TurnedSite
    from explorer.text import Chunks

CHUNKS = 48
"""Test chunks that are read."""
DOCUMENTS = 400
"""Documents of which these are the test split, at least."""


@dataclass(frozen=True)
class _Read:
    """Some text, and both models' rows of it."""

    study: Study
    chunks: Chunks
    source: LanguageModel
    target: LanguageModel
    rows: tuple[Mapping[Site, Float[Tensor, "n t d"]], Mapping[Site, Float[Tensor, "n t d"]]]


def record_stage(study: Study, source: LanguageModel, target: LanguageModel, chunks: Chunks) -> None:
    """Read both models on the first test chunks, and write what the stage needs into the pair's folder."""
    from safetensors.numpy import save

    first = chunks.split("test")[slice(0, CHUNKS)].trimmed()
    rows = (_rows(source, first.ids, study.sites), _rows(target, first.ids, study.sites))
    read = _Read(study, first, source, target, rows)
    members, names = _members(read)
    turned, points = _turned(read, members, names)
    three, places = _registers(read, members, names)
    arrays = {f"{site}.{name}": getattr(m, name) for site, m in points.items() for name in MOTION_FIELDS}
    for site, found in places.items():
        arrays |= {f"{site}.{name}": x for name, x in zip(REGISTER_FIELDS, (found.source, found.target), strict=True)}
    prompt = choose_prompt(source, first)
    inside: dict[str, InsideSite] = {}
    if prompt is not None:
        inside, rows_inside = _inside(read, prompt)
        arrays |= rows_inside
    folder = study.pair_path(source.name, target.name)
    write_bytes(folder / MOTION, save(arrays))
    write_json(
        folder / STAGE,
        StageMaterial(
            answer=None if prompt is None else answer(source, target, prompt),
            inside=inside,
            detectors=_detectors(read, members, names),
            turned=turned,
            three=three,
        ),
    )


def _rows(model: LanguageModel, ids: Int[Tensor, "n t"], sites: list[Site]) -> dict[Site, Float[Tensor, "n t d"]]:
    from explorer.models import residuals

    parts = [residuals(model, part, sites) for part in ids.split(16)]
    return {site: torch.cat([part[site] for part in parts]).cpu() for site in sites}


def _inside(read: _Read, prompt: Prompt) -> tuple[dict[str, InsideSite], dict[str, NDArray[np.float16]]]:
    """How alike both models' numbers are, at the prompt's last token and usually; and that token's two rows."""
    said, rows = {}, {}
    last = [_rows(model, prompt.ids[None], read.study.sites) for model in (read.source, read.target)]
    scored = read.chunks.scored
    for site in read.study.sites:
        here = torch.stack([found[site][0, -1] for found in last])
        usual = _row_correlation(*(found[site][scored] for found in read.rows)).abs().mean()
        said[site.name] = InsideSite(round(float(_row_correlation(here[:1], here[1:])[0]), 3), round(float(usual), 3))
        rows[f"{site.name}.{INSIDE}"] = here.half().numpy()
    return said, rows


def _row_correlation(a: Float[Tensor, "n d"], b: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
    """Pearson r over the dimensions, for each token."""
    a, b = (x - x.mean(1, keepdim=True) for x in (a, b))
    return (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1)).clamp_min(1e-12)


def _detectors(read: _Read, members: Bool[Tensor, "n t g"], names: list[str]) -> dict[str, Detector]:
    """The source's best detector of a named group at every site."""
    found = {}
    maps = read.study.maps(read.source.name, read.target.name)
    for site in read.study.sites if names else ():
        sae = read.study.load_dictionary(read.source.name, site)
        if sae is None or "shuffled" not in maps[site.name].by_name:
            continue
        rows = DetectorRows(read.chunks, members, *(x[site] for x in read.rows))
        one = detector(rows, names, sae, maps[site.name], read.source)
        if one is not None:
            found[site.name] = one
    return found


def _turned(
    read: _Read, members: Bool[Tensor, "n t g"], names: list[str]
) -> tuple[dict[str, TurnedSite], dict[str, Motion]]:
    """The groups of the study's text along the dial, at every site that has one."""
    if not names:
        return {}, {}
    study, pair = read.study, read.study.pair(read.source.name, read.target.name)
    where = members.any(-1)
    maps = study.maps(read.source.name, read.target.name)
    said: dict[str, TurnedSite] = {}
    points: dict[str, Motion] = {}
    for site in study.sites:
        measured = next(s for s in pair.sites if s.site == site.name)
        if measured.dial is None or "shuffled" not in maps[site.name].by_name:
            continue
        a, b = (rows[site][where] for rows in read.rows)
        rows = GroupedRows(names, members[where], a, b)
        said[site.name], points[site.name] = follow(rows, maps[site.name], measured.dial.t)
    return said, points


def _registers(
    read: _Read, members: Bool[Tensor, "n t g"], names: list[str]
) -> tuple[dict[str, ThreeGroups], dict[str, Register]]:
    """Three groups in three dimensions at every site."""
    said: dict[str, ThreeGroups] = {}
    places: dict[str, Register] = {}
    where, maps = members.any(-1), read.study.maps(read.source.name, read.target.name)
    for site in read.study.sites if names else ():
        a, b = (rows[site][where] for rows in read.rows)
        said[site.name], places[site.name] = register(GroupedRows(names, members[where], a, b), maps[site.name])
    return said, places


def _members(read: _Read) -> tuple[Bool[Tensor, "n t g"], list[str]]:
    """Which token belongs to which group, of those that have enough tokens, and the names of these."""
    from explorer.text import group_tokens

    corpus = read.study.corpus
    groups = corpus.groups()
    if not groups:
        return torch.zeros(*read.chunks.ids.shape, 0, dtype=torch.bool), []
    documents = corpus.documents(int(read.chunks.document.max()) + 1)
    members = group_tokens(groups, documents, read.chunks, read.source.tokenizer)
    kept = kept_groups(members)
    return members[:, :, kept], [groups[g].name for g in kept]


if __name__ == "__main__":
    shown = open_study(sys.argv[1] if len(sys.argv) > 1 else shipped_studies()[0])
    text = shown.chunks(DOCUMENTS)
    models: dict[str, LanguageModel] = {}
    for entry in shown.file.pairs:
        if sys.argv[2:] and f"{entry.source}-{entry.target}" not in sys.argv[2:]:
            continue
        for one in (entry.source, entry.target):
            models[one] = models.get(one) or shown.load_model(one)
        record_stage(shown, models[entry.source], models[entry.target], text)
        print(f"{entry.source} → {entry.target}", flush=True)
