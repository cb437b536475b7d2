"""The recipe of the decoder comparison on a tiny study: interrupted and resumed it is the same; stale parts go."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch

from explorer.alignment.pair import measure_pair
from explorer.errors import InputError
from explorer.features.decoder_matching import decoder_match
from explorer.files import write_json
from explorer.metrics import explained_variance
from explorer.models.hooks import residuals
from explorer.models.hub import digest
from explorer.sae.formats.registry import load_sae
from explorer.sae.formats.saelens import save_sae
from explorer.sae.trainer import SAERecipe
from explorer.study.library import open_study
from explorer.study.pair_tensors import save_tensors
from explorer.study.schema import SCHEMA, DictionaryEntry, ModelEntry, StudyFile
from explorer.study.study import Study
from explorer.text.documents import TextEntry
from explorer.training import decoder_match as match_recipe
from explorer.training.decoder_match import Bench, MatchRecipe, collect, starting_rows, train_relu
from explorer.training.decoder_match_scores import make_decoder_story, train_dictionaries

RECIPE = MatchRecipe(width=40, batch=32, batches=30, windows=12, light=1e-3, strong=5e-2)
SITE = "blocks.0.hook_resid_pre"


def study_at(folder: Path, tokenizer: Any, seeds: tuple[int, int] = (0, 1)) -> Study:
    """A study of two tiny random models with a measured pair and one TopK dictionary each."""
    models, dictionaries = [], []
    for name, seed in zip(("seed0", "seed1"), seeds, strict=True):
        path = tiny.save("llama", tokenizer, folder / "models" / name, seed)
        models.append(ModelEntry(name, "seed", name, f"models/{name}", digest(path), seed, 1.0))
        sae = train_relu(SAERecipe(20, 4, batch=32), torch.randn(200, 24), 5, seed, SITE)
        place = f"dictionaries/{name}/{SITE}"
        save_sae(sae, folder / place, name, 24)
        dictionaries.append(DictionaryEntry(name, SITE, place, 0.5, 4.0, 1.0))
    text = TextEntry("tales", "held-out", 30, 24, 0.1)
    file = StudyFile(SCHEMA, "tiny", "Tiny", 24, 3, tuple(models), tuple(dictionaries), text, (), {}, {})
    write_json(folder / "study.json", file)
    study = open_study(folder)
    a, b = study.load_model("seed0"), study.load_model("seed1")
    measured = measure_pair(a, b, study.chunks(), study.sites, {})
    save_tensors(study.pair_path("seed0", "seed1"), measured.maps, measured.clouds)
    return study


def token_rows() -> np.ndarray:
    return np.random.default_rng(0).integers(1, tiny.VOCABULARY, (12, 24)).astype(np.uint16)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, tokenizer: Any) -> tuple[Bench, list[str]]:
    """A finished comparison."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("match")
    bench = Bench(study_at(folder / "study", tokenizer), RECIPE, folder / "match.json")
    log: list[str] = []
    train_dictionaries(bench, token_rows(), log.append)
    make_decoder_story(bench, log.append)
    return bench, log


def files(bench: Bench) -> dict[str, bytes]:
    """Everything that the comparison wrote into the study."""
    folder = bench.study.folder
    found = [folder / "decoder_match.json", *(folder / match_recipe.FOLDER).rglob("*.*")]
    return {str(p.relative_to(folder)): p.read_bytes() for p in found if p.is_file()}


@pytest.mark.slow
def test_interrupted_and_resumed_is_the_same(made: Any, tmp_path: Path, tokenizer: Any) -> None:
    import shutil

    bench, _ = made
    again = tmp_path / "study"
    shutil.copytree(bench.study.folder, again, ignore=shutil.ignore_patterns("decoder_match.json", "dictionaries_relu"))
    other = replace(bench, study=open_study(again), note=tmp_path / "match.json")
    log: list[str] = []
    train_dictionaries(other, token_rows(), log.append, stop_after=1)
    train_dictionaries(other, token_rows(), log.append, stop_after=14)
    assert sum("start" in line for line in log) == 15
    train_dictionaries(other, token_rows(), log.append)
    make_decoder_story(other, log.append)
    assert sum("start" in line for line in log) == len(bench.plans) * len(bench.sites) == 24
    assert files(other) == files(bench)
    log.clear()
    train_dictionaries(other, token_rows(), log.append)
    assert sum("already trained" in line for line in log) == 2 and files(other) == files(bench)


@pytest.mark.slow
def test_another_recipe_or_model_starts_anew(made: Any, tmp_path: Path, tokenizer: Any) -> None:
    import shutil

    bench, _ = made
    folder = shutil.copytree(bench.study.folder, tmp_path / "study")
    shutil.copy(bench.note, tmp_path / "match.json")
    changed = replace(bench, study=open_study(folder), note=tmp_path / "match.json", recipe=replace(RECIPE, batches=4))
    log: list[str] = []
    train_dictionaries(changed, token_rows(), log.append, stop_after=0)
    assert "made anew" in log[0]
    assert changed.study.decoder_story() is None and not list(folder.rglob("dictionaries_relu/*"))


def test_equal_starts_are_equal_in_weights_and_batches() -> None:
    x, y = torch.randn(300, 24), torch.randn(300, 24) + 1
    seen: list[torch.Tensor] = []
    recipe = RECIPE.sae_recipe("relu")

    class Spy(match_recipe.SAETrainer):
        def step(self, rows: torch.Tensor) -> float:
            seen.append(rows)
            return super().step(rows)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(match_recipe, "SAETrainer", Spy)
        for rows, start in ((x, 0), (y, 0), (x, 1)):
            train_relu(recipe, rows, 3, start)
    which = [[int((x == r).all(1).nonzero()[0, 0]) for r in batch] for batch in seen[:3]]
    for numbers, batch in zip(which, seen[3:6], strict=True):
        assert torch.equal(y[numbers], batch), "the same rows of the other model, in the same order"
    assert not torch.equal(seen[0], seen[6])
    start = starting_rows(recipe, 24, 0)
    assert torch.equal(start, match_recipe.SAETrainer(recipe, y, 9, 0).W_dec)
    assert torch.equal(start, starting_rows(RECIPE.sae_recipe("relu_sparse"), 24, 0))
    assert not torch.equal(start, starting_rows(recipe, 24, 1))


@pytest.mark.slow
def test_rows_are_those_of_the_model(made: Any) -> None:
    bench, _ = made
    model, sites = bench.study.load_model("seed1"), bench.sites
    found = collect(model, token_rows(), sites)
    direct = residuals(model, torch.from_numpy(token_rows().astype(np.int64)), [sites[1]])[sites[1]]
    assert found[sites[1]].shape == (12 * 23, 24)
    np.testing.assert_allclose(found[sites[1]][23], direct[1, 1], atol=1e-5)


@pytest.mark.slow
def test_the_story_is_what_the_files_say(made: Any) -> None:
    bench, _ = made
    study, story = bench.study, bench.study.decoder_story()
    assert story is not None and [s.site for s in story.sites] == [s.name for s in bench.sites]
    assert (story.source_sha256, story.target_sha256) == tuple(m.sha256 for m in study.file.models)
    assert [f.family for f in story.sites[0].families] == ["relu", "relu_sparse", "topk"]
    assert [f.family for f in story.sites[1].families] == ["relu", "relu_sparse"]
    site = study.sites[0]
    by_start = {(d.family, d.model, d.start): d for d in story.dictionaries if d.site == site.name}
    saes = {key: load_sae(study.folder / d.path) for key, d in by_start.items()}
    rows, alive = {}, {}
    test = study.chunks().split("test")
    for name in ("seed0", "seed1"):
        rows[name] = residuals(study.load_model(name), test.ids, [site])[site][test.scored]
    for key, d in by_start.items():
        a = saes[key].encode(rows[d.model])
        alive[key] = (a > 0).any(0)
        assert d.ev == pytest.approx(explained_variance(rows[d.model], saes[key](rows[d.model])), abs=1e-4)
        assert d.l0 == pytest.approx(float((a > 0).sum() / len(a)), abs=1e-3)
        assert d.dead == pytest.approx(1 - float(alive[key].float().mean()), abs=1e-6)
    r = study.maps("seed0", "seed1")[site.name]["rotated"].matrix
    found = story.sites[0].families[0]
    a, same, other, again = (("relu", m, s) for m, s in (("seed0", 0), ("seed1", 0), ("seed1", 1), ("seed0", 2)))
    for case, b, carried in (
        ("same_init", same, saes[same].W_dec),
        ("independent", other, saes[other].W_dec),
        ("rotated", other, saes[other].W_dec @ r),
        ("same_model", again, saes[again].W_dec),
    ):
        direct = decoder_match(saes[a].W_dec, carried, alive[a], alive[b])
        stored = getattr(found, case)
        assert stored.all.mean == pytest.approx(direct.all.mean, abs=1e-5), case
        assert stored.alive.share == pytest.approx(direct.alive.share, abs=1e-6), case
    assert found.same_init.all.share == 1 > found.independent.all.share, "30 batches do not move a decoder far"
    assert by_start["relu", "seed0", 0].kept == pytest.approx(
        float((saes[a].W_dec * starting_rows(RECIPE.sae_recipe("relu"), 24, 0)).sum(1).mean()), abs=1e-5
    )
    assert by_start["relu_sparse", "seed0", 0].l0 < by_start["relu", "seed0", 0].l0


@pytest.mark.slow
def test_a_damaged_story_and_a_pair_that_is_not_measured_are_one_line(made: Any, tmp_path: Path) -> None:
    import shutil

    bench, _ = made
    folder = shutil.copytree(bench.study.folder, tmp_path / "study")
    story = json.loads((folder / "decoder_match.json").read_text())
    del story["sites"]
    (folder / "decoder_match.json").write_text(json.dumps(story))
    with pytest.raises(InputError, match=r"is damaged.*sites"):
        open_study(folder).decoder_story()
    with pytest.raises(InputError, match="no maps of seed1 → seed0: measure"):
        turned = replace(RECIPE, source="seed1", target="seed0")
        make_decoder_story(replace(bench, recipe=turned), print)
