"""Labelled tokens: each label lands on its token, in every window; what cannot be used is one sentence."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from explorer.errors import InputError
from explorer.models.tokens import tokenised
from explorer.text.file_corpus import FileCorpus
from explorer.text.labelled import LEAST_TOKENS, OTHERS, corpus_labels, read_labelled
from explorer.text.tales.corpus import Tales
from explorer.text.windows import TextReading, read_windows, split_of

READING = TextReading(24, bos=0)
TEXT = "The fox went to the mill and looked for the silver key. It rained all day, and the miller sang of the sea."


def written(path: Path, lines: list[dict[str, Any]]) -> str:
    file = path / "labels.jsonl"
    file.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    return str(file)


def test_a_label_of_a_document_stands_on_all_its_own_tokens(tokenizer: Any, tmp_path: Path) -> None:
    lines = [{"text": TEXT, "label": bool(i % 3)} for i in range(60)]
    found = read_labelled(written(tmp_path, lines), tokenizer, READING)
    assert (found.name, found.classes) == ("labels.jsonl", ("false", "true"))
    assert len(found.chunks) > 60, "documents are longer than a window"
    for row, document in enumerate(found.chunks.document.tolist()):
        valid = found.chunks.valid[row].clone()
        assert not found.labelled[row][~valid].any()
        if found.chunks.offset[row] < 0:
            assert found.index[row, 0] == -1, "what stands before the text has no label"
            valid[0] = False
        assert set(found.index[row][valid].tolist()) == {int(document % 3 > 0)}


def test_a_label_of_a_token_stands_on_it_in_every_window(tokenizer: Any, tmp_path: Path) -> None:
    pieces = [TEXT[start:end].strip() for start, end in tokenised(tokenizer, TEXT).offsets]
    labels = ["the" if piece.lower() == "the" else None if "," in piece else 7 for piece in pieces]
    found = read_labelled(written(tmp_path, [{"text": TEXT, "labels": labels}] * 30), tokenizer, READING)
    assert found.classes == ("7", "the")
    the = {i for i in found.chunks.ids.unique().tolist() if tokenizer.decode([i]).strip().lower() == "the"}
    marked = found.index == 1
    own = found.chunks.valid & torch.isin(found.chunks.ids, torch.tensor(sorted(the)))
    assert int(marked.sum()) > 60
    assert torch.equal(marked, own)
    assert ((found.index == -1) & found.chunks.valid).sum() > 30, "commas and what stands before the text"


def test_splits_and_samples_keep_labels_with_their_tokens(tokenizer: Any, tmp_path: Path) -> None:
    lines = [{"text": f"{TEXT} {i}", "label": str(i % 2)} for i in range(40)]
    found = read_labelled(written(tmp_path, lines), tokenizer, READING)
    test = found.split("test")
    assert {split_of(d) for d in test.chunks.document.tolist()} == {"test"}
    some = test.sample(60)
    assert 60 <= int(some.labelled.sum()) < 60 + 24
    for part in (test, some):
        for row, document in enumerate(part.chunks.document.tolist()):
            assert set(part.index[row][part.labelled[row]].tolist()) <= {document % 2}
    assert len(found.sample(10**6).chunks) == len(found.chunks)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([{"text": TEXT, "label": "a"}] * 30, "are of 1 classes: give 2 to 100"),
        ([{"text": TEXT, "label": i} for i in range(120)], "are of 120 classes"),
        ([{"text": TEXT, "labels": ["a", "b"]}] * 9, "line 1 of .* has 2 labels, and its text has"),
        ([{"text": TEXT, "label": [1]}], "line 1 of labels.jsonl' is damaged: label: Expected"),
        ([{"label": 1}], "line 1 of labels.jsonl' is damaged: .*missing required field text"),
        ([{"text": TEXT, "label": "a"}] * 30 + [{"text": TEXT, "label": "b"}], "the label 'b' of .* is too rare"),
        ([], "hold no documents"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(
    lines: list[dict[str, Any]], message: str, tokenizer: Any, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        read_labelled(written(tmp_path, lines), tokenizer, READING)


def test_a_file_that_is_not_there(tokenizer: Any) -> None:
    with pytest.raises(InputError, match="are no file: write a document a line"):
        read_labelled("/nowhere/labels.jsonl", tokenizer, READING)


def test_labels_of_the_corpus(tokenizer: Any, tmp_path: Path) -> None:
    corpus = Tales("held-out", 60, tmp_path)
    chunks = read_windows([d.text for d in corpus.documents()], tokenizer, TextReading(48, 0))
    mood = corpus_labels(corpus, "mood", chunks, tokenizer)
    assert set(mood.classes) <= {"calm", "merry", "sad", "uneasy"}
    documents: Any = corpus.documents()
    for row, document in enumerate(chunks.document.tolist()):
        said = {mood.classes[i] for i in mood.index[row][mood.index[row] >= 0].tolist()}
        assert said <= {documents[document].latents["mood"]}
    people = corpus_labels(corpus, "slot=people", chunks, tokenizer)
    assert people.classes == (OTHERS, "people")
    share = float((people.index == 1).sum() / chunks.valid.sum())
    assert 0.005 < share < 0.2
    assert torch.equal(people.index >= 0, chunks.valid)
    slot = corpus_labels(corpus, "slot", chunks, tokenizer)
    assert "people" in slot.classes
    counts = torch.bincount(slot.split("fit").index[slot.split("fit").labelled], minlength=len(slot.classes))
    assert int(counts.min()) >= LEAST_TOKENS
    for asked, message in (("lake", "the text's labels are genre"), ("mood=odd", "'mood' has the values calm")):
        with pytest.raises(InputError, match=message):
            corpus_labels(corpus, asked, chunks, tokenizer)
    with pytest.raises(InputError, match="too rare"):
        corpus_labels(corpus, "slot=log_chores", chunks, tokenizer)
    with pytest.raises(InputError, match="has no labels of its own"):
        corpus_labels(FileCorpus("a.jsonl", 3, tmp_path), "mood", chunks, tokenizer)
