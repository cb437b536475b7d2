"""Dictionaries of a miniature model: what they read, and that an interrupted run ends like an uninterrupted one."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from explorer.errors import InputError
from explorer.models import residuals
from explorer.models.language_model import load_model
from explorer.sae.formats.registry import load_sae
from explorer.sae.trainer import SAERecipe
from explorer.training.llamas import Llamas, ModelRecipe
from explorer.training.tales import dictionaries, stream as streams
from explorer.training.tales.adoption import adopt_dictionaries, adopt_model
from explorer.training.tales.dictionaries import make_dictionaries, pool_batches
from explorer.training.tales.recipe import TalesRecipe, Workshop
from explorer.training.tales.stream import training_stream

SHAPE = ModelRecipe(d_model=16, n_layers=1, n_heads=2, d_mlp=16, context=24)
RECIPE = TalesRecipe(
    vocabulary=300,
    tokenizer_documents=20,
    model=SHAPE,
    sae=SAERecipe(width=32, k=4, batch=64),
    sae_rows=64 * 40,
    sae_tokens=3000,
)


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    """A workshop that holds one adopted, untrained model and its tokenizer."""
    torch.set_num_threads(1)
    monkeypatch.setattr(streams, "SHARD", 5)
    monkeypatch.setattr(dictionaries, "POOL", 64 * 4)
    weights = tmp_path / "given.safetensors"
    save_file({k: v.half() for k, v in Llamas(SHAPE, 300, (3,)).state(0).items()}, weights)
    made = Workshop(tmp_path / "study", RECIPE, lambda _line: None)
    adopt_model(made, weights, made.model_folder("seed0"))
    training_stream(made, 3000)
    for file in made.tokenizer_folder.iterdir():
        (made.model_folder("seed0") / file.name).write_bytes(file.read_bytes())
    return made


def weights(workshop: Workshop, start: int = 0) -> list[torch.Tensor]:
    model = load_model(workshop.model_folder("seed0"))
    return [load_sae(workshop.sae_folder("seed0", site, start)).W_dec for site in model.sites]


def test_interrupted_and_resumed_is_the_same(workshop: Workshop, tmp_path: Path) -> None:
    class Stopped(Exception):
        pass

    def stop(line: str) -> None:
        lines.append(line)
        if "batch" in line:
            raise Stopped

    lines: list[str] = []
    with pytest.raises(Stopped):
        make_dictionaries(replace(workshop, log=stop), "seed0")
    assert "batch 16/40" in lines[-1] and not list((workshop.out / "dictionaries").rglob("*"))
    make_dictionaries(replace(workshop, log=lines.append), "seed0")
    assert [line.split(",")[2].strip() for line in lines if "batch" in line] == [f"batch {n}/40" for n in (16, 32, 40)]
    resumed = weights(workshop)
    for site in load_model(workshop.model_folder("seed0")).sites:
        (workshop.sae_folder("seed0", site)).rename(tmp_path / site.name)
    make_dictionaries(workshop, "seed0")
    assert all(torch.equal(a, b) for a, b in zip(resumed, weights(workshop), strict=True))
    make_dictionaries(replace(workshop, log=lines.append), "seed0")
    assert "already trained" in lines[-1]
    make_dictionaries(workshop, "seed0", start=1)
    for one, other in zip(weights(workshop), weights(workshop, 1), strict=True):
        assert float((one * other).sum(1).abs().mean()) < 0.5, "another start"


def test_rows_are_the_models_without_position_0(workshop: Workshop) -> None:
    model, text = load_model(workshop.model_folder("seed0")), training_stream(workshop, 3000)
    site = model.sites[1]
    batches = list(pool_batches(model, text, [site], RECIPE.sae, SHAPE.context, 256, 5))
    assert [len(b[site]) for b in batches] == [64] * 16
    windows = text.windows(-(-256 // 23), 24, np.random.default_rng([5])) & 32767
    truth = residuals(model, torch.from_numpy(windows.astype(np.int64)), [site])[site][:, 1:].flatten(0, 1)
    found = torch.cat([b[site] for b in batches])
    distance, nearest = torch.cdist(found, truth).min(1)
    assert float(distance.max()) < 1e-3
    assert int(nearest.unique().numel()) == 256 or len(truth) > 256
    again = torch.cat([b[site] for b in pool_batches(model, text, [site], RECIPE.sae, SHAPE.context, 256, 5)])
    assert torch.equal(found, again)


def test_given_weights_are_taken_over_as_they_are(workshop: Workshop, tmp_path: Path) -> None:
    given, taken = load_file(tmp_path / "given.safetensors"), workshop.model_folder("seed0") / "model.safetensors"
    assert all(torch.equal(v, load_file(taken)[k]) for k, v in given.items())
    rows = torch.nn.functional.normalize(torch.randn(32, 16), dim=1)
    parts = {"W_dec": rows, "W_enc": rows.T.contiguous(), "b_enc": torch.zeros(32), "b_dec": torch.ones(16)}
    save_file({f"{i}.{k}": v.half() for i in range(2) for k, v in parts.items()}, tmp_path / "saes.safetensors")
    adopt_dictionaries(workshop, tmp_path / "saes.safetensors", "seed0")
    sae = load_sae(workshop.sae_folder("seed0", load_model(workshop.model_folder("seed0")).sites[1]))
    assert sae.k == 4 and torch.equal(sae.b_dec, torch.ones(16))
    assert float((sae.W_dec.norm(dim=1) - 1).abs().max()) < 0.05, "of unit rows, in eight bits"
    save_file({"lm_head.weight": torch.zeros(3, 16)}, tmp_path / "wrong.safetensors")
    with pytest.raises(InputError, match="no model of this recipe's shape"):
        adopt_model(workshop, tmp_path / "wrong.safetensors", workshop.model_folder("seed1"))
