"""A miniature Tales study from start to end: trained, measured, written, opened, and left alone when it is complete."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from explorer.alignment import dictionary_scorer as tally, pair as measure
from explorer.alignment.map_registry import arms
from explorer.alignment.twin import twin_rotation
from explorer.features import umap_layout as twin_layout
from explorer.files import write_json
from explorer.jobs import Cancelled
from explorer.models.hub import digest
from explorer.models.logit_lens import PROMOTED
from explorer.pipeline import recorded_run, recording as story_record, stage_answer
from explorer.sae.trainer import SAERecipe
from explorer.steering import dose_measure, held_out_prompts, strong_features as dose_features
from explorer.study.library import open_study
from explorer.study.recordings import RECORDING, read_recording
from explorer.study.study import Study
from explorer.text.corpus import HELD_OUT
from explorer.text.tales import contrasts, stories as tales
from explorer.training.llamas import ModelRecipe
from explorer.training.schedule import Schedule
from explorer.training.tales import models as tales_models, study as tales_study
from explorer.training.tales.dictionaries import make_dictionaries
from explorer.training.tales.models import document_loss, make_models
from explorer.training.tales.recipe import Cohort, TalesRecipe, Workshop
from explorer.training.tales.stream import training_stream
from explorer.training.tales.study import build_study

pytestmark = pytest.mark.slow

RECIPE = TalesRecipe(
    cohorts=(
        Cohort("equivariant", "seed", Schedule(200, rows=8, warmup=10, emphasis=((0.3, 5.0),)), (0, 1)),
        Cohort("adamw", "adam", Schedule(120, rows=8, learning_rate=1e-2, warmup=10), (0,), 10),
    ),
    vocabulary=400,
    tokenizer_documents=60,
    tokens=60_000,
    model=ModelRecipe(d_model=32, n_layers=2, n_heads=2, d_mlp=48, context=256),
    early=80,
    sae=SAERecipe(width=64, k=6, batch=256, dead_after=30),
    sae_rows=256 * 120,
    sae_tokens=30_000,
    held_out=30,
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The study's workshop and its log; UMAP is left out and there are few contrasts, to save time."""
    log: list[str] = []
    workshop = Workshop(tmp_path_factory.mktemp("tales"), RECIPE, log.append)
    torch.set_num_threads(1)
    contrasts.ready_contrast.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(twin_layout, "umap_layout", lambda directions: directions[:, :2].numpy())
        patch.setattr(contrasts, "PROMPTS", 8)
        patch.setattr(contrasts, "PLANS", tuple(p for p in contrasts.PLANS if p.name in ("recipe", "sea")))
        patch.setattr(tales_study, "ENTROPY_DOCUMENTS", 6)
        patch.setattr(recorded_run, "SEEDS", range(1))
        patch.setattr(recorded_run, "NEW_TOKENS", 16)
        patch.setattr(stage_answer, "MOST_STEPS", 16)
        patch.setattr(held_out_prompts, "PROMPTS", 8)
        patch.setattr(dose_measure, "RANDOM_DIRECTIONS", 4)
        patch.setattr(dose_features, "FEATURES", 1)
        make_models(workshop, stop_after=20)
        assert not workshop.model_folder("seed0").exists(), "interrupted before the first saved step"
        make_models(workshop, stop_after=100)
        assert not workshop.model_folder("seed0").exists()
        assert workshop.model_folder("early").exists(), "checkpoints are kept on the way"
        make_models(workshop)
        for name in RECIPE.names:
            make_dictionaries(workshop, name)
        build_study(workshop)
        yield workshop, log, open_study(workshop.out)
    contrasts.ready_contrast.cache_clear()


def finite(value: Any, where: str = "") -> None:
    """Every number below is a finite number."""
    if isinstance(value, dict):
        for key, below in value.items():
            finite(below, f"{where}.{key}")
    elif isinstance(value, list):
        for i, below in enumerate(value):
            finite(below, f"{where}[{i}]")
    elif not isinstance(value, str | bool) and value is not None:
        assert math.isfinite(value), where


def test_every_number_on_disk_is_finite(made: Any) -> None:
    _, _, study = made
    files = [study.folder / "study.json", *study.folder.glob("pairs/*/*.json")]
    # result, steering, similarity, what one reads, the recording and the stage of each pair
    assert len(files) == 1 + 6 * 6
    for path in files:
        finite(json.loads(path.read_text()), path.name)
    for path in study.folder.rglob("*.safetensors"):
        assert all(torch.isfinite(t.float()).all() for t in load_file(path).values() if t.is_floating_point()), path


def test_the_study_describes_itself(made: Any) -> None:
    workshop, _, study = made
    kinds = {m.name: m.kind for m in study.file.models}
    controls = {"twin": "twin", "early": "early", "step0": "untrained"}
    assert kinds == {"seed0": "seed", "seed1": "seed", "adam0": "seed", **controls}
    cohorts = {m.name: m.cohort for m in study.file.models}
    assert cohorts == {**dict.fromkeys(kinds, "equivariant"), "adam0": "adamw"}
    assert {m.name: m.seed for m in study.file.models if m.kind == "seed"} == {"seed0": 0, "seed1": 1, "adam0": 10}
    assert study.model_entry("early").title == "seed0 after 40% of its training"
    losses = {m.name: m.loss for m in study.file.models}
    assert losses["twin"] == losses["seed0"] < losses["early"] < losses["step0"]
    assert study.file.text.entropy < min(losses.values()), "no model can beat the grammar"
    for entry in study.file.models:
        assert entry.sha256 == digest(study.folder / entry.path)
    assert len(study.file.dictionaries) == 3 * 3
    for d in study.file.dictionaries:
        assert 0 < d.ev < 1
        assert 0 < d.l0 <= 6
        assert 0 < d.alive <= 1
        assert (study.folder / d.path / "cfg.json").is_file()
    assert study.file.recipe["cohorts"][0]["schedule"]["steps"] == 200
    assert study.sources() == ["seed0", "seed1"]
    assert study.targets("seed0") == ["seed1", "twin", "early", "step0", "adam0"]
    assert not list(study.folder.rglob("*.partial"))
    assert workshop.out == study.folder


def test_losses_are_those_of_a_direct_computation(made: Any) -> None:
    _, _, study = made
    model = study.load_model("seed1")
    texts = [d.text for d in tales.documents(HELD_OUT, 6)]

    def log_p(ids: list[int]) -> torch.Tensor:
        with torch.no_grad():
            return model.network(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)

    total, tokens = 0.0, 0
    for text in texts:
        ids = [0, *model.tokenizer(text, add_special_tokens=False)["input_ids"], 0]
        # A token is read in the first window that reaches it; windows overlap by half.
        most = model.positions or len(ids)
        step = most - most // 2
        first = [max(0, math.ceil((t - most) / step)) * step for t in range(len(ids))]
        read = {start: log_p(ids[start : start + most]) for start in set(first)}
        total -= float(sum(read[first[t]][t - 1 - first[t], ids[t]] for t in range(1, len(ids))))
        tokens += len(ids) - 1
    entry = study.model_entry("seed1")
    assert entry.loss == pytest.approx(total / tokens, rel=1e-4)
    assert document_loss(model, texts) == pytest.approx((total / 6, tokens / 6), rel=1e-4)
    assert study.file.text.entropy == pytest.approx(tales.entropy(texts) * 6 / tokens, rel=1e-6)


def test_the_twins_pair_is_exact(made: Any) -> None:
    _, _, study = made
    result = study.pair("seed0", "twin")
    q = twin_rotation(32, 0)
    assert result.function.kl == pytest.approx(0, abs=1e-5)
    for site in result.sites:
        assert site.dictionary["rotated"].paper.value == pytest.approx(site.dictionary["ceiling"].paper.value, abs=1e-3)
        assert site.dictionary["raw"].faithful.value < site.dictionary["ceiling"].faithful.value - 0.3
        assert site.ladder["orthogonal"].value == pytest.approx(1, abs=1e-4)
        np.testing.assert_allclose(study.maps("seed0", "twin")[site.site]["rotated"].matrix, q.T, atol=1e-3)
    frame = study.correspondence("seed0", "twin")
    alive = frame[frame.r_rotated.notna()]
    assert len(alive) > 20
    np.testing.assert_allclose(alive.r_rotated, 1, atol=0.02)
    assert (alive.partner == alive.feature).mean() > 0.95
    own, carried = (study.load_dictionary(m, study.sites[1]) for m in ("seed0", "twin"))
    np.testing.assert_allclose(carried.W_dec, own.W_dec.double() @ q, atol=1e-5)


def test_pairs_can_be_read_back(made: Any) -> None:
    _, _, study = made
    for source, target in (("seed0", "seed1"), ("seed1", "seed0"), ("seed0", "step0"), ("seed0", "early")):
        result = study.pair(source, target)
        assert (result.source, result.target, result.d_model) == (source, target, 32)
        assert result.source_sha256 == study.model_entry(source).sha256
        assert [s.site for s in result.sites] == [s.name for s in study.sites]
        for s in result.sites:
            assert s.dictionary is not None
            for arm in ("ceiling", *arms()):
                score = s.dictionary[arm]
                assert score.paper.low <= score.paper.value <= score.paper.high
            assert s.ladder["identity"].value <= s.ladder["affine"].value
            assert s.dial is not None
            assert (s.dial.t[0], s.dial.t[-1], len(s.dial.t)) == (0, 1, tally.DIAL_STEPS)
        clouds = study.clouds(source, target)
        points, turned = clouds[study.sites[0].name]
        assert turned.shape == (tally.DIAL_STEPS, *points.shape)
        frame = study.correspondence(source, target)
        assert len(frame) == 3 * RECIPE.sae.width
        assert set(frame.site) == {0, 1, 2}
        has_partner = "partner" in frame
        assert has_partner == (target == "seed1" or source == "seed1")


def test_maps_on_disk_are_those_that_were_fitted(made: Any) -> None:
    _, _, study = made
    a, b = study.load_model("seed0"), study.load_model("seed1")
    again = measure.measure_pair(a, b, study.chunks(), [study.sites[1]], {}).maps[study.sites[1].name]
    stored = study.maps("seed0", "seed1")[study.sites[1].name]
    x = torch.randn(50, 32)
    for arm in arms():
        # A study that is shipped keeps R in two bytes a number and other fitted maps in one.
        tolerance = {"affine": 0.06, "shuffled": 0.06, "rotated": 5e-3}.get(arm, 1e-4)
        np.testing.assert_allclose(stored[arm](x), again[arm](x), atol=tolerance)
        np.testing.assert_allclose(stored[arm].direction(x), again[arm].direction(x), atol=tolerance)
    np.testing.assert_allclose(stored["rotated"].matrix, again["rotated"].matrix, atol=1e-3)


def test_the_catalogue_is_complete(made: Any) -> None:
    _, _, study = made
    for name in ("seed0", "seed1"):
        frame = study.features(name)
        assert len(frame) == 3 * RECIPE.sae.width
        assert frame.groupby("site").feature.apply(list).map(lambda f: f == list(range(64))).all()
        assert frame.density.between(0, 1).all()
        assert frame.f1.between(0, 1).all()
        assert frame.label.str.contains("=").all()
        assert frame.promoted.map(len).eq(PROMOTED).all()
        assert (frame.contexts.iloc[0] >= 0).sum() <= len(study.chunks().split("test"))


def test_a_complete_study_is_left_alone(made: Any) -> None:
    workshop, log, study = made
    before = {p: p.stat().st_mtime_ns for p in study.folder.rglob("*") if p.is_file() and p.name != "study.json"}
    text = (study.folder / "study.json").read_bytes()
    log.clear()
    make_models(workshop)
    for name in RECIPE.names:
        make_dictionaries(workshop, name)
    build_study(workshop)
    assert (study.folder / "study.json").read_bytes() == text
    # make_models copies the tokenizer again; nothing else may be touched.
    changed = [p.name for p, stamp in before.items() if p.stat().st_mtime_ns != stamp]
    assert all("token" in name for name in changed)
    assert [line for line in log if "training" in line or "pair" in line or "catalogue" in line] == []
    assert sum("already trained" in line for line in log) == 5


def test_rows_are_windows_of_the_text_that_has_been_written(made: Any) -> None:
    workshop, _, _ = made
    cohort = RECIPE.cohorts[0]
    stream = training_stream(workshop, RECIPE.tokens)
    with tales_models._batches(workshop, cohort) as batches:
        first, last = batches(0), batches(199)
        assert first.shape == last.shape == (2, 8, 257)
        assert not np.array_equal(first[0], first[1]), "each seed has rows of its own"
        assert np.array_equal(first, batches(0))
    assert (first[:, :4, 0] == 0).all(), "half of them begin with end-of-text"
    beginning = stream.marked[: math.ceil(RECIPE.tokens / tales_models.STAGES)].tobytes()
    assert all(row.tobytes() in beginning for row in first.reshape(-1, 257))
    assert all(row.tobytes() in stream.marked.tobytes() for row in last.reshape(-1, 257))


def test_the_study_moves_with_its_folder(made: Any, tmp_path: Path) -> None:
    import shutil

    _, _, study = made
    moved: Study = open_study(
        shutil.copytree(study.folder, tmp_path / "elsewhere", ignore=shutil.ignore_patterns("work"))
    )
    assert moved.file == study.file
    ids = torch.tensor([[5, 6, 7]])
    one, other = (s.load_model("twin").network(input_ids=ids).logits for s in (study, moved))
    assert torch.equal(one, other)


def test_a_recording_that_is_broken_off_leaves_the_result_whole(made: Any) -> None:
    _, _, study = made
    folder = study.pair_path("seed0", "seed1")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    told = read_recording(study, "seed0", "seed1")
    assert told is not None and told.run is not None
    write_json(folder / RECORDING, replace(told, run=None))
    bare = (folder / RECORDING).read_bytes()

    def stop(_step: str, _share: float) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        story_record.record_study(study, report=stop)
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert after == {**before, RECORDING: bare} and story_record.lacks_run(study, "seed0", "seed1")
    heard: list[float] = []
    assert story_record.record_study(study, report=lambda _step, share: heard.append(share)) == ["seed0 → seed1"]
    assert heard == sorted(heard) and heard[-1] == 1.0
    assert (folder / RECORDING).read_bytes() == before[RECORDING], "asked for later, the same is recorded"
