"""A miniature Dyck-3 study from start to end: interrupted, resumed, measured, written, opened."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from explorer.features import umap_layout as twin_layout
from explorer.models.language_model import load_model
from explorer.pipeline import recorded_run
from explorer.sae.trainer import SAERecipe
from explorer.steering import dose_measure
from explorer.study.library import open_study
from explorer.study.study import Study
from explorer.text.dyck import contrasts as dyck_contrasts, language as dyck
from explorer.text.windows import TextReading, read_windows
from explorer.training.dyck import study as dyck_study
from explorer.training.dyck.models import make_models
from explorer.training.dyck.recipe import DyckRecipe, DyckWorkshop, activation_batches, make_dictionaries
from explorer.training.llamas import ModelRecipe
from explorer.training.schedule import Schedule

pytestmark = pytest.mark.slow

RECIPE = DyckRecipe(
    seeds=(0, 1, 2),
    model=ModelRecipe(d_model=16, n_layers=2, n_heads=2, d_mlp=24, context=dyck.CONTEXT),
    schedule=Schedule(steps=100, rows=8, learning_rate=1e-2, warmup=10, weight_decay=0.01),
    again=Schedule(steps=50, rows=8, learning_rate=5e-3, warmup=5, weight_decay=0.01),
    phases=2,
    early=0.5,
    topk=SAERecipe(width=48, k=4, batch=128, dead_after=30),
    relu=SAERecipe(width=48, k=None, l1=1e-3, batch=128),
    sae_batches=60,
    held_out=120,
)
PAIRS = [("A0", "A1"), ("B0", "B1"), ("A0", "step0")]
"""Fewer than a whole study has, to save time."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The study, its workshop and its log."""
    log: list[str] = []
    workshop = DyckWorkshop(tmp_path_factory.mktemp("dyck3"), RECIPE, log.append, fast=False)
    torch.set_num_threads(1)
    dyck_contrasts.ready_contrast.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EXPLORER_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(twin_layout, "umap_layout", lambda directions: directions[:, :2].numpy())
        patch.setattr(dyck_contrasts, "DOCUMENTS", 64)
        patch.setattr(dyck_study, "pairs", lambda _cohorts: PAIRS)
        patch.setattr(recorded_run, "SEEDS", range(1))
        patch.setattr(recorded_run, "NEW_TOKENS", 16)
        patch.setattr(dose_measure, "RANDOM_DIRECTIONS", 4)
        make_models(workshop, stop_after=50)
        assert not workshop.model_folder("A0").exists(), "interrupted half-way"
        make_models(workshop)
        for name in RECIPE.names:
            make_dictionaries(workshop, name)
        dyck_study.build_study(workshop)
        yield workshop, log, open_study(workshop.out)
    dyck_contrasts.ready_contrast.cache_clear()


def weights(workshop: DyckWorkshop, name: str) -> dict[str, torch.Tensor]:
    return load_file(workshop.model_folder(name) / "model.safetensors")


def test_an_interrupted_run_ends_like_an_uninterrupted_one(made: Any, tmp_path: Path) -> None:
    workshop, _, _ = made
    again = DyckWorkshop(tmp_path, RECIPE, lambda _line: None, fast=False)
    make_models(again)
    for name in ("A0", "A1", "B0"):
        for phase in range(RECIPE.phases):
            curves = [(w.out / "work" / f"{name}-phase{phase}.losses.csv").read_text() for w in (workshop, again)]
            assert curves[0] == curves[1]
        one, other = weights(workshop, name), weights(again, name)
        assert all(torch.equal(one[key], other[key]) for key in one)
    curve = (workshop.out / "work" / "B0-phase0.losses.csv").read_text()
    first, last = (float(line.split(",")[1]) for line in curve.splitlines()[1:])
    assert last < first


def test_cohort_a_shares_its_boundary_and_nothing_else(made: Any) -> None:
    workshop, _, _ = made
    a0, a1, b0, b1 = (weights(workshop, name) for name in ("A0", "A1", "B0", "B1"))
    for key in a0:
        shared = key in ("model.embed_tokens.weight", "lm_head.weight")
        if a0[key].ndim == 2:
            assert torch.equal(a0[key], a1[key]) == shared, key
            assert not torch.equal(a0[key], b0[key])
            assert not torch.equal(b0[key], b1[key])
    step0, early = weights(workshop, "step0"), weights(workshop, "early")
    assert not torch.equal(step0["lm_head.weight"], a0["lm_head.weight"])
    assert not torch.equal(early["lm_head.weight"], a0["lm_head.weight"])


def test_the_study_lists_everything_and_opens(made: Any) -> None:
    _, _, study = made
    assert study.corpus.has_labels
    assert [p.name for p in study.corpus.contrasts()] == ["deeper", "broken", "closer"]
    assert [m.name for m in study.file.models] == ["A0", "A1", "A2", "B0", "B1", "twin", "early", "step0"]
    assert [(p.source, p.target) for p in study.file.pairs] == PAIRS
    assert len(study.file.dictionaries) == 5 * 3 * 2
    for model in ("A0", "B1", "twin"):
        for site in study.sites:
            topk, relu = study.load_dictionary(model, site), study.load_dictionary(model, site, "standard")
            assert topk.k == 4
            assert relu.k is None
            assert topk.site == relu.site == site.name
    for entry in study.file.dictionaries:
        assert entry.ev < 1
        assert entry.l0 > 0
        assert 0 < entry.alive <= 1
    frame = study.features("A0")
    assert frame.label.str.contains("=").all()
    assert {label.partition("=")[0] for label in frame.label} <= {"bracket", "role", "depth", "top", "validity"}
    for source, target in (("A0", "A1"), ("B0", "B1"), ("A0", "step0")):
        assert len({r.vector for r in study.responses(source, target) if r.vector.startswith("contrast:")}) == 3
        assert len(study.maps(source, target)) == 3


def test_losses_are_those_of_a_loop_and_above_the_entropy(made: Any) -> None:
    _, _, study = made
    texts = [d.text for d in study.corpus.documents(20)]
    model = study.load_model("B0")
    total = 0.0
    for text in texts:
        ids = torch.tensor([[*dyck.encode(text).tolist(), 0]])
        log_p = model.network(input_ids=ids).logits[0].log_softmax(-1)
        total -= float(sum(log_p[i, ids[0, i + 1]] for i in range(len(text))))
    assert dyck_study.next_token_loss(model, texts) == pytest.approx(total / sum(map(len, texts)), rel=1e-5)
    assert study.file.text.entropy < min(m.loss for m in study.file.models)
    assert study.model_entry("A0").loss < study.model_entry("step0").loss


def test_activation_batches_hold_brackets_only(made: Any) -> None:
    workshop, _, _ = made
    model = load_model(workshop.model_folder("A0"))
    batches = list(activation_batches(model, 100, 7))
    assert [len(b[model.sites[0]]) for b in batches] == [100] * 7
    embedding = model.network.model.embed_tokens.weight
    nearest = torch.cdist(torch.cat([b[model.sites[0]] for b in batches]), embedding).min(1)
    assert float(nearest.values.max()) < 1e-3
    assert set(nearest.indices.tolist()) == {1, 2, 3, 4, 5, 6}


def test_relu_dictionaries_start_alike_and_topk_ones_do_not(made: Any) -> None:
    _, _, study = made
    site = study.sites[1]
    starts = []
    for architecture in ("topk", "standard"):
        a, b = (study.load_dictionary(m, site, architecture).W_dec for m in ("A0", "B0"))
        starts.append(float((a * b).sum(1).mean()))
    assert starts[1] > 0.5 > 0.2 > abs(starts[0])


def test_a_contrast_uses_the_tokens_that_it_names(made: Any) -> None:
    from explorer.models.hooks import residuals
    from explorer.steering import vectors as steering

    _, _, study = made
    model, site = study.load_model("A0"), study.sites[1]
    contrast = dyck_contrasts.ready_contrast("deeper")
    chunks = read_windows(contrast.positive, model.tokenizer, TextReading(128))
    rows = residuals(model, chunks.ids, [site])[site]
    means = [
        torch.stack([rows[d, i] for d, places in enumerate(tokens) for i in places]).mean(0)
        for tokens in (contrast.positive_tokens, contrast.negative_tokens)
    ]
    expected = (means[0] - means[1]) / (means[0] - means[1]).norm()
    np.testing.assert_allclose(steering.contrast_vector(model, site, contrast), expected, atol=1e-4)


def test_a_finished_study_is_left_alone(made: Any) -> None:
    workshop, log, study = made
    before = {p: p.stat().st_mtime_ns for p in study.folder.rglob("*") if p.is_file() and p.name != "study.json"}
    text = (study.folder / "study.json").read_bytes()
    log.clear()
    make_models(workshop)
    for name in RECIPE.names:
        make_dictionaries(workshop, name)
    dyck_study.build_study(workshop)
    assert (study.folder / "study.json").read_bytes() == text
    assert all(p.stat().st_mtime_ns == stamp for p, stamp in before.items())
    assert sum("already trained" in line for line in log) == 10
    assert isinstance(study, Study)
