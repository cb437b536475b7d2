"""The paper's release bundle beside a study: a bundle of made-up numbers in the layout that the replication writes."""

import io
import json
import math
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from explorer.cli import command_line as cli
from explorer.errors import InputError
from explorer.narrative import paper_bundle
from explorer.narrative.bundle_quantities import QUANTITIES
from explorer.narrative.bundle_table import BundleTable, compare_bundle
from explorer.narrative.claims import CLAIMS
from explorer.narrative.paper_bundle import SITE, Source, read_bundle, residual_place
from explorer.study.library import open_study

PYTHIA = ["layer0_resid_pre", *(f"layer{i}_resid_post" for i in range(6))]
TOY = ["resid_pre_0", "resid_mid_0", "resid_post_0", "resid_pre_1", "resid_mid_1", "resid_post_1", "resid_pre_2"]


def ev(value: float) -> dict[str, float]:
    return {"explained_var": value, "recon_mse": 0.1}


def results() -> dict[str, Any]:
    """scale/pythia_rotation/results.json of three seeds, with a number of its own for every site."""
    panel_a: dict[str, Any] = {"per_site_pair": {}, "summary": {}}
    panel_b: dict[str, Any] = {}
    panel_c: dict[str, Any] = {}
    for i, site in enumerate(PYTHIA):
        panel_a["per_site_pair"][site] = {
            f"seed1_vs_seed{j}": {"fraction_stable": 0.9 + j / 100, "mean_max_cos": 0.8} for j in (2, 3)
        }
        panel_b[site] = {f"sae{a}_on_acts{b}": ev(0.95 if a == b else -1.0) for a in (1, 2) for b in (1, 2)}
        panel_c[site] = {
            "alignment": {f"seed{j}_to_anchor": {"rot_EV": 0.5, "raw_EV": -0.9, "frob_R_minus_I": 32} for j in (2, 3)},
            "sae_post_rotation": {
                f"seed{j}_to_anchor": {"raw": ev(-i - j), "rotated": ev(0.8 + i / 100)} for j in (2, 3)
            },
            "summary": {"mean_raw_EV": 99.0},
        }
    panel_d = {"transfer_ratio": {"sentiment": {"0.5": 2.0, "4.0": 4.0}}}
    return {"models": [], "panel_A": panel_a, "panel_B": panel_b, "panel_C": panel_c, "panel_D": panel_d}


def files() -> dict[str, Any]:
    audit = {
        site: {"sae_post_rotation": {f"seed{j}": {"x8_raw": ev(0.3), "x8_rotated": ev(0.9)} for j in (1, 2)}}
        for site in TOY
    }
    spectrum = {
        "seed2_vs_seed1": {site: {"ks_pvalue_vs_haar": math.nan if site == PYTHIA[0] else 0.99} for site in PYTHIA}
    }
    run = {"site": "layer3_resid_post", "sae_self_train_EV": 0.91, "naive_cross_ckpt_EV": -0.86, "rotation_audit": {}}
    return {
        "scale/pythia_rotation/results.json": results(),
        "scale/pythia_rotation/eigenvalue_spectrum.json": {"per_pair": spectrum},
        "cross_seed/exp1d_rotation_audit.json": audit,
        "cross_checkpoint/results.json": {"variant_b": run},
    }


def write(root: Path, folder: str = "") -> Path:
    for name, what in files().items():
        path = root / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(what))
    (root / folder / "seeds").mkdir()
    (root / folder / "seeds" / "ckpt_0058000.pt").write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")
    return root


def packed(root: Path, kind: str) -> Path:
    out = root.parent / f"bundle.{kind}"
    paths = [p for p in sorted(root.rglob("*")) if p.is_file()]
    if kind == "zip":
        with zipfile.ZipFile(out, "w") as archive:
            for path in paths:
                archive.write(path, path.relative_to(root))
    else:
        with tarfile.open(out, "w:gz") as archive:
            for path in paths:
                archive.add(path, str(path.relative_to(root)))
    return out


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> BundleTable:
    root = write(tmp_path_factory.mktemp("bundle") / "it")
    return compare_bundle(read_bundle(root), open_study("tales"), "seed0", "seed1", open_study("dyck3"))


def test_a_folder_a_zip_and_a_tar_hold_the_same(tmp_path: Path) -> None:
    plain = read_bundle(write(tmp_path / "plain")).files
    assert set(plain) == set(files())
    for kind in ("zip", "tar.gz"):
        inside = read_bundle(packed(write(tmp_path / kind / "it", "artifacts"), kind))
        assert {name.removeprefix("artifacts/") for name in inside.files} == set(files())
        assert inside.holds("scale/pythia_rotation/results.json")


def test_every_quantity_belongs_to_a_claim() -> None:
    names = [claim.name for claim in CLAIMS]
    assert {q.claim for q in QUANTITIES} <= set(names)
    order = list(dict.fromkeys(q.claim for q in QUANTITIES))
    assert order == sorted(order, key=names.index)


@pytest.mark.parametrize(
    ("site", "place"),
    [("layer0_resid_pre", 0), ("layer5_resid_post", 6), ("resid_pre_2", 2), ("resid_post_0", 1), ("resid_mid_1", None)],
)
def test_places_of_sites(site: str, place: int | None) -> None:
    assert residual_place(site) == place


def test_numbers_of_every_pair_stand_beside_ours_by_site(table: BundleTable) -> None:
    raw = {r.site: r for r in table.rows if (r.claim, r.what) == ("raw", "EV of A's dictionary on B, raw")}
    assert list(raw) == ["input", *(f"after {i}" for i in range(1, 6)), "end"]
    assert raw["after 2"].bundle == (-4.0, -5.0), "of both pairs, not the summary that stands beside them"
    pairs = [open_study("tales").pair("seed0", t) for t in ("seed1", "seed2")]
    for i, label in enumerate(("input", "after 1", "after 2", "after 3")):
        own = [p.sites[i].dictionary["raw"].paper.value for p in pairs]  # type: ignore[index]
        assert set(own) <= set(raw[label].ours)
    assert raw["after 4"].ours == raw["after 5"].ours == (), "this study's models end earlier"
    own = [p.sites[-1].dictionary["raw"].paper.value for p in pairs]  # type: ignore[index]
    assert set(own) <= set(raw["end"].ours), "the end lies beside the end"
    ceiling = next(r for r in table.rows if r.what.startswith("EV of A's dictionary on A"))
    assert ceiling.bundle == (0.95, 0.95), "each dictionary on its own model only"


def test_what_is_no_number_is_missing_and_one_site_keeps_its_place(table: BundleTable) -> None:
    random = {r.site: r.bundle for r in table.rows if r.claim == "random"}
    assert random["input"] == () and random["after 1"] == (0.99,)
    own = [r for r in table.rows if r.what == "EV of its dictionary on itself" and r.bundle]
    assert [(r.site, r.bundle) for r in own] == [("after 4", (0.91,))]
    steered = [r for r in table.rows if r.claim == "raw steering"]
    assert [(r.site, r.bundle, r.ours) for r in steered] == [("sentiment", (2.0, 4.0), ())]


def test_the_toy_names_one_place_twice_and_has_sites_that_are_none_here(table: BundleTable) -> None:
    rotated = [r for r in table.rows if (r.claim, r.what) == ("toy, shared", "EV of A's dictionary on B, after R")]
    assert [r.site for r in rotated] == [
        *("input", "resid_mid_0", "after 1 (resid_post_0)", "after 1 (resid_pre_1)"),
        *("resid_mid_1", "end (resid_post_1)", "end (resid_pre_2)"),
    ]
    assert [bool(r.ours) for r in rotated] == [True, False, True, True, False, True, True]


def test_what_the_bundle_lacks_is_said(table: BundleTable) -> None:
    lacks = "\n".join(table.lacks)
    assert "the bundle lacks scale/pythia_rotation/firing_pattern.json, that is firing (firing r, raw" in lacks
    assert "the bundle lacks independent_init/rotation_audit.json, that is toy, independent (" in lacks
    assert (
        "the bundle's cross_checkpoint/results.json lacks checkpoints (EV on the later checkpoint, after R); " in lacks
    )
    assert "decoder cosine" not in lacks
    firing = [r for r in table.rows if r.claim == "firing"]
    assert firing and all(r.bundle == () and r.ours for r in firing), "ours stand there all the same"


def test_the_command_prints_the_table_and_one_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = str(packed(write(tmp_path / "it"), "tar.gz"))
    assert cli.main(["claims", "--paper", where]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "raw: EV of A's dictionary on B, raw; paper −2.11 to +0.75" in out
    assert "The bundle lacks scale/pythia_rotation/firing_pattern.json, that is" in out
    assert "−4.50 (−5.00 to −4.00)" in out
    assert "√(2d) is 22.63 in tales, 11.31 in dyck3." in out and out.startswith("Read at every site of seed0 → seed1")
    assert cli.main(["claims", "--paper", where, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {"claim", "what", "site", "paper", "bundle", "ours"} == set(told["rows"][0]) and told["lacks"]
    assert cli.main(["claims"]) == 0
    assert "One rotation repairs it" in capsys.readouterr().out


def refused(where: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_bundle(where)
    return str(caught.value)


def test_archives_are_somebody_elses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    up = tmp_path / "up.zip"
    with zipfile.ZipFile(up, "w") as archive:
        archive.writestr("../results.json", "{}")
    assert "would lie outside" in refused(up)
    linked = tmp_path / "linked.tar.gz"
    with tarfile.open(linked, "w:gz") as archive:
        member = tarfile.TarInfo("scale/results.json")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(member)
    assert "holds no result files" in refused(linked)
    big = tmp_path / "big.tar.gz"
    with tarfile.open(big, "w:gz") as archive:
        member = tarfile.TarInfo("results.json")
        member.size = paper_bundle.MOST_IN_ONE + 1
        archive.addfile(member, io.BytesIO(bytes(member.size)))
    assert "at most 32 are read" in refused(big)
    deep = tmp_path / "deep"
    deep.mkdir()
    (deep / "results.json").write_text("[" * 100_000)
    assert "is damaged (no JSON)" in refused(deep)
    cut = tmp_path / "cut.zip"
    cut.write_bytes(up.read_bytes()[:-30])
    for path in (cut, tmp_path / "nothing", Path(__file__)):
        assert "no folder, zip or tar.gz" in refused(path)


def test_a_path_is_walked_by_site_and_pattern() -> None:
    bundle = paper_bundle.Bundle({"it/a.json": {"x": {"s1": {"seed1": 1, "seed2": "2", "n": 3, "flag": True}}}})
    (found,) = bundle.read(Source("a.json", ("x", SITE, r"~seed\d")))
    assert (found.site, found.values, found.mean) == ("s1", (1.0,), 1.0)
    assert bundle.read(Source("b.json", (SITE,))) == ()
