"""The files that a check wrote beside its study, for downloading."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from explorer.alignment import Lineage
from explorer.study import Study


@dataclass(frozen=True)
class Output:
    """One file."""

    path: Path
    """Where it lies."""
    title: str
    """What its button says."""
    name: str
    """What it is called when downloaded."""
    mime: str
    """Its type."""
    what: str
    """What it holds, in one line."""


_KINDS = (
    ("report.html", "Report (HTML)", "text/html", "The whole result on one page that opens anywhere."),
    ("report.json", "Report (JSON)", "application/json", "Every number, for scripts."),
    ("sites.csv", "Sites (CSV)", "text/csv", "One line for each site, every number."),
    (
        "rotations.safetensors",
        "Rotations",
        "application/octet-stream",
        "R and both means of every site: f(x) = (x − mean_target) @ R + mean_source.",
    ),
)


def outputs(study: Study) -> list[Output]:
    """Those of a study's outputs that are there: a shipped study has none, an imported one no page in HTML."""
    folder, name = study.folder.parent, study.file.name
    return [
        Output(folder / file, title, f"{name}-{file}", mime, what)
        for file, title, mime, what in _KINDS
        if (folder / file).is_file()
    ]


def lineage_of(study: Study) -> Lineage | None:
    """How the two models' weights are related, from the report beside a study; None where that does not say it."""

    class Told(msgspec.Struct):
        lineage: Lineage | None = None

    try:
        return msgspec.json.decode((study.folder.parent / "report.json").read_bytes(), type=Told).lineage
    except (OSError, msgspec.DecodeError):
        return None
