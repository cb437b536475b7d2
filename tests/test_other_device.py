"""Models on another device than the CPU: the same numbers, and no operation that meets tensors of two devices.

The device is `elsewhere`'s, strict as a GPU is; R is found as a GPU finds it, by Newton's iteration.
"""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import tiny
import torch
from elsewhere import Elsewhere, other_device, there
from test_sae import random_sae

from explorer.alignment import controls, encode_result, measure_pair
from explorer.cache import Cache
from explorer.features import catalogue, correspond, readings
from explorer.models import LanguageModel, Site
from explorer.progress import silent
from explorer.sae import SAE, fit_dictionary
from explorer.sae.trainer import SAERecipe
from explorer.steering import Lane, Sampling, generate
from explorer.steering.steered_prompts import SteeredPrompts
from explorer.steering.strong_features import firing, moved_tokens, strongest
from explorer.steering.token_classes import TokenClasses, read_effect
from explorer.steering.vectors import mean_activation, median_norm, native_vectors

CHUNKS = tiny.chunks(70)
MATCH = {"rel": 2e-3, "abs": 2e-3}


@pytest.fixture(scope="module")
def pair(tokenizer: Any) -> tuple[LanguageModel, LanguageModel, SAE]:
    torch.manual_seed(0)
    a, b = tiny.model("llama", tokenizer), tiny.model("llama", tokenizer, seed=1, name="B")
    random = random_sae("topk", 6, d=a.d_model, f=50)
    return a, b, replace(random, W_enc=0.5 * random.W_dec.T.contiguous(), b_enc=torch.zeros(50))


def both(models: tuple[LanguageModel, ...], work: Callable[..., Any]) -> tuple[Any, Any]:
    """What a piece of work gives on the CPU, and on the other device."""
    here = work(*models)
    with other_device():
        return here, work(*(there(model) for model in models))


def differences(a: Any, b: Any, path: str = "") -> list[str]:
    """Where two decoded JSON values differ by more than rounding."""
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        return [d for k in a if k != "seconds" for d in differences(a[k], b[k], f"{path}.{k}")]
    if isinstance(a, list):
        assert len(a) == len(b), path
        return [d for i, (x, y) in enumerate(zip(a, b, strict=True)) for d in differences(x, y, f"{path}[{i}]")]
    if isinstance(a, float) and isinstance(b, float):
        return [] if math.isclose(a, b, rel_tol=MATCH["rel"], abs_tol=MATCH["abs"]) else [f"{path}: {a} and {b}"]
    return [] if a == b else [f"{path}: {a} and {b}"]


def test_the_other_device_is_strict() -> None:
    with other_device():
        there, here = torch.ones(3, device="meta"), torch.ones(3)
        assert isinstance(there, Elsewhere) and float((there * 2).sum()) == 6
        with pytest.raises(RuntimeError, match="one device"):
            there + here
        with pytest.raises(RuntimeError, match="one device"):
            here[torch.tensor([0], device="meta")]
        assert there[torch.tensor([True, False, True])].tolist() == [1.0, 1.0]
        with pytest.raises((TypeError, RuntimeError)):
            there.numpy()


@pytest.mark.slow
def test_a_pair_is_measured_alike(pair: tuple[LanguageModel, LanguageModel, SAE]) -> None:
    a, b, sae = pair

    def work(a: LanguageModel, b: LanguageModel) -> tuple[Any, Any]:
        sites = [a.sites[0], a.sites[2]]
        shared = controls(a, b, CHUNKS, sites, ("x", "y"), silent, Cache(None))
        found = measure_pair(a, b, CHUNKS, sites, {sites[1].name: sae}, ("x", "y"), controls=shared)
        tables = {
            "catalogue": catalogue(a, CHUNKS.split("test"), {sites[1]: sae}),
            "correspond": correspond(
                a, b, CHUNKS.split("test"), found.maps, found.firing, {sites[1]: sae}, {sites[1]: sae}
            ),
        }
        tables["readings"] = readings(a, b, CHUNKS.split("test"), found.maps, {sites[1]: sae}, tables["catalogue"])
        tensors = [m[name].matrix for m in found.maps.values() for name in ("rotated", "special", "affine", "shuffled")]
        assert all(type(t) is torch.Tensor for t in tensors)
        return json.loads(encode_result(found.result)), (tensors, tables)

    (here, (maps_here, tables_here)), (there_, (maps_there, tables_there)) = both((a, b), work)
    assert differences(here, there_) == []
    for x, y in zip(maps_here, maps_there, strict=True):
        assert (x - y).abs().max() < 1e-3
    for name, frame in tables_here.items():
        assert list(frame.columns) == list(tables_there[name].columns) and len(frame) == len(tables_there[name])
    assert (tables_here["catalogue"].density - tables_there["catalogue"].density).abs().max() < 1e-3


def test_dictionaries_are_trained_there(pair: tuple[LanguageModel, LanguageModel, SAE]) -> None:
    a, _, _ = pair
    recipe = SAERecipe(width=48, k=4, batch=64, dead_after=3)

    def work(a: LanguageModel) -> SAE:
        seen = 0

        def enough(_step: str, _share: float) -> None:
            nonlocal seen
            seen += 1
            if seen > 4:
                raise StopIteration

        with pytest.raises(StopIteration):
            fit_dictionary(a, a.sites[1], CHUNKS, recipe, 0, enough)
        return a  # type: ignore[return-value]

    both((a,), work)


@pytest.mark.slow
def test_steering_reads_and_writes_alike(pair: tuple[LanguageModel, LanguageModel, SAE], tokenizer: Any) -> None:
    a, b, sae = pair
    classes = TokenClasses(torch.arange(5, 15), torch.arange(20, 30))
    v = torch.nn.functional.normalize(torch.randn(a.d_model, generator=torch.Generator().manual_seed(3)), dim=0)

    def work(a: LanguageModel, b: LanguageModel) -> list[torch.Tensor]:
        site: Site = a.sites[1]
        prompts = SteeredPrompts(a, site, CHUNKS[:4])
        norm = median_norm(a, site, CHUNKS)
        scores = prompts.read(torch.stack([0 * v, norm * v]), [classes])
        moved = moved_tokens(prompts, norm * v)
        effect = read_effect(a, site, norm * v, CHUNKS[:4], classes)
        chosen = strongest(prompts, sae, norm, firing(a, site, sae, CHUNKS[:20]), 3)
        natives = native_vectors(a, b, sae, chosen.tolist(), site, CHUNKS[:20])
        texts = generate(
            [Lane("plain", a), Lane("steered", a, norm * v)], site, "Once there was", Sampling(new_tokens=6)
        )
        written = torch.tensor([tokenizer(t)["input_ids"][0] for t in texts.values()])
        found = [scores.m, scores.loss, moved.positive, chosen, torch.tensor([effect.m, effect.loss]), written]
        found += [n for n in natives if n is not None] + [mean_activation(a, site, ["Once there was a gardener."])]
        assert all(type(t) is torch.Tensor for t in found)
        return found

    for x, y in zip(*both((a, b), work), strict=True):
        assert (x.double() - y.double()).abs().max() < 1e-3
