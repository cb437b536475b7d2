"""Dyck-3: the text, its labels and its probability against brute force; tokenizer, contrasts, heads."""

import itertools
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from transformers import AutoTokenizer, LlamaForCausalLM

from explorer.errors import InputError
from explorer.models.language_model import LanguageModel, find_blocks
from explorer.text.dyck import contrasts as dyck_contrasts, language as dyck
from explorer.text.dyck.corpus import Dyck3
from explorer.text.dyck.heads import head_accuracy
from explorer.text.dyck.label_ids import COPY, DEPTH, LABEL_TOKENS, N_TEXT, VALIDITY, VOCABULARY
from explorer.training.dyck import study as dyck_study
from explorer.training.dyck.objective import head_losses, objective, save_tokenizer, tokens_of, training_rows
from explorer.training.llamas import ModelRecipe

TEXT = Dyck3("held-out", 10, Path())


def by_hand(body: str) -> list[tuple[int, bool, str]]:
    """(depth, broken, top) after each bracket, with a Python list as the stack."""
    pairs, stack, broken, out = {")": "(", "]": "[", "}": "{"}, [], False, []
    for c in body:
        if not broken:
            if c in pairs:
                if stack and stack[-1] == pairs[c]:
                    stack.pop()
                else:
                    broken = True
            elif len(stack) == 8:
                broken = True
            else:
                stack.append(c)
        out.append((len(stack), broken, stack[-1] if stack else "none"))
    return out


@given(st.text(dyck.BRACKETS, min_size=1, max_size=40) | st.text("([{", min_size=6, max_size=12))
def test_labels_are_those_of_a_stack(body: str) -> None:
    found = dyck.label(dyck.encode(dyck.START + body)[None])
    tops = ["none" if t < 0 else dyck.BRACKETS[2 * t] for t in found.top[0, 1:]]
    assert list(zip(found.depth[0, 1:].tolist(), found.broken[0, 1:].tolist(), tops, strict=True)) == by_hand(body)
    assert (found.depth[0, 0], found.broken[0, 0], found.top[0, 0]) == (0, False, -1)


@pytest.mark.parametrize("length", [2, 3, 4, 5])
def test_probabilities_of_a_length_sum_to_one(length: int) -> None:
    bodies = map("".join, itertools.product(dyck.BRACKETS, repeat=length))
    assert math.fsum(math.exp(dyck.log_probability_of_length(b)) for b in bodies) == pytest.approx(1, abs=1e-12)


@pytest.mark.slow
def test_the_generator_has_the_probability_that_it_claims() -> None:
    rows = dyck.sample(np.random.default_rng(5), 200_000)
    short = [dyck.decode(row)[1:] for row in rows if (row > 0).sum() == 3]
    counts, n = Counter(short), len(short)
    assert n == pytest.approx(200_000 / 61, rel=0.06), "lengths are uniform"
    expected = {
        b: n * math.exp(dyck.log_probability_of_length(b))
        for b in map("".join, itertools.product(dyck.BRACKETS, repeat=3))
    }
    assert all(expected[b] > 0 for b in counts)
    common = [b for b in expected if expected[b] > 5]
    chi, degrees = sum((counts[b] - expected[b]) ** 2 / expected[b] for b in common), len(common) - 1
    assert abs(chi - degrees) < 4 * math.sqrt(2 * degrees)


def test_almost_half_of_the_documents_break_and_depths_stay_in_bounds() -> None:
    rows = dyck.rows("held-out", 3000)
    labels = dyck.label(rows)
    assert labels.depth.max() == dyck.MAX_DEPTH
    assert 0.35 < labels.broken[:, -1].mean() < 0.55
    whole = [by_hand(dyck.decode(row)[1:]) for row in rows[:200]]
    np.testing.assert_array_equal([w[-1][1] for w in whole], labels.broken[:200, -1])


def test_a_document_depends_on_split_and_number_only() -> None:
    one = list(dyck.documents("held-out", 5, dyck.BLOCK - 2))
    assert one == [next(dyck.documents("held-out", 1, dyck.BLOCK - 2 + i)) for i in range(5)]
    assert one != list(dyck.documents("train", 5, dyck.BLOCK - 2))
    assert all(d.text.startswith(dyck.START) and 3 <= len(d.text) <= 63 for d in one)


def test_what_cannot_be_a_document_has_no_probability() -> None:
    assert dyck.log_probability("•(") == -math.inf
    assert dyck.log_probability("•" + "(" * 63) == -math.inf
    assert dyck.log_probability("•(a") == -math.inf
    assert math.isfinite(dyck.log_probability("•))"))
    assert dyck.log_probability("•(()]") == -math.inf, "a wrong closer follows an opening bracket"
    text = dyck.rows("train", 1)[0]
    assert dyck.entropy([dyck.decode(text)]) == -dyck.log_probability(dyck.decode(text))


def test_labels_of_a_document_by_character() -> None:
    document = dyck.DyckDocument("•([)]")
    labels = document.labels_at([(i, i + 1) for i in range(5)])
    assert labels[0] == {}
    assert labels[2] == {"bracket": "[", "role": "opener", "depth": "2", "top": "[", "validity": "valid"}
    assert [x["validity"] for x in labels[1:]] == ["valid", "valid", "broken", "broken"]
    assert [x.get("depth") for x in labels[1:]] == ["1", "2", None, None]


def test_the_tokenizer_begins_every_text_with_the_mark(tmp_path: Path) -> None:
    save_tokenizer(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    for text in ("•([{}", "([{}", " ( [x{ }\n"):
        assert tokenizer(text, add_special_tokens=False)["input_ids"] == [0, 1, 3, 5, 6]
    assert tokenizer.eos_token_id == 0
    assert len(tokenizer) == VOCABULARY == N_TEXT + len(LABEL_TOKENS)
    for document in dyck.documents("held-out", 50):
        encoded = tokenizer(document.text, add_special_tokens=False, return_offsets_mapping=True)
        assert encoded["input_ids"] == dyck.encode(document.text).tolist()
        assert encoded["offset_mapping"] == [(i, i + 1) for i in range(len(document.text))]
        assert tokenizer.decode(encoded["input_ids"]) == document.text


def test_training_rows_hold_tokens_and_labels() -> None:
    rows = torch.from_numpy(training_rows("train", 40).astype(np.int64))
    tokens = dyck.rows("train", 40)
    labels = dyck.label(tokens)
    np.testing.assert_array_equal(tokens_of(rows), tokens)
    np.testing.assert_array_equal(rows >> 5 & 15, labels.depth)
    np.testing.assert_array_equal(rows >> 9, labels.broken)


def test_the_losses_are_those_of_a_loop() -> None:
    rows = torch.from_numpy(training_rows("train", 4).astype(np.int64))
    logits = torch.randn(4, dyck.CONTEXT, VOCABULARY)
    sums, n = [0.0] * 4, [0] * 4
    for row, out in zip(dyck.rows("train", 4), logits, strict=True):
        length = int((row > 0).sum())
        labels = dyck.label(row[None])
        for t in range(length + 1):
            sums[0] -= float(out[t].log_softmax(-1)[row[t + 1]])
            n[0] += 1
            if t == 0:
                continue
            truths = (row[t] - 1, labels.depth[0, t], int(labels.broken[0, t]))
            for h, (part, truth) in enumerate(zip((COPY, DEPTH, VALIDITY), truths, strict=True), 1):
                if h == 2 and labels.broken[0, t]:
                    continue
                sums[h] -= float(out[t, part].log_softmax(-1)[truth])
                n[h] += 1
    found = head_losses(logits, rows)
    np.testing.assert_allclose([float(x) for x in found], [s / k for s, k in zip(sums, n, strict=True)], rtol=1e-5)
    assert float(objective(logits, rows)) == pytest.approx(float(sum(found)))


def test_accuracy_of_heads_that_are_right_where_they_were_made_right(tmp_path: Path) -> None:
    save_tokenizer(tmp_path)
    network = LlamaForCausalLM(ModelRecipe(16, 1, 2, 24, dyck.CONTEXT).config(VOCABULARY)).eval().requires_grad_(False)
    model = LanguageModel("toy", network, AutoTokenizer.from_pretrained(tmp_path), find_blocks(network))
    tokens = dyck.rows("held-out", 30)
    labels = dyck.label(tokens)
    network.model.embed_tokens.weight[:7] = 10 * torch.eye(7, 16)
    network.lm_head.weight.zero_()
    network.lm_head.weight[COPY, 1:7] = torch.eye(6)[:, :6]
    for layer in network.model.layers:
        layer.self_attn.o_proj.weight.zero_()
        layer.mlp.down_proj.weight.zero_()
    found = head_accuracy(model, tokens)
    assert found.bracket == 1
    bracket = tokens > 0
    # All logits of the other heads are equal: the first place wins.
    assert found.depth == pytest.approx((labels.depth == 0)[bracket & ~labels.broken].mean())
    assert found.validity == pytest.approx((~labels.broken)[bracket].mean())


def test_contrasts_compare_the_tokens_that_they_say() -> None:
    for name in ("deeper", "broken", "closer"):
        contrast = dyck_contrasts.ready_contrast(name)
        assert contrast.positive_tokens is not None
        assert contrast.negative_tokens is not None
        made, held_out = (set(TEXT.prompts(held_out=not made)) for made in (True, False))
        assert set(contrast.positive) == made
        assert made.isdisjoint(held_out)
        for text, positive, negative in zip(
            contrast.positive, contrast.positive_tokens, contrast.negative_tokens, strict=True
        ):
            states = by_hand(text[1:])
            said = {
                "deeper": ([s[0] == 5 and not s[1] for s in states], [s[0] == 4 and not s[1] for s in states]),
                "broken": ([s[0] == 3 and s[1] for s in states], [s[0] == 3 and not s[1] for s in states]),
                "closer": (
                    [c in ")]}" and not s[1] for c, s in zip(text[1:], states, strict=True)],
                    [c in "([{" and not s[1] for c, s in zip(text[1:], states, strict=True)],
                ),
            }[name]
            assert list(positive) == [i + 1 for i, yes in enumerate(said[0]) if yes]
            assert list(negative) == [i + 1 for i, yes in enumerate(said[1]) if yes]
        counts = [sum(map(len, part)) for part in (contrast.positive_tokens, contrast.negative_tokens)]
        assert min(counts) > 100
    rise, fall = dyck_contrasts.ready_contrast("deeper").outcome or ((), ())
    assert [LABEL_TOKENS[i - N_TEXT] for i in (rise[0], fall[-1])] == ["depth 5", "depth 4"]
    with pytest.raises(InputError, match="there are deeper, broken, closer"):
        Dyck3.contrast("sea")


def test_pairs_of_a_whole_study() -> None:
    assert dyck_study.pairs({"A": (0, 1, 2), "B": (0, 1)}) == [
        *(("A0", "A1"), ("A0", "A2"), ("A1", "A0"), ("B0", "B1"), ("B1", "B0")),
        *(("A0", "B0"), ("A0", "twin"), ("A0", "early"), ("A0", "step0")),
    ]
