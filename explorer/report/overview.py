"""Several targets of one source side by side, and two reports compared."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from explorer.alignment import VerdictName
from explorer.errors import InputError
from explorer.files import write_bytes, write_json
from explorer.report.html import _render
from explorer.report.make import flat
from explorer.report.schema import SCHEMA, Report


@dataclass(frozen=True)
class Checked:
    """One target of several."""

    target: str
    """As it was given."""
    folder: str
    """Its folder's name within the output."""
    report: Report | None
    """None where it could not be assessed."""
    error: str | None
    """Why not."""


@dataclass(frozen=True)
class OverviewRow:
    """One target in the overview."""

    target: str
    """As it was given."""
    folder: str
    """Where its report lies."""
    verdict: VerdictName
    """Of the pair."""
    reason: str
    """The first reason, or why it could not be assessed."""
    rho: tuple[float | None, ...]
    """ρ by site."""


@dataclass(frozen=True)
class Overview:
    """Every target of one source."""

    schema: int
    """Version of this format."""
    source: str
    """As it was given."""
    targets: tuple[OverviewRow, ...]
    """In the order given."""
    command: str
    """What made it."""


@dataclass(frozen=True)
class Difference:
    """One number in two reports."""

    site: str
    """Where; empty for the pair."""
    name: str
    """Which, e.g. ev.orthogonal."""
    left: float | str | None
    """In the first."""
    right: float | str | None
    """In the second."""
    apart: bool
    """Whether the intervals do not overlap; where there are none, whether the two differ at all."""


def folder_names(targets: Sequence[str]) -> list[str]:
    """A folder for each target: its last word, numbered where two are alike."""
    names: list[str] = []
    for target in targets:
        base = Path(target).expanduser().resolve().name if Path(target).exists() else target.split("/")[-1]
        name, number = base, 2
        while name in names:
            name, number = f"{base}-{number}", number + 1
        names.append(name)
    return names


def write_overview(out: Path, source: str, found: Sequence[Checked], command: str) -> Overview:
    """overview.json and overview.html."""

    rows = tuple(_row(c) for c in found)
    overview = Overview(SCHEMA, source, rows, command)
    write_json(out / "overview.json", overview)
    write_bytes(out / "overview.html", overview_html(overview).encode())
    return overview


def _row(c: Checked) -> OverviewRow:
    if c.report is None:
        return OverviewRow(c.target, c.folder, "not assessable", c.error or "", ())
    rho = tuple(site.rho for site in c.report.sites)
    return OverviewRow(c.target, c.folder, c.report.verdict, c.report.reasons[0], rho)


def read_report(folder: Path) -> Report:
    """report.json of a folder. Raises InputError."""
    path = folder / "report.json"
    try:
        raw = path.read_bytes()
        schema = json.loads(raw).get("schema")
        if schema != SCHEMA:
            raise InputError(f"'{path}' has schema {schema}; this version of the explorer reads schema {SCHEMA}")
        return msgspec.json.decode(raw, type=Report)
    except OSError as error:
        raise InputError(f"'{folder}' holds no report.json: give a folder that `check` has written") from error
    except (ValueError, AttributeError, msgspec.ValidationError) as error:
        raise InputError(f"'{path}' is damaged: {error}; make the report again") from error


def compare(left: Report, right: Report) -> list[Difference]:
    """Every number of the sites that both have, and the pairs' verdicts."""
    out = [Difference("", "verdict", left.verdict, right.verdict, left.verdict != right.verdict)]
    for name in ("loss_target", "kl"):
        one, other = getattr(left.function, name), getattr(right.function, name)
        out.append(Difference("", name, one, other, one != other))
    partners = {s.site: s for s in right.sites}
    for site in left.sites:
        if (partner := partners.get(site.site)) is None:
            continue
        a, b = flat(site), flat(partner)
        for name, value in a.items():
            if name in ("site", "reasons") or name.endswith((".low", ".high")):
                continue
            apart = value != b.get(name)
            if name in site.intervals and name in partner.intervals:
                (low, high), (low2, high2) = site.intervals[name], partner.intervals[name]
                apart = high < low2 or high2 < low
            out.append(Difference(site.site, name, value, b.get(name), apart))
    return out


def overview_html(overview: Overview) -> str:
    """Every target of one source, with links to the reports."""
    return _render("overview.html", o=overview)
