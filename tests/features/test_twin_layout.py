"""Twin layouts and their figure: planted groups, one lock, places of frames, colours of every kind; exports."""

import json
import threading
import time
import xml.etree.ElementTree as ET
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from explorer.alignment.map_registry import arms
from explorer.alignment.orthogonal import haar
from explorer.features import umap_layout as twin_layout
from explorer.features.contexts import Context
from explorer.models.sites import Site
from explorer.palette import DARK, LIGHT
from explorer.presentation.features import captions as feature_sentences, card_export as feature_export
from explorer.presentation.features.densities import densities
from explorer.presentation.features.map_colours import COLOURINGS
from explorer.presentation.features.map_tables import other_side, side_table
from explorer.presentation.features.maps import STEPS, twin_maps
from explorer.sae.sae import SAE

SITE = Site(1, 2)


def planted(n: int = 40, d: int = 16, groups: int = 4) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Directions of A in tight groups, B's the same ones rotated, and the rotation back."""
    centres = torch.randn(groups, d)
    a = centres.repeat_interleave(n // groups, 0) + 0.05 * torch.randn(n, d)
    q = haar(d, 3).float()
    return a, a @ q.T, q


def sae(decoder: torch.Tensor) -> SAE:
    n, d = decoder.shape
    return SAE("topk", 2, decoder.T.contiguous(), torch.zeros(n), decoder, torch.zeros(d))


@pytest.fixture(scope="module")
def layout() -> pd.DataFrame:
    torch.manual_seed(0)
    a, b, q = planted()
    words = [[" north", " sea", "ing"]] * 10 + [[" bread"]] * 10 + [["x"]] * 10 + [[]] * 10
    return twin_layout.site_layout(SITE, sae(a), sae(b), q, words)


@pytest.mark.slow
def test_rotated_twins_fall_on_their_originals(layout: pd.DataFrame) -> None:
    a, b = (layout[layout.side == side].set_index("feature") for side in ("source", "target"))
    assert len(a) == len(b) == 40 and set(layout.site) == {1}
    places = a[["x", "y"]].to_numpy()
    assert np.abs(places).max() <= 1
    rotated = np.linalg.norm(b[["x", "y"]].to_numpy() - places, axis=1)
    raw = np.linalg.norm(b[["raw_x", "raw_y"]].to_numpy() - places, axis=1)
    assert np.median(rotated) < 0.3 * np.median(raw)
    assert (a[["raw_x", "raw_y"]].to_numpy() == places).all()


@pytest.mark.slow
def test_without_a_dictionary_of_the_target_only_a_has_a_map() -> None:
    a, _, q = planted()
    found = twin_layout.site_layout(SITE, sae(a), None, q, [[]] * 40)
    assert set(found.side) == {"source"} and len(found) == 40


def test_regions_are_named_by_what_sets_them_apart() -> None:
    region = np.array([0, 0, 0, 1, 1])
    words = [[" sea", " the"], [" sea", "ing"], [" wind", " the"], [" bread", " the"], [" bread", " the"]]
    names = twin_layout.region_names(region, words, 2)
    assert names[0].startswith("sea") and names[1].startswith("bread") and "ing" not in names[0]
    assert twin_layout.region_names(np.array([0]), [[]], 1) == ["region 1"]
    places = np.concatenate([np.random.default_rng(0).normal(c, 0.05, (60, 2)) for c in (-1, 1)]).astype(np.float32)
    found = twin_layout.regions(places)
    assert set(found[:60]).isdisjoint(found[60:]) and np.bincount(found).tolist() == sorted(np.bincount(found))[::-1]


def test_two_layouts_never_run_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    import umap

    running, most = [0], [0]

    class Slow:
        def __init__(self, **_: Any) -> None: ...

        def fit_transform(self, rows: np.ndarray) -> np.ndarray:
            running[0] += 1
            most[0] = max(most[0], running[0])
            time.sleep(0.05)
            running[0] -= 1
            return rows[:, :2]

    monkeypatch.setattr(umap, "UMAP", Slow)
    threads = [threading.Thread(target=twin_layout.umap_layout, args=(torch.randn(20, 4),)) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert most == [1]


@pytest.fixture
def table() -> pd.DataFrame:
    n = 40
    rng = np.random.default_rng(0)
    made = pd.DataFrame(
        {
            "density": rng.random(n),
            "largest": 3.0,
            "label": (["slot=ships", "genre=letter", "depth=3", ""] * 10),
            "f1": rng.random(n),
            "fires_on": [["<ship>"]] * n,
            "promoted": [[" sea"]] * n,
            "suppressed": [[" land"]] * n,
            "one_to_one": rng.permutation(n),
            "one_to_one_r": rng.random(n),
            "one_to_one_cosine": rng.random(n),
            "partner": rng.integers(0, n, n),
            "partner_r": rng.random(n),
            "mutual": False,
            "firing_partner": -1,
            "firing_partner_r": np.nan,
        }
    )
    for arm in arms():
        made[f"r_{arm}"] = np.where(rng.random(n) < 0.1, np.nan, rng.random(n))
        made[f"cosine_{arm}"], made[f"density_{arm}"], made[f"f1_{arm}"] = rng.random(n), 0.1, rng.random(n)
    made.loc[5, "one_to_one"] = -1
    return made.rename_axis("feature")


@pytest.mark.slow
@pytest.mark.parametrize("by", COLOURINGS)
@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_the_maps_carry_every_feature_with_its_number(
    layout: pd.DataFrame, table: pd.DataFrame, by: str, palette: Any
) -> None:
    a, b = side_table(table, layout, "rotated"), other_side(table, layout, table)
    figure = twin_maps(a, b, ([0, 1], {2}), "rotated", by, ("A", "B"), palette)
    assert figure.to_json() == twin_maps(a, b, ([0, 1], {2}), "rotated", by, ("A", "B"), palette).to_json()
    assert [c[1] for c in figure.data[0].customdata] == list(range(40)) and figure.data[1].customdata[0][0] == "B"
    assert [i for i in range(40) if figure.data[0].marker.opacity[i] > 0.5] == [0, 1]
    first, last = figure.frames[0].data[0], figure.frames[-1].data[0]
    np.testing.assert_allclose(first.x, b["raw_x"], atol=1e-3)
    np.testing.assert_allclose(last.y, b["y"], atol=1e-3)
    np.testing.assert_allclose(figure.data[1].x, last.x, atol=1e-3)
    raw = twin_maps(a, b, ([], ()), "raw", by, ("A", "B"), palette)
    np.testing.assert_allclose(raw.data[1].x, first.x, atol=1e-3)
    assert len(figure.frames) == STEPS + 1 and "&lt;ship&gt;" in figure.data[0].text[0]


@pytest.mark.slow
def test_b_takes_its_r_from_its_match(layout: pd.DataFrame, table: pd.DataFrame) -> None:
    b = other_side(table, layout, None)
    for feature, other in table["one_to_one"].items():
        if other >= 0:
            assert b.loc[other, "r"] == pytest.approx(table.loc[feature, "one_to_one_r"])
    assert b["r"].isna().sum() == 1


def test_densities_are_shares_of_all_tokens() -> None:
    counts = {"source": np.array([4, 0, 2, 0]), "rotated": np.array([1, 1, 0, 3])}
    figure = densities(counts, 3.0, 100, {"source": "A", "rotated": "B"}, LIGHT)
    np.testing.assert_allclose(figure.data[0].x, [0.5, 1.5, 2.5, 4.0])
    np.testing.assert_allclose(figure.data[0].y, [0.04, np.nan, 0.02, np.nan])
    assert figure.layout.xaxis.title.text == "activation" and figure.layout.yaxis.title.text == "share of tokens"


def test_a_card_as_data_and_as_a_picture(table: pd.DataFrame) -> None:
    nan = float("nan")
    context = Context(3, (" The", " <ship>", " & sails", "\n"), (nan, 2.5, 0.0, 0.0), (nan, 1.0, 0.0, 0.1), True)
    data = json.loads(feature_export.card_json(table, 5, "tales", ("A", "B"), SITE, "rotated", [context]))
    assert data["feature"] == 5 and data["partners"]["one_to_one"] == -1 and data["contexts"][0]["source"][0] is None
    assert data["maps"]["rotated"]["cosine_rotated"] == pytest.approx(table.loc[5, "cosine_rotated"])
    rows = feature_sentences.readings(table, 5)
    said = feature_sentences.headline(table, 5, "rotated", "A", "B")
    picture = feature_export.card_svg(
        said, feature_sentences.partner(table, 5, "B"), rows, [context], ("A", "B"), "rotated"
    )
    root = ET.fromstring(picture)
    written = "".join(root.itertext())
    assert "<ship>" in written and "Feature 5 of A" in written
    shaded = [e for e in root.iter() if e.tag.endswith("rect") and e.get("fill-opacity")]
    assert len(shaded) == 3 and float(shaded[0].get("fill-opacity") or 0) == pytest.approx(0.55)  # the deepest
