"""The files that a check wrote beside its study, for downloading."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from explorer.alignment import Lineage
from explorer.errors import InputError
from explorer.intake import read_json
from explorer.number_text import sentence_case
from explorer.report.schema import Models
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


@dataclass(frozen=True)
class Provenance:
    """What went into a check, as its report says it."""

    lineage: Lineage | None = None
    """How the weights of the two are related; None in reports of older versions."""
    models: Models | None = None
    """The two models, how their weights were found, and whose dictionaries were read."""
    text: str = ""
    """What was read."""
    notes: tuple[str, ...] = ()
    """What was left out or read in another way than usual, a sentence each."""

    @property
    def lines(self) -> tuple[str, ...]:
        """The text, whose dictionaries were read, how weights were found, and what was left out: a sentence each."""
        found = [f"Text: {self.text}"] if self.text else []
        named = (("A", self.models.source), ("B", self.models.target)) if self.models is not None else ()
        for name, facts in named:
            if facts.dictionaries == "train":
                found.append(f"Dictionaries of {name}: trained here, on this text")
            elif facts.dictionaries not in (None, "none"):
                found.append(f"Dictionaries of {name}: {facts.dictionaries}")
            if facts.weights:
                found.append(f"{name}: {facts.weights}")
        return (*found, *map(sentence_case, self.notes))


def provenance_of(study: Study) -> Provenance:
    """What went into a check, from the report beside its study; nothing of it where there is no report."""
    try:
        return read_json(study.folder.parent / "report.json", Provenance, "make the report again")
    except InputError:
        return Provenance()
