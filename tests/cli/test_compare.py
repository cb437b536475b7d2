"""Two reports beside each other: intervals decide what is apart, and every cell has its place."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from explorer.alignment.results import FunctionResult, Rows
from explorer.cli import command_line as cli
from explorer.files import write_json
from explorer.report.overview import compare
from explorer.report.schema import SCHEMA, ModelFacts, Models, Report, Rotation, SiteReport

SITE = SiteReport(
    site="blocks.1.hook_resid_pre",
    ev={"mean": -0.01, "orthogonal": 0.25, "affine": 0.5},
    rho=0.5,
    nulls={"shuffled": -1.25},
    nulls_affine={"shuffled": 0.0},
    p=0.05,
    sae=None,
    decoder_cosine=None,
    rotation=Rotation(11.0, 11.3, 1.0, 60, 0.01, 0.4, 1.0),
    stitch={"source_to_target": {"orthogonal": 0.75}},
    firing=None,
    intervals={"ev.orthogonal": (0.2, 0.3), "ev.affine": (0.45, 0.55)},
    verdict="partly rotation",
    reasons=("because",),
    dictionary="TopK of 96 features, k = 6, 0a1b2c",
)
FACTS = ModelFacts("a-model", None, "0" * 64, 64, 2, 1000)
LEFT = Report(
    schema=SCHEMA,
    models=Models(FACTS, FACTS),
    rows=Rows(600, 200, 200, 0),
    function=FunctionResult(1.5, 1.6, 0.1, 0.875),
    sites=(SITE,),
    ev_cross_site=((0.25,),),
    steering=None,
    verdict="partly rotation",
    reasons=("because",),
    next="look",
    text="a text",
    command="check",
    versions={},
    seconds=1.0,
)
RIGHT = replace(
    LEFT,
    function=FunctionResult(1.5, 1.7, 0.2, 0.75),
    sites=(
        replace(
            SITE,
            ev={"mean": -0.02, "orthogonal": 0.375, "affine": 0.5625},
            intervals={"ev.orthogonal": (0.31, 0.44), "ev.affine": (0.5, 0.6)},
            dictionary="TopK of 96 features, k = 6, ffffff",
        ),
        replace(SITE, site="blocks.2.hook_resid_pre"),
    ),
)


def test_intervals_decide_what_is_apart() -> None:
    found = {(d.site, d.name): d for d in compare(LEFT, RIGHT)}
    here = "blocks.1.hook_resid_pre"
    assert found[here, "ev.orthogonal"].apart is True, "0.2 to 0.3 and 0.31 to 0.44"
    assert found[here, "ev.affine"].apart is False, "unequal, but the intervals overlap"
    assert found[here, "ev.mean"].apart is None and found["", "loss_target"].apart is None, "no interval, no judgement"
    assert found[here, "dictionary"].apart is True and found["", "verdict"].apart is False
    assert (found["", "top1_agreement"].left, found["", "top1_agreement"].right) == (0.875, 0.75)
    assert (found[here, "ev.affine"].left_interval, found[here, "ev.affine"].right_interval) == (
        (0.45, 0.55),
        (0.5, 0.6),
    )
    only = found["blocks.2.hook_resid_pre", "ev.affine"]
    assert (only.left, only.right, only.apart) == (None, 0.5, None), "a site that one report has is told, too"


def test_the_cells_stand_apart_and_in_columns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, report in (("one", LEFT), ("two", RIGHT)):
        write_json(tmp_path / name / "report.json", report)
    assert cli.main(["compare", str(tmp_path / "one"), str(tmp_path / "two")]) == 0
    lines = capsys.readouterr().out.splitlines()
    told = {line.split()[0]: line.split("  ") for line in reversed(lines) if line.strip()}
    cells = {name: [c.strip() for c in parts if c.strip()] for name, parts in told.items()}
    assert cells["ev.orthogonal"] == ["ev.orthogonal", "0.250 [0.200, 0.300]", "0.375 [0.310, 0.440]", "apart"]
    assert cells["ev.affine"] == ["ev.affine", "0.500 [0.450, 0.550]", "0.562 [0.500, 0.600]"]
    assert cells["ev.mean"] == ["ev.mean", "−0.010", "−0.020"] and cells["nulls.shuffled"][1:] == ["−1.250", "−1.250"]
    assert cells["loss_target"] == ["loss_target", "1.600", "1.700"] and cells["top1_agreement"][1:] == [
        "0.875",
        "0.750",
    ]
    assert cells["dictionary"] == ["dictionary", SITE.dictionary, RIGHT.sites[0].dictionary, "differs"]
    numbers = [line for line in lines if line.startswith(("ev.", "nulls", "loss", "kl", "rho"))]
    assert len({len(line.removesuffix("  apart")) for line in numbers}) == 1, "right-aligned"
