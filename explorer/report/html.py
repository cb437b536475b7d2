"""report.html and overview.html: one self-contained file each, calm, printable, light and dark."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explorer.alignment import PairResult, rungs, seams, shown, which_is_what
from explorer.models import residual_index
from explorer.number_text import number, signed
from explorer.palette import DARK, LIGHT, Palette
from explorer.report import svg as report_svg
from explorer.report.schema import Report

if TYPE_CHECKING:
    pass

TEMPLATES = Path(__file__).resolve().parent / "templates"


def _render(name: str, **values: Any) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {"two": number, "three": lambda value: number(value, 3), "signed": signed}
    return environment.get_template(name).render(light=_variables(LIGHT), dark=_variables(DARK), **values)


def _variables(palette: Palette) -> str:
    names = {f.name: getattr(palette, f.name) for f in fields(Palette) if f.name != "highlight"}
    return "".join(f"--{name}:{colour};" for name, colour in names.items())


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
        rungs=shown(rungs()),
        seams={"mean": "mean row"} | {seam: m.title for seam, m in shown(seams()).items()},
    )
