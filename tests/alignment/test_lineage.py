"""Planted relations of two models' weights are told, each by its name."""

from pathlib import Path
from typing import Any

import pytest
import tiny
import torch

from explorer.alignment.lineage import Lineage, tell_lineage
from explorer.alignment.orthogonal import haar
from explorer.alignment.twin import FAMILIES, make_twin, symmetry_of
from explorer.models.language_model import LanguageModel, load_model


def told(a: LanguageModel, b: LanguageModel) -> Lineage:
    weights = [dict(m.network.named_parameters()) for m in (a, b)]
    tables = [m.network.get_input_embeddings().weight for m in (a, b)]
    return tell_lineage(weights[0], weights[1], tables[0], tables[1])  # type: ignore[arg-type]


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_copy_a_twin_and_a_sister_are_told_apart(family: str, tied: bool, tokenizer: Any) -> None:
    a, copy, sister = (tiny.model(family, tokenizer, seed, tied=tied) for seed in (0, 0, 1))
    same = told(a, copy)
    assert same.kind == "same weights" and same.equal == same.of == len(dict(a.network.named_parameters()))
    turned = told(a, make_twin(a, 3))
    permuted = symmetry_of(family) == "signed permutation"
    assert turned.kind == ("permuted copy" if permuted else "rotated copy")
    assert turned.ev == pytest.approx(1, abs=1e-6) and turned.null is not None and turned.null < 0.3
    apart = told(a, sister)
    assert apart.kind == "trained apart" and apart.ev is not None and apart.ev < 0.3 and apart.close <= 1


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("share", "kind"), [(0.01, "one run"), (1.0, "one run"), (20.0, "trained apart")])
def test_noise_on_a_copy_is_further_training_until_little_of_it_is_left(
    share: float, kind: str, family: str, tokenizer: Any
) -> None:
    a, b = (tiny.model(family, tokenizer) for _ in range(2))
    with torch.no_grad():
        for p in b.network.parameters():
            p.add_(share * (p.std() if p.numel() > 1 else 1) * torch.randn_like(p))
    found = told(a, b)
    assert found.kind == kind and found.equal == 0
    if kind == "one run":
        assert found.close == found.matrices


def test_norms_that_start_equal_prove_nothing(tokenizer: Any) -> None:
    a, b = (tiny.model("gpt2", tokenizer, seed) for seed in (0, 1))
    with torch.no_grad():
        for m in (a, b):
            for p in m.network.parameters():
                if p.ndim == 1:
                    p.fill_(1)
    found = told(a, b)
    assert found.kind == "trained apart" and found.equal > found.of / 2


def test_a_permutation_of_the_coordinates_is_told_from_a_rotation() -> None:
    x = torch.randn(400, 16)
    order = torch.randperm(16)
    for y, kind in ((x[:, order], "permuted copy"), (x @ haar(16, 0).float(), "rotated copy")):
        assert tell_lineage({"e": x}, {"e": y}, x, y).kind == kind
    noisy = x[:, order] + 0.01 * torch.randn(400, 16)
    assert tell_lineage({"e": x}, {"e": noisy}, x, noisy).kind == "permuted copy"


def test_too_few_tokens_tell_nothing_of_a_rotation() -> None:
    x = torch.randn(6, 16)
    found = tell_lineage({"e": x}, {"e": x @ haar(16, 0).float()}, x, x @ haar(16, 0).float())
    assert found.kind == "trained apart" and found.ev is None and "cannot tell" in found.sentence


def test_models_of_other_shapes_have_no_tensor_in_common() -> None:
    found = tell_lineage({"e": torch.randn(90, 8)}, {"e": torch.randn(90, 4)}, torch.randn(90, 8), torch.randn(90, 4))
    assert (found.kind, found.matrices, found.ev) == ("trained apart", 0, None)


@pytest.mark.parametrize(("a", "b"), [("seed0", "early"), ("early", "step0"), ("seed0", "step0")])
def test_steps_of_a_shipped_run_are_one_run_and_other_seeds_are_not(a: str, b: str) -> None:
    """Start and end too: what is left of the start is small, and in half of the matrices far above chance."""
    shipped = Path(__file__).resolve().parents[2] / "assets" / "tales" / "models"
    first, second, *others = (load_model(shipped / name) for name in (a, b, "seed1", "adam1"))
    assert told(first, second).kind == "one run"
    for other in others:
        for one in (first, second):
            found = told(one, other)
            assert found.kind == "trained apart" and found.close <= 1


@pytest.mark.parametrize("stored", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("family", ["gpt_neox", "llama"])
def test_the_same_weights_in_another_precision_are_no_training(
    family: str, stored: torch.dtype, tokenizer: Any
) -> None:
    a, b = (tiny.model(family, tokenizer) for _ in range(2))
    with torch.no_grad():
        for p in b.network.parameters():
            p.copy_(p.to(stored))
    name = str(stored).removeprefix("torch.")
    for pair, whose in (((a, b), "A"), ((b, a), "B")):
        found = told(*pair)
        assert found.kind == "another precision" and found.ev is None
        assert f"same weights in another precision: all {found.of} tensors are those of {whose}" in found.sentence
        assert f"rounding to {name}" in found.sentence
    assert told(b, b).kind == "same weights"
    half = tiny.model(family, tokenizer)
    with torch.no_grad():
        for p in half.network.parameters():
            p.copy_(p.to(torch.bfloat16 if stored == torch.float16 else torch.float16))
    assert told(b, half).kind == "another precision", "each of its own type"
    with torch.no_grad():
        b.network.get_input_embeddings().weight[0, 0] += 0.3
    assert told(a, b).kind == "one run", "one entry that rounding does not explain"
