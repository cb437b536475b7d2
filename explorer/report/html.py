"""report.html and overview.html: one self-contained file each, calm, printable, light and dark."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import Any

from explorer.alignment import PairResult, rungs, seams, shown, which_is_what
from explorer.models import residual_index
from explorer.number_text import minus, number, signed
from explorer.palette import DARK, LIGHT, Palette
from explorer.report import svg as report_svg
from explorer.report.schema import RESTORED, Report

TEMPLATES = Path(__file__).resolve().parent / "templates"


def _render(name: str, **values: Any) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    filters: dict[str, Callable[..., str]] = {"two": number, "three": lambda value: number(value, 3)}
    environment.filters |= filters | {"signed": signed, "minus": minus, "p": _p}
    return environment.get_template(name).render(light=_variables(LIGHT), dark=_variables(DARK), **values)


def _variables(palette: Palette) -> str:
    names = {f.name: getattr(palette, f.name) for f in fields(Palette) if f.name != "highlight"}
    return "".join(f"--{name}:{colour};" for name, colour in names.items())


def _p(value: float) -> str:
    """A p-value with three decimals, or that it is smaller than they can say."""
    return "< 0.001" if value < 0.0005 else number(value, 3)


def _when(date: str) -> str:
    """A date and time as people write it, with the zone; empty where none was recorded."""
    if not date:
        return ""
    d = datetime.fromisoformat(date)
    return f"{d.day} {d:%B %Y, %H:%M %Z}"


def report_html(report: Report, result: PairResult) -> str:
    """The report on a pair. Every number in it is the report's."""
    middle = result.sites[len(result.sites) // 2]
    assert report.decided_by is not None  # a report that was just made has it
    figures = {
        "axis": report_svg.verdict_axis(report.decided_by.axis),
        "ladder": report_svg.ladder(result),
        "dictionary": report_svg.dictionary(result),
        "stitching": report_svg.stitching(result),
        "by_position": report_svg.by_position(report.function),
        "fit_curve": report_svg.fit_curve(middle),
        "spectrum": report_svg.spectrum(middle),
        "cross_site": report_svg.cross_site(result),
    }
    labels = {s.site: s.label for s in result.sites}
    embedding = [s.site for s in report.sites if residual_index(s.site) == 0 and len(report.sites) > 1]
    return _render(
        "report.html",
        r=report,
        figures=figures,
        labels=labels,
        middle=middle,
        d=result.d_model,
        control=result.control,
        embedding=embedding,
        which=which_is_what(result.sites),
        restored=RESTORED,
        when=_when(report.date),
        rungs=shown(rungs()),
        seams={"mean": "mean row"} | {seam: m.title for seam, m in shown(seams()).items()},
    )
