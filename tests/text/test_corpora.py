"""One table of corpora: a study's language is one class, and nothing else asks which it is."""

import ast
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
import tiny
import torch
from test_study import example, write

from explorer.errors import InputError
from explorer.files import encode
from explorer.models.sites import Site
from explorer.steering.dose_measure import Steered
from explorer.steering.dose_response import DOSES
from explorer.steering.token_classes import typical_tokens
from explorer.steering.vectors import contrast_vector
from explorer.study.library import open_study
from explorer.text.contrast import Contrast, ReadyContrast
from explorer.text.corpora import CORPORA, open_corpus
from explorer.text.corpus import Corpus, TextDocument
from explorer.text.labels import label_tokens
from explorer.text.windows import TextReading, read_windows

ROOT = Path(__file__).resolve().parents[2]
NAMES = {"tales", "dyck3"}
HOMES = {"explorer/text/tales/corpus.py", "explorer/text/dyck/corpus.py"}
"""Where a corpus says its own name."""


def named(path: Path) -> Iterator[int]:
    """Lines where a module spells a corpus' name as a string of its own, or asks of which kind a study's text is."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and node.value in NAMES:
            yield node.lineno
        if isinstance(node, ast.Compare) and any("text.kind" in ast.unparse(n) for n in (node.left, *node.comparators)):
            yield node.lineno


def test_nobody_else_asks_which_corpus_it_is(tmp_path: Path) -> None:
    modules = {p.relative_to(ROOT).as_posix(): p for f in ("explorer", "pages") for p in (ROOT / f).rglob("*.py")}
    assert {name: found for name, path in modules.items() if (found := list(named(path))) and name not in HOMES} == {}
    planted = tmp_path / "planted.py"
    planted.write_text('"""tales"""\nx = study.file.text.kind == FILE\ny = {"dyck3": "()"}\nz = "the tales"\n')
    assert sorted(named(planted))[-2:] == [2, 3]


@dataclass(frozen=True)
class Beat:
    """A document of two words."""

    text: str

    def labels_at(self, offsets: Sequence[tuple[int, int]]) -> list[dict[str, str]]:
        """Every token has the first letter of its word."""
        return [{"letter": self.text[start:end].strip()[:1]} for start, end in offsets]


@dataclass(frozen=True)
class Beats(Corpus):
    """A language that this test makes up."""

    kind: ClassVar[str] = "beats"
    has_labels: ClassVar[bool] = True
    prompt_tokens: ClassVar[int] = 4

    def documents(self, count: int | None = None) -> list[TextDocument]:
        return [Beat("tick tock " * (8 + i % 3)) for i in range(self.size if count is None else count)]

    def prompts(self, held_out: bool = True) -> list[str]:
        return ["tick tick tick tick" if held_out else "tock tock tock tock"] * 3

    @classmethod
    def contrasts(cls) -> tuple[ReadyContrast, ...]:
        return (ReadyContrast("tock", "tick → tock", "tick tick"),)

    @classmethod
    def _contrast(cls, name: str) -> Contrast:
        return Contrast(name, "tick → tock", ("tock tock tock",), ("tick tick tick",))


def test_a_new_language_is_one_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tokenizer: Any) -> None:
    monkeypatch.setitem(CORPORA, "beats", Beats)
    text = {"kind": "beats", "split": "x", "documents": 10, "context": 16}
    content = {**json.loads(encode(example())), "text": text}
    study = open_study(write(tmp_path / "s", content))
    assert isinstance(study.corpus, Beats) and study.corpus.size == 10 and study.corpus.folder == study.folder
    chunks = read_windows([d.text for d in study.corpus.documents()], tokenizer, TextReading(16))
    labels = label_tokens(study.corpus.documents(), chunks, tokenizer)
    assert study.corpus.has_labels and "letter=t" in labels.names
    model, site = tiny.model("llama", tokenizer), Site(1, 3)
    steered = Steered(model, site, study.corpus, chunks)
    contrast = study.corpus.contrast("tock")
    vector, classes = contrast_vector(model, site, contrast), typical_tokens(contrast, model)
    assert steered.read(vector[None], [classes]).m.shape == (len(DOSES), 1, 3)
    assert torch.equal(steered.prompts.prompts.ids[0], steered.prompts.prompts.ids[2])
    with pytest.raises(InputError, match="no ready contrast 'sea': there are tock"):
        study.corpus.contrast("sea")
    assert study.corpus.files() == [] and study.corpus.label_heads(chunks.ids) == []


def test_an_unknown_corpus_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="of kind 'verse': this version reads tales, dyck3, file"):
        open_corpus("verse", "held-out", 3, tmp_path)


@pytest.mark.parametrize("kind", list(CORPORA))
def test_every_corpus_gives_what_the_others_give(kind: str, tmp_path: Path) -> None:
    corpus = CORPORA[kind]("held-out", 7, tmp_path)
    if corpus.files():
        (tmp_path / "held-out").write_text("".join(json.dumps({"text": f"Story {i}."}) + "\n" for i in range(60)))
        corpus = CORPORA[kind]("held-out", 60, tmp_path)
    documents = corpus.documents(5)
    assert len(documents) == 5 and [d.text for d in corpus.documents()[:5]] == [d.text for d in documents]
    assert not set(corpus.prompts()) & set(corpus.prompts(held_out=False))
    assert any(documents[0].labels_at([(0, 1), (1, 2)])) == corpus.has_labels
    names = [plan.name for plan in corpus.contrasts()][:1]
    assert [corpus.contrast(name).name for name in names] == names
