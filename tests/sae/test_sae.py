"""Dictionaries: round trips, SAELens as second implementation, equivariance, and training on planted features."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from explorer import metrics
from explorer.alignment.maps import ResidualMap
from explorer.alignment.orthogonal import haar
from explorer.errors import InputError
from explorer.sae.architecture import Architecture
from explorer.sae.formats.registry import load_sae
from explorer.sae.formats.saelens import save_sae
from explorer.sae.sae import SAE, top_k
from explorer.sae.trainer import SAERecipe, SAETrainer, train_sae

ARCHITECTURES: list[tuple[Architecture, int | None]] = [("topk", 5), ("standard", None), ("jumprelu", None)]


def random_sae(architecture: Architecture, k: int | None, d: int = 12, f: int = 40) -> SAE:
    directions = torch.randn(f, d)
    directions /= directions.norm(dim=1, keepdim=True)
    threshold = torch.rand(f) * 2 if architecture == "jumprelu" else None
    site = "blocks.1.hook_resid_pre"
    return SAE(architecture, k, torch.randn(d, f), torch.randn(f), directions, torch.randn(d), site, threshold)


@pytest.fixture(params=ARCHITECTURES, ids=["topk", "standard", "jumprelu"])
def sae(request: pytest.FixtureRequest) -> SAE:
    return random_sae(*request.param)


def test_encode_by_hand(sae: SAE) -> None:
    x = torch.randn(30, sae.d_in)
    found = sae.encode(x).numpy()
    before = (x.numpy() - sae.b_dec.numpy()) @ sae.W_enc.numpy() + sae.b_enc.numpy()
    for row, expected in zip(found, np.maximum(before, 0), strict=True):
        if sae.k is not None:
            expected[np.argsort(expected)[: -sae.k]] = 0
        if sae.threshold is not None:
            expected[expected <= sae.threshold.numpy()] = 0
        np.testing.assert_allclose(row, expected, atol=1e-5)
    np.testing.assert_allclose(sae(x), found @ sae.W_dec.numpy() + sae.b_dec.numpy(), atol=1e-5)
    np.testing.assert_allclose(sae(x.reshape(5, 6, -1)), sae(x).reshape(5, 6, -1), atol=1e-5)


def test_negative_activations_are_never_kept() -> None:
    sae = random_sae("topk", 30)
    activations = sae.encode(torch.randn(50, 12))
    assert float(activations.min()) == 0
    assert float((activations > 0).sum(1).float().mean()) < 30


def test_save_and_load_give_the_same_output(sae: SAE, tmp_path: Path) -> None:
    x = torch.randn(100, sae.d_in)
    save_sae(sae, tmp_path / "full", "A", 128, torch.float32)
    full = load_sae(tmp_path / "full")
    assert (full.architecture, full.k, full.site) == (sae.architecture, sae.k, sae.site)
    assert torch.equal(full(x), sae(x))
    save_sae(sae, tmp_path / "half", "A", 128)
    assert {t.dtype for t in load_file(tmp_path / "half" / "sae_weights.safetensors").values()} == {torch.float16}
    half = load_sae(tmp_path / "half")
    assert half.W_dec.dtype == torch.float32
    close = (half(x) - sae(x)).abs().amax(1) < 0.05
    assert float(close.float().mean()) > 0.9, "only a tie at rank k may change a row"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["full", "half"]


@pytest.mark.saelens
def test_saelens_reads_our_folder(sae: SAE, tmp_path: Path) -> None:
    from sae_lens import SAE as Theirs

    save_sae(sae, tmp_path / "mine", "A", 128, torch.float32)
    theirs = Theirs.load_from_disk(tmp_path / "mine", device="cpu")
    assert theirs.cfg.architecture() == sae.architecture
    assert theirs.cfg.metadata.hook_name == sae.site
    x = torch.randn(200, sae.d_in)
    with torch.no_grad():
        activations = theirs.encode(x)
        np.testing.assert_allclose(activations, sae.encode(x), atol=1e-5)
        np.testing.assert_allclose(theirs.decode(activations), sae(x), atol=1e-5)


def test_the_rotated_dictionary_is_the_map_around_it(sae: SAE, tmp_path: Path) -> None:
    d = sae.d_in
    r, mean_a, mean_b = haar(d, 1).float(), torch.randn(d), torch.randn(d)
    f = ResidualMap(r, mean_a, mean_b, r.T)
    carried = sae.rotated_for_target(r, mean_a, mean_b)
    y = torch.randn(80, d)
    np.testing.assert_allclose(carried.encode(y), sae.encode(f(y)), atol=1e-4)
    np.testing.assert_allclose(carried(y), (sae(f(y)) - mean_a) @ r.T + mean_b, atol=1e-4)
    np.testing.assert_allclose(carried.W_dec.norm(dim=1), 1, atol=1e-5)
    save_sae(carried, tmp_path / "b", "B", 128, torch.float32)
    np.testing.assert_allclose(load_sae(tmp_path / "b")(y), carried(y), atol=1e-6)


def test_k_belongs_to_topk_only() -> None:
    for architecture, k in (("topk", None), ("standard", 4)):
        with pytest.raises(InputError, match="k belongs to topk, and only to it"):
            random_sae(architecture, k)
    with pytest.raises(InputError, match="a threshold belongs to jumprelu, and only to it"):
        replace(random_sae("topk", 5), threshold=torch.zeros(40))


def planted(n: int, seed: int, features: Tensor, active: int = 3) -> Tensor:
    """Rows that are sums of a few planted directions with positive weights, and a mean."""
    rng = np.random.default_rng(seed)
    weights = np.zeros((n, len(features)), np.float32)
    for row in weights:
        row[rng.choice(len(features), active, replace=False)] = rng.uniform(0.5, 2, active)
    return torch.from_numpy(weights) @ features * 7 + 3


def train(recipe: SAERecipe, features: Tensor, steps: int, seed: int) -> SAE:
    batches = (planted(256, 1000 * seed + i, features) for i in range(steps))
    return train_sae(recipe, batches, steps, seed, "somewhere")


@pytest.fixture(scope="module")
def features() -> Tensor:
    made = torch.from_numpy(np.random.default_rng(9).standard_normal((24, 16))).float()
    return made / made.norm(dim=1, keepdim=True)


@pytest.mark.slow
def test_topk_training_finds_planted_features(features: Tensor) -> None:
    sae = train(
        SAERecipe(width=48, k=3, batch=256, learning_rate=5e-3, dead_after=50, k_auxiliary=16), features, 600, 0
    )
    x = planted(2000, 77, features)
    assert metrics.explained_variance(x, sae(x)) > 0.9
    assert float((sae.encode(x) > 0).sum(1).float().mean()) <= 3
    np.testing.assert_allclose(sae.W_dec.norm(dim=1), 1, atol=1e-5)
    best = (features @ sae.W_dec.T).max(1).values
    assert float((best > 0.9).float().mean()) > 0.8


@pytest.mark.slow
def test_relu_training_trades_error_for_sparsity(features: Tensor) -> None:
    dense, sparse = (
        train(SAERecipe(width=48, k=None, l1=l1, batch=256, learning_rate=5e-3), features, 300, 0) for l1 in (0.0, 0.02)
    )
    x = planted(2000, 77, features)
    assert (sparse.architecture, sparse.k) == ("standard", None)
    assert metrics.explained_variance(x, sparse(x)) > 0.9
    l0 = [float((sae.encode(x) > 0).sum(1).float().mean()) for sae in (dense, sparse)]
    assert l0[1] < 0.8 * l0[0]


def test_training_is_deterministic_given_its_seed(features: Tensor) -> None:
    recipe = SAERecipe(width=32, k=3, batch=256, dead_after=5)
    one, same, other = (train(recipe, features, 20, seed) for seed in (1, 1, 2))
    assert torch.equal(one.W_enc, same.W_enc)
    assert torch.equal(one.W_dec, same.W_dec)
    assert not torch.allclose(one.W_dec, other.W_dec)


@pytest.mark.parametrize("k", [3, None])
def test_a_trainer_that_was_stored_goes_on_exactly(features: Tensor, k: int | None) -> None:
    recipe = SAERecipe(width=40, k=k, l1=1e-3, batch=256, dead_after=5)
    batches = [planted(256, i, features) for i in range(20)]
    whole, first = (SAETrainer(recipe, batches[0], 20, 0, "site") for _ in range(2))
    for rows in batches:
        whole.step(rows)
    for rows in batches[:8]:
        first.step(rows)
    stored = {name: value.clone() for name, value in first.state().items()}
    second = SAETrainer(recipe, torch.eye(batches[0].shape[1]), 20, 1, "site")
    second.resume(stored)
    for rows in batches[8:]:
        second.step(rows)
    for name, value in whole.state().items():
        assert torch.equal(value, second.state()[name]), name
    one, other = whole.finish(), second.finish()
    assert torch.equal(one.b_dec, other.b_dec) and torch.equal(one.W_enc, other.W_enc)


def test_scale_of_the_rows_does_not_matter(features: Tensor) -> None:
    recipe = SAERecipe(width=32, k=3, batch=256)
    finished = []
    for factor in (1.0, 64.0):
        trainer = SAETrainer(recipe, planted(256, 0, features) * factor, 30, 0)
        for i in range(30):
            trainer.step(planted(256, i, features) * factor)
        finished.append(trainer.finish())
    x = planted(100, 50, features)
    np.testing.assert_allclose(finished[1](64 * x) / 64, finished[0](x), atol=1e-2)


def test_no_rows_is_an_error() -> None:
    with pytest.raises(ValueError, match="no rows"):
        train_sae(SAERecipe(), iter([]), 5, 0)


def by_autograd(trainer: SAETrainer, x: Tensor, dead: Tensor) -> list[Tensor]:
    """Gradients of the loss on scaled rows, the auxiliary loss of dead features included, by autograd."""
    recipe = trainer.recipe
    w_enc, b_enc, w_dec, b_dec = parameters = [p.detach().clone().requires_grad_(True) for p in trainer.parameters]
    before = (x - b_dec) @ w_enc + b_enc
    variance = (x - x.mean(0)).pow(2).mean()
    if recipe.k is None:
        a = before.relu()
    else:
        values, index = before.topk(recipe.k, dim=-1)
        a = torch.zeros_like(before).scatter(1, index, values.relu())
    error = x - (a @ w_dec + b_dec)
    loss = error.pow(2).mean() / variance + recipe.l1 * a.sum(1).mean()
    if recipe.k is not None and dead.any():
        values, index = before.masked_fill(~dead, -torch.inf).topk(min(recipe.k_auxiliary, int(dead.sum())), dim=-1)
        extra = torch.zeros_like(before).scatter(1, index, values.relu()) @ w_dec
        loss = loss + (error.detach() - extra).pow(2).mean() / variance / 32
    loss.backward()
    return [p.grad for p in parameters if p.grad is not None]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("k", "l1"), [(4, 0.0), (None, 0.03)])
def test_gradients_by_hand_are_those_of_autograd(k: int | None, l1: float, dtype: torch.dtype) -> None:
    recipe = SAERecipe(width=64, k=k, l1=l1, dead_after=3, k_auxiliary=6)
    x = torch.randn(200, 24) + 1
    trainer = SAETrainer(recipe, x, 10, 0)
    for p in trainer.parameters:
        p.add_(torch.randn_like(p) * 0.2)
    trainer.dtype = dtype
    # Features that never are among the k largest, so that the auxiliary loss has something to do.
    trainer.b_enc[40:] -= 30 if k is not None else 0
    trainer.b_enc[40:46] += 28 if k is not None else 0
    trainer.silent[40:] = 50
    dead = torch.arange(64) >= 40
    before = (x - trainer.b_dec) @ trainer.W_enc + trainer.b_enc
    if k is not None:
        dead[before.topk(k).indices.unique()] = False
        assert int((before[:, dead] > 0).any(0).sum()) > 0
    expected = by_autograd(trainer, x, dead)
    trainer._gradients(x)
    for p, wanted in zip(trainer.parameters, expected, strict=True):
        assert p.grad is not None
        error = float((p.grad - wanted).norm() / wanted.norm())
        assert error < (2e-5 if dtype == torch.float32 else 0.03)


@pytest.mark.parametrize(("f", "k"), [(512, 16), (512, 32), (512, 33), (40, 3), (1000, 4), (1003, 4)])
def test_top_k_is_torch_topk(f: int, k: int) -> None:
    for x in (torch.randn(60, f), torch.randn(3, 5, f), torch.randn(60, f).relu(), torch.zeros(4, f)):
        values, index = top_k(x, k)
        assert torch.equal(values.sort(-1).values, x.topk(k).values.sort(-1).values)
        assert torch.equal(x.gather(-1, index), values)
        assert (index.sort(-1).values.diff(dim=-1) > 0).all(), "no place twice"
