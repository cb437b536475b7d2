"""Several targets of one source side by side, and two reports compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from explorer.alignment import VerdictName
from explorer.errors import InputError
from explorer.files import write_bytes, write_json
from explorer.intake import decode_json, read_bytes
from explorer.report.html import _render
from explorer.report.make import flat
from explorer.report.schema import SCHEMA, DecidingNumber, Report


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
    """EV of R / EV of the affine map, by site."""
    rho_scale: tuple[float | None, ...] = ()
    """EV of R with one scale / EV of the affine map, by site: the ρ of the verdict."""
    restored: tuple[float | None, ...] = ()
    """How much of the source's dictionary comes back through R, faithful, at the sites that have one."""
    loss_target: float | None = None
    """Cross-entropy of the target, nats per token."""
    top1_agreement: float | None = None
    """Share of positions where both rank the same token first."""
    decided_by: DecidingNumber | None = None
    """What the verdict rests on; null where it could not be assessed."""


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
    """In the first; null where it has none."""
    right: float | str | None
    """In the second."""
    apart: bool | None
    """Whether the intervals do not overlap; of words, whether they differ. Null for numbers without an interval in both
    reports: nothing says how far they may differ by chance."""
    left_interval: tuple[float, float] | None = None
    """95 % bounds of the first."""
    right_interval: tuple[float, float] | None = None
    """95 % bounds of the second."""


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
    sites, f = c.report.sites, c.report.function
    rho, scaled = (tuple(getattr(s, name) for s in sites) for name in ("rho", "rho_scale"))
    restored = tuple(s.restored["faithful"]["rotated"] for s in sites if s.restored is not None)
    head = (c.target, c.folder, c.report.verdict, c.report.reasons[0])
    return OverviewRow(*head, rho, scaled, restored, f.loss_target, f.top1_agreement, c.report.decided_by)


REMEDY = "make the report again"


class _Version(msgspec.Struct):
    """What every version of report.json has."""

    schema: object = None


def read_report(folder: Path) -> Report:
    """report.json of a folder. Raises InputError."""
    path = folder / "report.json"
    if not path.is_file():
        raise InputError(f"'{folder}' holds no report.json: give a folder that `check` has written")
    raw = read_bytes(path, REMEDY)
    if (schema := decode_json(raw, _Version, path, REMEDY).schema) != SCHEMA:
        raise InputError(f"'{path}' has schema {schema}; this version of the explorer reads schema {SCHEMA}")
    return decode_json(raw, Report, path, REMEDY)


OF_PAIR = ("loss_source", "loss_target", "kl", "top1_agreement")
"""Numbers of the pair that are compared, beside its verdict."""


def compare(left: Report, right: Report) -> list[Difference]:
    """The pairs' verdicts, losses and agreement, and every number of the sites that either has."""
    out = [_difference("", "verdict", left.verdict, right.verdict)]
    out += [_difference("", n, getattr(left.function, n), getattr(right.function, n)) for n in OF_PAIR]
    sides = [{s.site: s for s in report.sites} for report in (left, right)]
    for name in dict.fromkeys([*sides[0], *sides[1]]):
        both = [side.get(name) for side in sides]
        numbers = [{} if s is None else flat(s) for s in both]
        intervals = [{} if s is None else s.intervals for s in both]
        for key in dict.fromkeys([*numbers[0], *numbers[1]]):
            if key not in ("site", "reasons") and not key.endswith((".low", ".high")):
                ends = (intervals[0].get(key), intervals[1].get(key))
                out.append(_difference(name, key, numbers[0].get(key), numbers[1].get(key), ends))
    return out


_Interval = tuple[float, float] | None


def _difference(
    site: str,
    name: str,
    left: float | str | None,
    right: float | str | None,
    ends: tuple[_Interval, _Interval] = (None, None),
) -> Difference:
    apart: bool | None = None
    if isinstance(left, str) and isinstance(right, str):
        apart = left != right
    elif ends[0] is not None and ends[1] is not None:
        apart = ends[0][1] < ends[1][0] or ends[1][1] < ends[0][0]
    return Difference(site, name, left, right, apart, *ends)


def overview_html(overview: Overview) -> str:
    """Every target of one source, with links to the reports."""
    return _render("overview.html", o=overview)
