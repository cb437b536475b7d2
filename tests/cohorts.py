"""A study of two cohorts, made of the shipped one: its R are as measured, their tests against Haar are planted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from explorer.alignment import HaarTest, PairResult, encode_result
from explorer.files import encode, write_bytes
from explorer.study import ROTATIONS, SHIPPED, PairEntry, Study, open_study

DRAWS = 999
PLANTED: dict[tuple[str, str], tuple[Sequence[float], float]] = {
    ("seed0", "seed1"): ((0.04, 0.20, 0.39, 0.62, 0.81), 2.97),
    ("seed0", "seed2"): ((0.11, 0.30, 0.52, 0.71, 0.95), 2.98),
    ("seed0", "twin"): ((0.07,) * 5, 2.98),
    ("seed0", "early"): ((0.001,) * 5, 99.0),
    ("seed0", "step0"): ((0.001,) * 5, 25.0),
    ("seed1", "seed0"): ((0.04, 0.20, 0.39, 0.62, 0.81), 2.97),
    ("adam0", "adam1"): ((0.001,) * 5, 4.3),
}
"""Joint p at each site, and kurtosis, of every pair."""
ADAMS = {"adam0": "seed1", "adam1": "seed2"}
"""The AdamW seeds, and whose files they are."""


def planted(pair: PairResult, p_values: Sequence[float], kurtosis: float) -> PairResult:
    """The pair with these tests of its R."""

    def test(p: float) -> HaarTest:
        return HaarTest(10.0, p, kurtosis, p, 0.3, p, p, 0.999, DRAWS)

    sites = zip(pair.sites, p_values, strict=True)
    return replace(pair, sites=tuple(replace(s, rotation=replace(s.rotation, haar=test(p))) for s, p in sites))


def cohort_study(folder: Path) -> Study:
    """The study in a folder: equivariant seeds, their controls, and two AdamW seeds."""
    shipped = open_study(SHIPPED / "tales")
    names = {name for pair in PLANTED for name in pair}
    models = [replace(m, cohort="equivariant") for m in shipped.file.models if m.name in names and m.name not in ADAMS]
    adams = [
        replace(shipped.model_entry(like), name=name, cohort="adamw", seed=10 + i)
        for i, (name, like) in enumerate(ADAMS.items())
    ]
    folder.mkdir(parents=True)
    for path in shipped.folder.iterdir():
        if path.name not in ("study.json", "pairs", ROTATIONS):
            (folder / path.name).symlink_to(path)
    for (source, target), (p_values, kurtosis) in PLANTED.items():
        like = (source, target) if source not in ADAMS else ("seed0", "seed1")
        result = planted(shipped.pair(*like), p_values, kurtosis)
        own = folder / "pairs" / f"{source}-{target}"
        own.mkdir(parents=True)
        for path in shipped.pair_path(*like).iterdir():
            if path.name != "result.json":
                (own / path.name).symlink_to(path)
        write_bytes(own / "result.json", encode_result(replace(result, source=source, target=target)))
    pairs = tuple(PairEntry(a, b) for a, b in PLANTED)
    write_bytes(
        folder / "study.json", encode(replace(shipped.file, name="cohorts", models=(*models, *adams), pairs=pairs))
    )
    return open_study(folder)
