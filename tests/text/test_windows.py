"""Windows: every token of the text is scored in one of them, and none that is scored lacks its left context."""

from pathlib import Path
from typing import Any

import pytest
import tiny
import torch

from explorer.alignment.pair import POSITION_BINS, measure_function
from explorer.errors import InputError
from explorer.models.language_model import load_model
from explorer.models.tokens import begin_token
from explorer.steering.held_out_prompts import held_out_prompts
from explorer.text.documents import TextEntry
from explorer.text.file_corpus import FileCorpus, write_texts
from explorer.text.tales import stories as tales
from explorer.text.windows import BLOCK, SPLITS, Chunks, TextReading, read_windows, split_of

TEXTS = [d.text for d in tales.documents("example", 24)]


def encoded(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


@pytest.mark.parametrize("bos", [None, 3])
@pytest.mark.parametrize("context", [16, 40, 200, 600])
def test_every_token_is_scored_once_with_its_left_context(tokenizer: Any, context: int, bos: int | None) -> None:
    windows = read_windows(TEXTS, tokenizer, TextReading(context, bos))
    overlap = min(64, context // 2)
    for number, text in enumerate(TEXTS):
        ids, found = encoded(tokenizer, text), {}
        for row in torch.nonzero(windows.document == number).flatten().tolist():
            offset, own = int(windows.offset[row]), windows.own[row]
            # What stands in a window is what stands in the document, a BOS before its start and nowhere else.
            for column in windows.valid[row].nonzero().flatten().tolist():
                expected = bos if offset + column < 0 else ids[offset + column]
                assert int(windows.ids[row, column]) == expected
            for column in own.nonzero().flatten().tolist():
                place = offset + column
                assert place not in found, "scored twice"
                assert column - max(0, -offset) >= min(place, overlap), "its left context was cut"
                found[place] = column
        assert sorted(found) == list(range(len(ids)))
    # Nothing is known where nothing stands before; every other token of the text has a row and a prediction.
    first = windows.offset == 0
    assert int(windows.scored.sum()) == int(windows.own.sum()) - (int(first.sum()) if bos is None else 0)
    assert int(windows.predicted.sum()) == int(windows.scored.sum())
    assert not windows.scored[:, 0].any()
    assert windows.ids.shape[1] <= context


def test_a_cut_reading_is_that_of_older_studies(tokenizer: Any) -> None:
    """Their results name chunks by number: they are read as they were."""
    old = TextEntry("tales", "held-out", 24, 40)
    assert old.cut and not old.bos
    windows = read_windows(TEXTS, tokenizer, TextReading(old.context, cut=old.cut))
    for number, text in enumerate(TEXTS):
        own = windows[torch.nonzero(windows.document == number).squeeze(1)]
        assert own.offset.tolist() == list(range(0, len(encoded(tokenizer, text)), 40))
    assert torch.equal(windows.own, windows.valid)


def test_batches_are_as_wide_as_their_longest(tokenizer: Any) -> None:
    windows = read_windows(TEXTS, tokenizer, TextReading(600))
    order = windows.by_length()
    lengths = order.valid.sum(1)
    assert torch.equal(lengths, lengths.sort().values)
    batches = list(order.batches(5))
    assert [len(b) for b in batches] == [5, 5, 5, 5, 4]
    assert all(b.ids.shape[1] == int(b.valid.sum(1).max()) for b in batches)
    assert sum(int(b.own.sum()) for b in batches) == int(windows.own.sum())


def test_a_limit_of_tokens_leaves_out_whole_documents(tokenizer: Any) -> None:
    lengths = [len(encoded(tokenizer, t)) for t in TEXTS]
    limited = read_windows(TEXTS, tokenizer, TextReading(40), max_tokens=sum(lengths[:3]) + 1)
    assert int(limited.own.sum()) == sum(lengths[:4])
    for empty in ([], [""], ["", ""]):
        with pytest.raises(InputError, match="the text is empty"):
            read_windows(empty, tokenizer, TextReading(128))


def test_splits_are_by_document(tokenizer: Any) -> None:
    windows = read_windows(TEXTS, tokenizer, TextReading(40))
    parts = {name: set(windows.split(name).document.tolist()) for name in SPLITS}
    assert set.union(*parts.values()) == set(range(len(TEXTS)))
    assert sum(map(len, parts.values())) == len(TEXTS)
    shares = [sum(split_of(i) == name for i in range(5000)) / 5000 for name in SPLITS]
    assert shares == pytest.approx([0.6, 0.2, 0.2], abs=0.02)


def test_blocks_take_the_place_of_documents_and_keep_their_context(tokenizer: Any) -> None:
    novel = "\n".join(d.text for d in tales.documents("example", 120))
    windows = read_windows([novel, novel[:5000]], tokenizer, TextReading(128, blocks=True))
    assert len(windows.document.unique()) > 10
    assert all(len(windows.split(name)) for name in SPLITS)
    place = windows.offset + windows.first
    for block in windows.document.unique().tolist():
        mine = place[windows.document == block] // BLOCK
        assert int(mine.min()) == int(mine.max())
    assert int((windows.first == 0).sum()) == 2, "only a document's start has no left context"


def test_prompts_of_few_documents_are_of_the_test_blocks(tokenizer: Any, tmp_path: Path) -> None:
    novel = "\n".join(d.text for d in tales.documents("example", 120))
    write_texts(tmp_path / "text.jsonl", [novel])
    corpus, model = FileCorpus("text.jsonl", 1, tmp_path), tiny.model("llama", tokenizer)
    model.begin = 5
    prompts, ids = held_out_prompts(corpus, model), encoded(tokenizer, novel)
    blocks = [ids[i : i + corpus.prompt_tokens] for i in range(0, len(ids), BLOCK) if split_of(i // BLOCK) == "test"]
    assert prompts.ids[:, 1:].tolist() == [b for b in blocks if len(b) == corpus.prompt_tokens]
    assert set(prompts.ids[:, 0].tolist()) == {5} and prompts.predicted.all()
    assert not set(map(tuple, prompts.ids.tolist())) & set(
        map(tuple, held_out_prompts(corpus, model, True).ids.tolist())
    )


def test_losses_in_windows_are_those_of_whole_documents(tokenizer: Any) -> None:
    """By plain loops."""
    a, b = (tiny.model("llama", tokenizer, seed, max_position_embeddings=700) for seed in (0, 1))
    windows = read_windows(TEXTS, tokenizer, TextReading(600, 4))
    found = measure_function(a, b, windows, lambda *_: None)
    sums, n, by_place = [0.0, 0.0, 0.0], 0, {}
    for number, text in enumerate(TEXTS):
        if split_of(number) == "test":
            ids = torch.tensor([[4, *encoded(tokenizer, text)]])
            p, q = (m.logits(ids)[0, :-1].log_softmax(-1) for m in (a, b))
            truth = ids[0, 1:, None]
            rows = torch.stack([-p.gather(1, truth)[:, 0], -q.gather(1, truth)[:, 0], (p.exp() * (p - q)).sum(1)])
            sums = [s + float(r) for s, r in zip(sums, rows.sum(1), strict=True)]
            n += len(truth)
            for place, row in enumerate(rows.T, 1):
                by_place.setdefault(place, []).append(row)
    assert (found.loss_source, found.loss_target, found.kl) == pytest.approx([s / n for s in sums], abs=1e-4)
    assert len(found.by_position) <= POSITION_BINS and sum(p.tokens for p in found.by_position) == n
    assert found.by_position[0].first == 0
    for p in found.by_position:
        rows = torch.stack([r for place in range(p.first, p.last + 1) for r in by_place.get(place, [])])
        assert len(rows) == p.tokens
        assert (p.loss_source, p.loss_target, p.kl) == pytest.approx(rows.mean(0).tolist(), abs=1e-4)


def test_what_stands_before_a_document_follows_the_tokenizer(tokenizer: Any, tmp_path: Path) -> None:
    from tokenizers.processors import TemplateProcessing

    plain = tiny.save("llama", tokenizer, tmp_path / "plain")
    adding = tiny.save("llama", tokenizer, tmp_path / "adding")
    adds_nothing = load_model(plain).tokenizer
    adds_nothing._tokenizer.post_processor = None
    adds_nothing.save_pretrained(plain)
    model = load_model(plain)
    end = model.tokenizer.eos_token_id
    assert model.begin is None and load_model(plain, begin="yes").begin == end
    model.tokenizer._tokenizer.post_processor = TemplateProcessing(
        single="<|endoftext|> $A", special_tokens=[("<|endoftext|>", end)]
    )
    model.tokenizer.save_pretrained(adding)
    assert load_model(adding).begin == end
    assert load_model(adding, begin="no").begin is None
    bare = model.tokenizer
    bare._tokenizer.post_processor = None
    assert begin_token(bare, "auto") is None
    bare.bos_token = bare.eos_token = None
    with pytest.raises(InputError, match="no BOS and no end of text"):
        begin_token(bare, "yes")


def test_padding_reaches_no_number(tokenizer: Any) -> None:
    windows = read_windows(TEXTS, tokenizer, TextReading(600))
    wide = Chunks(
        torch.nn.functional.pad(windows.ids, (0, 50), value=7),
        torch.nn.functional.pad(windows.valid, (0, 50)),
        windows.document,
        windows.offset,
        windows.first,
    )
    a, b = (tiny.model("llama", tokenizer, seed, max_position_embeddings=700) for seed in (0, 1))
    one, other = (measure_function(a, b, w, lambda *_: None) for w in (windows, wide))
    assert (one.loss_source, one.kl) == pytest.approx((other.loss_source, other.kl), abs=1e-6)
