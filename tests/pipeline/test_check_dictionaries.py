"""`check --sae PATH` for every format of dictionaries, `--sae-target`, and a pair of every family of models."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from safetensors.torch import save_file
from scipy.linalg import orthogonal_procrustes
from test_sae import random_sae
from test_sae_files import LEARNED, SPARSIFY, write

from explorer.alignment import stitching as stitch
from explorer.alignment.control_runs import controls
from explorer.alignment.pair import measure_pair
from explorer.alignment.results import VERDICTS
from explorer.cache import Cache
from explorer.cli import command_line as cli
from explorer.features.correspondence import nearest_partners
from explorer.models.hooks import residuals
from explorer.sae.formats.saelens import save_sae
from explorer.sae.sae import SAE
from explorer.study.library import open_study
from explorer.text.tales import contrasts

FORMATS = ("saelens", "sparsify", "dictionary_learning", "plain")
K = 5


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, tokenizer: Any) -> Any:
    """Two tiny models, a text, and one dictionary of site 1 in every format."""
    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("dictionaries")
    for name, seed in (("a", 0), ("b", 1)):
        tiny.save("llama", tokenizer, root / name, seed)
    lines = [json.dumps({"text": text}) for text in tiny.stories(6000)]
    (root / "tales.jsonl").write_text("\n".join(lines))
    write_formats(written(), root)
    save_sae(random_sae("topk", K, 24, 64), root / "of-b", "b", 32, torch.float32)
    save_sae(random_sae("topk", K, 32, 64), root / "wide", "a", 32, torch.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EXPLORER_CACHE", str(root / "cache"))
        patch.setattr(contrasts, "PLANS", ())
        patch.setattr(stitch, "TOKENS", 300)
        yield root


def written() -> SAE:
    """The dictionary that every format holds."""
    torch.manual_seed(7)
    return random_sae("topk", K, 24, 64)


def write_formats(sae: SAE, root: Path) -> None:
    """The same function as each library writes it."""
    save_sae(sae, root / "saelens", "a", 32, torch.float32)
    linear = {"encoder.weight": sae.W_enc.T, "encoder.bias": sae.b_enc, "b_dec": sae.b_dec}
    # Folders of sparsify are named after the hook point: the output of block 0 is the input of block 1.
    write(root / "sparsify" / "layers.0", {"activation": "topk", "k": K}, {**linear, "W_dec": sae.W_dec}, SPARSIFY)
    trainer = {"dict_class": "AutoEncoderTopK", "submodule_name": "resid_post_layer_0", "k": K}
    write(root / "dictionary_learning", {"trainer": trainer}, {**linear, "decoder.weight": sae.W_dec.T}, LEARNED)
    arrays = {name: getattr(sae, name).contiguous() for name in ("W_enc", "b_enc", "W_dec", "b_dec")}
    save_file(arrays, root / "plain", metadata={"k": str(K), "hook_name": "blocks.0.hook_resid_post"})


def check(place: Path, out: str, sae: str, *more: str) -> int:
    few = ["--tokens", "6000", "--context", "32", "--device", "cpu", "--text", str(place / "tales.jsonl")]
    return cli.main(
        ["check", *(str(place / m) for m in "ab"), "--out", str(place / out), "--sae", str(place / sae), *few, *more]
    )


def site_of(place: Path, out: str) -> dict[str, Any]:
    (site,) = json.loads((place / out / "report.json").read_text())["sites"]
    return dict(site)


@pytest.mark.parametrize("format_", FORMATS)
def test_a_check_reads_dictionaries_of_every_format(format_: str, place: Path) -> None:
    assert check(place, f"out-{format_}", format_, "--sites", "1") in (0, 1)
    site = site_of(place, f"out-{format_}")
    assert site["sae"]["l0"] == pytest.approx(K, abs=0.2)
    assert site["decoder_cosine"] is None, "the target has no dictionary"
    study = open_study(place / f"out-{format_}" / "study")
    found = study.load_dictionary("A", study.site("blocks.1.hook_resid_pre"))
    assert found is not None
    # The same numbers as by hand on the test rows, so that no format is read as something else.
    chunks, model = study.chunks().split("test"), study.load_model("A")
    rows = residuals(model, chunks.ids, [study.sites[0]])[study.sites[0]][chunks.scored].double()
    sae = written()
    before = ((rows - sae.b_dec) @ sae.W_enc.double() + sae.b_enc).relu()
    values, index = before.topk(K, dim=-1)
    rebuilt = torch.zeros_like(before).scatter(1, index, values) @ sae.W_dec.double() + sae.b_dec
    ev = 1 - float(((rows - rebuilt) ** 2).sum() / ((rows - rows.mean(0)) ** 2).sum())
    assert site["sae"]["ceiling"] == pytest.approx(ev, rel=1e-3)


@pytest.mark.parametrize(
    ("sae", "sites", "message"),
    [
        ("wide", "1", "reads rows of width 32, the model's residual stream has width 24"),
        ("plain", "2", r"trained at blocks.0.hook_resid_post (site 1), not at blocks.2.hook_resid_pre (site 2)"),
        ("tales.jsonl", "1", "no readable safetensors file"),
    ],
)
def test_a_dictionary_that_does_not_fit_is_refused_with_what_was_expected(
    sae: str, sites: str, message: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(place, "never", sae, "--sites", sites) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert not (place / "never").exists()


def test_with_a_dictionary_on_both_sides_the_decoders_are_compared(place: Path) -> None:
    assert check(place, "both", "saelens", "--sites", "1", "--sae-target", str(place / "of-b")) in (0, 1)
    site, study = site_of(place, "both"), open_study(place / "both" / "study")
    a, b = (study.load_dictionary(name, study.sites[0]) for name in ("A", "B"))
    assert a is not None
    assert b is not None
    r = study.maps("A", "B")[study.sites[0].name]["rotated"].matrix
    alive_a, alive_b = (
        torch.from_numpy((study.features(name).sort_values("feature").density > 0).to_numpy().copy()) for name in "AB"
    )
    mine = nearest_partners(a.W_dec[alive_a], b.W_dec[alive_b] @ r).cosine.mean()
    assert site["decoder_cosine"] == pytest.approx(float(mine), abs=1e-5)
    assert 0.3 < site["decoder_cosine"] < 0.9
    html = (place / "both" / "report.html").read_text()
    assert f"its nearest of B, mean): after 1 {site['decoder_cosine']:.2f}." in html


OTHERS = sorted(set(tiny.SETTINGS) - {"llama", "gpt2"})


@pytest.mark.parametrize("family", ["llama", "gpt2", *(pytest.param(f, marks=pytest.mark.slow) for f in OTHERS)])
def test_a_pair_of_every_family_is_measured_and_judged(family: str, tokenizer: Any, place: Path) -> None:
    a, b = tiny.model(family, tokenizer), tiny.model(family, tokenizer, seed=1, name="B")
    chunks, sites = tiny.chunks(40), [a.sites[1], a.sites[-1]]
    shared = controls(a, b, chunks, sites, ("", ""), lambda _step, _share: None, Cache(None))
    result = measure_pair(a, b, chunks, sites, {}, controls=shared).result
    assert shared.positive.passed
    assert shared.positive.kind == ("twin" if family in ("llama", "mistral", "qwen2") else shared.positive.kind)
    assert result.verdict is not None
    assert result.verdict.verdict in VERDICTS
    for site, found in zip(sites, result.sites, strict=True):
        rows = {}
        for split in ("fit", "test"):
            part = chunks.split(split)
            both = [residuals(m, part.ids, [site])[site] for m in (a, b)]
            keep = part.scored
            for x in both:
                keep = keep & (x.norm(dim=-1) <= 10 * x.norm(dim=-1)[part.scored].median())
            rows[split] = [x[keep].double().numpy() for x in both]
        (x, y), (u, v) = rows["fit"], rows["test"]
        r, _ = orthogonal_procrustes(y - y.mean(0), x - x.mean(0))
        rest = (u - ((v - y.mean(0)) @ r + x.mean(0))) ** 2
        assert found.ladder["orthogonal"].value == pytest.approx(
            1 - rest.sum() / ((u - u.mean(0)) ** 2).sum(), abs=0.02
        )
        assert found.stitch is not None
        assert np.isfinite(found.stitch.source_to_target["orthogonal"].value)
