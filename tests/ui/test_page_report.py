"""Every figure of the Rotation page, as the page draws it, against report.json and rotations.safetensors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from safetensors.numpy import load_file
from streamlit.testing.v1 import AppTest
from test_rotation_page import APP, figure, values

from explorer.alignment import stitching as stitch
from explorer.alignment.map_registry import arms, rungs, seams, shown as drawn
from explorer.narrative import INDEX_NAMES
from explorer.pipeline import run_check as checking
from explorer.pipeline.check_options import CheckOptions, Checkpoint
from explorer.sae import fit as sae_fit
from explorer.study.library import adopt, open_study, unfinished_folder
from explorer.text.tales import contrasts
from explorer.ui.rotation.questions import ANSWERS

NULLS = {
    "shuffled pairs": ("nulls_scale", "shuffled"),
    "untrained target": ("nulls_scale", "untrained"),
    "random rotation": ("nulls", "haar"),
}


@dataclass
class Checked:
    """A whole check of two tiny models with dictionaries, as a study of the app."""

    name: str
    report: dict[str, Any]
    rotations: dict[str, Any]
    labels: list[str]

    def site(self, number: int) -> dict[str, Any]:
        return dict(self.report["sites"][number])


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory, tokenizer: Any) -> Iterator[Checked]:
    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("page-report")
    a, b = (tiny.save("llama", tokenizer, root / name, seed) for seed, name in enumerate("AB"))
    text = root / "tales.txt"
    text.write_text("<|endoftext|>".join(tiny.stories(6000)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EXPLORER_CACHE", str(root / "cache"))
        patch.setenv("EXPLORER_ROOTS", str(root))
        patch.setattr(sae_fit, "ROWS", 8_000)
        patch.setattr(contrasts, "PLANS", ())
        patch.setattr(stitch, "TOKENS", 600)
        options = CheckOptions(str(text), sae="train", tokens=6000, context=32, sites="1,3")
        made = unfinished_folder()
        checking.check(Checkpoint(str(a)), Checkpoint(str(b)), made, options, "the command")
        own = adopt(made, "a-b")
        (report,) = Path(own.folder).rglob("report.json")
        labels = [s.label for s in open_study(own.name).pair("A", "B").sites]
        yield Checked(
            own.name, json.loads(report.read_text()), load_file(report.with_name("rotations.safetensors")), labels
        )


def open_site(checked: Checked, number: int, **state: str) -> AppTest:
    app = AppTest.from_file(APP, default_timeout=120)
    app.switch_page("../pages/rotation.py")
    for key, value in {"study": checked.name, "site": checked.labels[number], **state}.items():
        app.session_state[key] = value
    app.run()
    assert not app.exception and not app.error
    return app


def traces(app: AppTest, number: int) -> dict[str, Any]:
    """Traces of a figure by name, or by the words that stand at their first point."""
    found: dict[str, Any] = {}
    for trace in figure(app, number)["data"]:  # type: ignore[attr-defined]
        y = trace.get("y")
        key = trace.get("name") or (y[0] if isinstance(y, list) and y and isinstance(y[0], str) else len(found))
        found[key] = trace
    return found


@pytest.mark.parametrize("reading", ["paper-style", "faithful"])
def test_bars_and_ceilings(checked: Checked, reading: str) -> None:
    app = open_site(checked, 0, reading=reading, scale="EV", ask="Every map")
    bars = traces(app, 1)
    told = [s["sae"] for s in checked.report["sites"]]
    suffix = "" if reading == "paper-style" else "_faithful"
    compared = [arm for arm in arms() if f"{arm}{suffix}" in told[0]]
    assert compared == (["raw", "translated", "rotated", "affine", "shuffled"] if not suffix else ["rotated"])
    for arm in compared:
        assert np.allclose(values(bars[arm], "y"), [s[f"{arm}{suffix}"] for s in told], atol=1e-9), arm
    if not suffix:
        lines = [s["y0"] for s in figure(app, 1)["layout"]["shapes"] if s["x1"] != 1]  # type: ignore[index]
        assert np.allclose(lines, [s["ceiling"] for s in told])


@pytest.mark.parametrize("number", [0, 1])
def test_dial_ladder_spectrum_stitching_and_fit(checked: Checked, number: int) -> None:
    told = checked.site(number)
    app = open_site(checked, number, reading="paper-style", scale="EV")
    spec = figure(app, 1)
    shuffled, dictionary, direct = (values(spec["data"][i], "y") for i in (2, 3, 4))  # type: ignore[index]
    # The dial turns by the best R of determinant +1.
    near = 1e-6 if told["rotation"]["det"] > 0 else 2e-2
    assert dictionary[0] == pytest.approx(told["sae"]["raw"], abs=1e-6)
    assert dictionary[-1] == pytest.approx(told["sae"]["rotated"], abs=near)
    assert direct[-1] == pytest.approx(told["ev"]["orthogonal"], abs=near)
    assert shuffled[-1] == pytest.approx(told["sae"]["shuffled"], abs=2e-2)
    ceiling = max(s["y0"] for s in spec["layout"]["shapes"])  # type: ignore[index]
    assert ceiling == pytest.approx(told["sae"]["ceiling"], abs=1e-6)

    app.segmented_control(key="ask").set_value("Which map?").run()
    ladder = traces(app, 1)
    for rung, m in drawn(rungs()).items():
        low, high = told["intervals"][f"ev.{rung}"]
        (x,) = values(ladder[m.title], "x")
        assert x == pytest.approx(told["ev"][rung], abs=1e-9)
        bars = ladder[m.title]["error_x"]
        assert x - values(bars, "arrayminus")[0] == pytest.approx(low, abs=1e-9)
        assert x + values(bars, "array")[0] == pytest.approx(high, abs=1e-9)
    assert values(ladder["token lookup"], "x")[0] == pytest.approx(told["nulls"]["token_lookup"])
    for title, (kind, key) in NULLS.items():
        assert max(values(ladder[title], "x")) == pytest.approx(told[kind][key]), "the report gives the largest"

    app.segmented_control(key="ask").set_value("CKA?").run()
    table = app.dataframe[0].value.set_index("index")
    for name, index in told["similarity"].items():
        assert table.loc[INDEX_NAMES[name], "value"] == index["value"]
        assert table.loc[INDEX_NAMES[name], "best"] == index["shuffled_best"]
    app.segmented_control(key="ask").set_value("Is R random?").run()
    counts = values(traces(app, 1)[0], "y")
    R = checked.rotations[f"{told['site']}.R"].astype(np.float64)
    angles = np.abs(np.angle(np.linalg.eigvals(R)))
    edges = np.linspace(0, np.pi, len(counts) + 1)
    assert sum(counts) == len(R)
    assert np.abs(np.histogram(angles, edges)[0] - counts).sum() <= 2, "at most one angle on the edge of two bins"
    shown = " ".join(h.proto.body for h in app.get("html"))
    assert f"{told['rotation']['frobenius_from_identity']:.2f}" in shown
    assert f"{told['rotation']['identified_rank']} of {len(R)} directions" in shown

    app.segmented_control(key="ask").set_value("Does the function survive?").run()
    ways = list(traces(app, 1).values())
    for trace, way in zip(ways, ("source_to_target", "target_to_source"), strict=True):
        assert values(trace, "x") == pytest.approx([told["stitch"][way][arm] for arm in ("mean", *drawn(seams()))])
    shown = " ".join(h.proto.body for h in app.get("html"))
    both = checked.report["function"]
    assert f"{both['loss_source']:.3f} and {both['loss_target']:.3f} nats per token, KL {both['kl']:.3f}" in shown

    app.segmented_control(key="ask").set_value("How much text?").run()
    affine, rotation = list(traces(app, 1).values())[:2]
    assert values(rotation, "y")[-1] == pytest.approx(told["ev"]["orthogonal"], abs=2e-3)
    assert values(affine, "y")[-1] == pytest.approx(told["ev"]["affine"], abs=2e-2), "ridge is chosen on fewer rows"
    assert values(rotation, "x")[-1] == checked.report["rows"]["fit"]


def test_heat_maps(checked: Checked) -> None:
    app = open_site(checked, 0)
    app.segmented_control(key="ask").set_value("Other depths").run()
    depths = figure(app, 1)["data"][0]["z"]  # type: ignore[index]
    assert np.allclose(depths, checked.report["ev_cross_site"])
    app.segmented_control(key="ask").set_value("Other pairs").run()
    pairs = figure(app, 1)["data"][0]["z"]  # type: ignore[index]
    assert np.allclose(pairs, [[s["ev"]["orthogonal_scale"] for s in checked.report["sites"]]])
    assert set(ANSWERS) == {
        "Turn the dial", "Every map", "Which map?", "Is R random?", "CKA?",
        "Does the function survive?", "How much text?", "Other depths", "Other pairs",
        "Over training",
    }, "a new question needs its line here; the table over training belongs to shipped studies only"  # fmt: skip
