"""transfer and steer from the command line, on a study of a tiny Llama, its twin, and a stranger."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from test_live import site_maps
from test_sae import random_sae

from explorer.alignment.orthogonal import haar
from explorer.alignment.site_maps import SiteMaps
from explorer.alignment.twin import twin_rotation
from explorer.cli import command_line as cli
from explorer.files import write_json
from explorer.models.sites import all_sites
from explorer.sae.formats.saelens import save_sae
from explorer.steering.arms import ARMS
from explorer.study.pair_tensors import save_tensors
from explorer.study.schema import SCHEMA, DictionaryEntry, PairEntry, StudyFile
from explorer.text.documents import TextEntry

D, LAYERS = tiny.SHAPE["hidden_size"], tiny.SHAPE["num_hidden_layers"]
SITE = all_sites(LAYERS)[1]


@pytest.fixture(scope="module")
def study(tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """seed0 → twin as it is, seed0 → seed1 with a made-up R and means, and a dictionary of seed0."""
    folder = tmp_path_factory.mktemp("studies") / "mine"
    models = tiny.seeds_and_twin(tokenizer, folder)
    twin = {site.name: site_maps(twin_rotation(D, 0).T) for site in all_sites(LAYERS)}
    save_tensors(folder / "pairs" / "seed0-twin", twin, {})
    moved = site_maps(haar(D, 3))
    rotated = replace(moved["rotated"], mean_source=torch.randn(D) * 3, mean_target=torch.randn(D) * 3)
    moved = SiteMaps({**moved.by_name, "rotated": rotated})
    save_tensors(folder / "pairs" / "seed0-seed1", {SITE.name: moved}, {})
    save_sae(replace(random_sae("standard", None, D, 60), site=SITE.name), folder / "dictionaries" / "a", "seed0", 48)
    dictionary = DictionaryEntry("seed0", SITE.name, "dictionaries/a", 0.9, 16.0, 1.0)
    text = TextEntry("tales", "held-out", 40, 48, 0.9)
    pairs = (PairEntry("seed0", "twin"), PairEntry("seed0", "seed1"))
    file = StudyFile(SCHEMA, "mine", "A tiny study", D, LAYERS, models, (dictionary,), text, pairs, {}, {})
    write_json(folder / "study.json", file)
    return folder


def steer(study: Path, **options: object) -> list[str]:
    chosen = {"source": "seed0", "target": "twin", "site": 1, "vector": "feature:17", "arm": "rotated", "dose": 0.8}
    chosen |= {"prompt": "Once there was", "new-tokens": 12, "temperature": 0} | options
    return ["steer", str(study), *(f"--{name}={value}" for name, value in chosen.items())]


def told(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> Any:
    assert cli.main([*arguments, "--json"]) == 0
    out, err = capsys.readouterr()
    assert out.count("\n") == 1
    assert err == ""
    return json.loads(out)


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert cli.main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err


@pytest.mark.parametrize("vector", ["contrast:sea", "feature:17"])
def test_the_twin_through_r_writes_what_the_source_writes(
    vector: str, study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = told(steer(study, vector=vector, target="seed0", arm="raw"), capsys)
    rotated = told(steer(study, vector=vector), capsys)
    plain = told(steer(study, vector=vector, arm="none"), capsys)
    raw = told(steer(study, vector=vector, arm="raw"), capsys)
    assert rotated["tokens"] == own["tokens"]
    assert rotated["text"] == own["text"]
    assert own["tokens"] != plain["tokens"]
    assert raw["tokens"] != own["tokens"]
    assert rotated["kl"] == pytest.approx(own["kl"], rel=1e-3)
    assert own["kl"] > 0.01
    assert plain["kl"] == 0
    assert plain["dose_norm"] == 0


def test_every_arm_prints_one_object(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arm in ARMS:
        found = told(steer(study, arm=arm, dose=-0.4), capsys)
        assert list(found) == ["text", "tokens", "kl", "dose", "dose_norm", "arm"]
        assert (found["arm"], found["dose"], len(found["tokens"])) == (arm, -0.4, 12)
        if arm != "none":
            assert found["dose_norm"] < 0


def test_sampling_follows_its_seed(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, same, other = (told(steer(study, temperature=1, seed=seed), capsys)["tokens"] for seed in (1, 1, 2))
    assert one == same != other


def test_without_json_the_text_is_printed_with_its_prompt(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(steer(study)) == 0
    out = capsys.readouterr().out
    assert out.startswith("Once there was")
    assert "[twin, arm rotated, dose +0.8 = length" in out


def test_a_vector_from_a_file(study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from explorer.sae.formats.registry import load_sae

    np.save(tmp_path / "v.npy", load_sae(study / "dictionaries" / "a").W_dec[17].numpy())
    for target, arm in (("seed0", "raw"), ("twin", "rotated"), ("seed1", "random")):
        from_file = told(steer(study, vector=tmp_path / "v.npy", target=target, arm=arm), capsys)
        assert from_file["tokens"] == told(steer(study, vector="feature:17", target=target, arm=arm), capsys)["tokens"]
    assert "no vector of its own" in refused(steer(study, vector=tmp_path / "v.npy", arm="native"), capsys)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "seed7"}, "has no model 'seed7': it has seed0, seed1, twin"),
        ({"source": "seed1", "target": "seed0"}, "the pair seed1 → seed0 is not measured"),
        ({"target": "seed1", "site": 2}, "blocks.2.hook_resid_pre is not measured for seed0 → seed1"),
        ({"site": 9}, "no site '9'"),
        ({"vector": "sea"}, "--vector 'sea': give feature:417, contrast:sea, or a .npy"),
        ({"vector": "contrast:lake"}, "no ready contrast 'lake'"),
        ({"vector": "feature:60"}, "no feature 60: this dictionary has 0 … 59"),
        (
            {"vector": "feature:3", "site": 2},
            "the study has no dictionary of seed0 at blocks.2.hook_resid_pre; it has: ",
        ),
        ({"vector": "gone.npy"}, "the vector 'gone.npy' cannot be read"),
        ({"arm": "sideways"}, "invalid choice: 'sideways'"),
        ({"dose": 3}, "dose 3.0 is outside"),
        ({"dose": "nan"}, "dose nan is outside"),
        ({"dose": "much"}, "invalid float value: 'much'"),
        ({"prompt": ""}, "the prompt is empty"),
        ({"temperature": -1}, "temperature -1.0 is outside"),
        ({"new-tokens": 0}, "0 new tokens are outside"),
        ({"seed": 10**20}, "seed 100000000000000000000 is outside"),
    ],
)
def test_what_cannot_be_steered_is_one_line(
    options: dict[str, object], message: str, study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in refused(steer(study, **options), capsys)


def transfer(study: Path, dictionary: Path, out: Path, **options: object) -> list[str]:
    chosen = {"site": 1, "source": "seed0", "target": "seed1", "sae": dictionary, "out": out} | options
    return ["transfer", str(study), *(f"--{name}={value}" for name, value in chosen.items())]


def test_a_carried_dictionary_is_trained_on(study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from explorer.sae.formats.registry import load_sae

    sae = replace(random_sae("topk", 8, D, 60), site=SITE.name)
    save_sae(sae, tmp_path / "a", "seed0", 48, torch.float32)
    out = tmp_path / "b"
    assert cli.main(transfer(study, tmp_path / "a", out, target="twin", finetune=4100)) == 0
    printed = capsys.readouterr().out
    told = json.loads((out / "warm_start.json").read_text())
    assert (told["rows"], told["site"]) == ([4100], SITE.name)
    assert told["ceiling"] < told["start"], "the twin's own one is another, that of the study"
    assert f"{told['warm'][0]:.3f}" in printed and f"{told['cold'][0]:.3f}" in printed
    carried, trained = load_sae(out), load_sae(out / "finetuned")
    assert trained.name != carried.name and (trained.k, trained.site) == (8, SITE.name)
    assert told["dictionary"] == load_sae(tmp_path / "a").name
    assert told["warm"][0] > told["start"], "a dictionary of random directions has much to learn"
    for more, message in (
        ({"finetune": 100}, "--finetune 100: give 4,096 to"),
        ({"finetune": "x"}, "invalid int value"),
    ):
        assert message in refused(transfer(study, tmp_path / "a", tmp_path / "c", **more), capsys)
    relu = transfer(study, study / "dictionaries" / "a", tmp_path / "c", finetune=4100)
    assert "trains topk dictionaries, not standard ones" in refused(relu, capsys)
    assert not (tmp_path / "c").exists()


@pytest.mark.saelens
@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("architecture", ["topk", "standard", "jumprelu"])
def test_the_carried_dictionary_is_the_map_around_it_in_saelens(
    architecture: str, centred: bool, study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from sae_lens import (
        SAE as Theirs,
        JumpReLUSAE,
        JumpReLUSAEConfig,
        StandardSAE,
        StandardSAEConfig,
        TopKSAE,
        TopKSAEConfig,
    )

    from explorer.study.library import open_study

    options: dict[str, Any] = {"d_in": D, "d_sae": 60, "apply_b_dec_to_input": centred, "dtype": "float32"}
    source = {
        "topk": lambda: TopKSAE(TopKSAEConfig(k=7, rescale_acts_by_decoder_norm=False, **options)),
        "standard": lambda: StandardSAE(StandardSAEConfig(**options)),
        "jumprelu": lambda: JumpReLUSAE(JumpReLUSAEConfig(**options)),
    }[architecture]()
    with torch.no_grad():
        for p in source.parameters():
            p.normal_()
    source.save_model(tmp_path / "a")
    assert cli.main(transfer(study, tmp_path / "a", tmp_path / "b")) == 0
    printed, noise = capsys.readouterr()
    assert f"{architecture}" in printed
    assert noise == ""
    carried = Theirs.load_from_disk(tmp_path / "b", device="cpu")
    assert carried.cfg.architecture() == architecture
    assert carried.cfg.metadata.hook_name == SITE.name
    f = open_study(study).maps("seed0", "seed1")[SITE.name]["rotated"]
    r, mean_a, mean_b = f.matrix.double(), f.mean_source.double(), f.mean_target.double()
    y = torch.randn(300, D) * 2
    with torch.no_grad():
        exact = source.double()
        inside = (y.double() - mean_b) @ r + mean_a
        expected = (exact(inside) - mean_a) @ r.T + mean_b
        np.testing.assert_allclose(carried.encode(y), exact.encode(inside), atol=1e-4)
        error = (carried(y).double() - expected).abs().max() / expected.abs().max()
    assert float(error) < 3e-6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"site": 2}, "blocks.2.hook_resid_pre is not measured for seed0 → seed1"),
        ({"site": 2, "target": "twin"}, "was trained at blocks.1.hook_resid_pre (site 1), not at blocks.2"),
        ({"target": "seed9"}, "has no model 'seed9'"),
        ({"sae": "nowhere"}, "there is no dictionary 'nowhere'"),
    ],
)
def test_what_cannot_be_carried_is_one_line(
    options: dict[str, object], message: str, study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in refused(transfer(study, study / "dictionaries" / "a", tmp_path / "out", **options), capsys)
    assert not (tmp_path / "out").exists(), "exit 2 writes nothing"


def test_a_folder_in_use_is_not_overwritten(study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    assert "is not an empty folder" in refused(transfer(study, study / "dictionaries" / "a", tmp_path), capsys)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_a_dictionary_of_another_width(study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_sae(random_sae("topk", 5), tmp_path / "narrow", "A", 48)
    err = refused(transfer(study, tmp_path / "narrow", tmp_path / "out"), capsys)
    assert f"reads rows of width 12, the model's residual stream has width {D}" in err
