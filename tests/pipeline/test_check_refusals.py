"""What a check cannot read is one line before any work, and nothing of it is left, in the output or in the cache."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from transformers import AutoTokenizer, ByT5Tokenizer

from explorer.alignment import pair
from explorer.cli import command_line as cli
from explorer.models.language_model import LanguageModel
from explorer.pipeline.check_inputs import agree_on_reading, text_entry
from explorer.pipeline.check_options import CheckOptions
from explorer.text import FEWEST_DOCUMENTS
from explorer.text.sources import read_text
from explorer.text.tales import stories as tales
from explorer.text.windows import TextReading, read_windows


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, tokenizer: Any) -> Any:
    """A Llama, a text of many documents and one of a single document, and a cache of its own."""
    root = tmp_path_factory.mktemp("refusals")
    tiny.save("llama", tokenizer, root / "llama")
    texts = [d.text for d in tales.documents("example", 100)]
    (root / "many.jsonl").write_text("\n".join(json.dumps({"text": text[:300]}) for text in texts))
    (root / "one.txt").write_text("\n".join(texts))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EXPLORER_CACHE", str(root / "cache"))
        yield root


def check(place: Path, model: str, *more: str) -> int:
    """A model against itself, at one site and without dictionaries."""
    out = ["--out", str(place / "out"), "--sites", "1", "--sae", "none", "--device", "cpu", "--tokens", "20000"]
    text = ["--text", str(place / "many.jsonl")]
    return cli.main(["check", str(place / model), str(place / model), *out, *text, *more])


def studies(place: Path) -> list[str]:
    """What checks have left of studies in the cache."""
    return sorted(p.parent.name for p in (place / "cache" / "checks").glob("*/study/*"))


def gpt2(folder: Path, tokenizer: Any) -> None:
    tiny.network("gpt2", n_positions=64).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def mistral(folder: Path, tokenizer: Any) -> None:
    tiny.save("mistral", tokenizer, folder)


def longer(folder: Path, tokenizer: Any) -> None:
    tiny.save("llama", tokenizer, folder)
    more = AutoTokenizer.from_pretrained(folder)
    more.add_tokens([" the "])
    more.save_pretrained(folder)


def loud(folder: Path, tokenizer: Any) -> None:
    network = tiny.network("llama")
    with torch.no_grad():
        network.lm_head.weight.fill_(3e38)
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def packed(folder: Path, tokenizer: Any) -> None:
    tiny.save("llama", tokenizer, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "quantization_config": {"quant_method": "awq"}}))


@pytest.mark.parametrize(
    ("make", "more", "message"),
    [
        (gpt2, ["--context", "65"], "reads at most 64 tokens"),
        (mistral, ["--context", "512"], "reads at most 256 tokens"),
        (longer, [], "makes token 320 (' the ') of the text, but the model's embedding has 320 rows"),
        (loud, [], "not assessable: A computes a loss of nan"),
        (packed, [], "holds quantised weights (awq)"),
    ],
)
def test_what_cannot_be_read_is_refused_before_any_work(
    make: Callable[[Path, Any], None],
    more: list[str],
    message: str,
    place: Path,
    tokenizer: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make(place / "model", tokenizer)
    capsys.readouterr()  # what transformers says while it saves
    before = studies(place)
    assert check(place, "model", *more) == 2
    shutil.rmtree(place / "model")
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert message in err
    assert not (place / "out").exists()
    assert studies(place) == before


def test_a_number_that_is_none_is_never_written(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    measure, before = pair.measure_function, studies(place)
    with monkeypatch.context() as patch:
        patch.setattr(pair, "measure_function", lambda *given: replace(measure(*given), kl=float("nan")))
        for _ in range(2):
            assert check(place, "llama", "--context", "32") == 2
            assert "not assessable: function.kl is nan, no number" in capsys.readouterr().err
            assert not (place / "out").exists()
            assert studies(place) == before, "half of a result would fail every later run"
    assert check(place, "llama", "--context", "32") == 0


@pytest.mark.slow
def test_a_damaged_study_in_the_cache_is_made_again(place: Path) -> None:
    assert check(place, "llama", "--context", "40") == 0
    first = json.loads((place / "out" / "report.json").read_text())
    (kept,) = [
        p for p in (place / "cache" / "checks").glob("*/study") if '"context": 40' in (p / "study.json").read_text()
    ]
    for name in ("pairs/A-B/result.json", "../circumstances.json"):
        (kept / name).write_text('{"sites": null}')
        assert check(place, "llama", "--context", "40") == 0, name
        again = json.loads((place / "out" / "report.json").read_text())
        assert again["sites"] == first["sites"]
        assert again["text"] == first["text"]


def measured(place: Path, model: LanguageModel, text: str, tokens: int) -> tuple[TextReading, int]:
    """How a model reads a text by default, and how many test rows it is then measured on against itself."""
    options = CheckOptions(text=str(place / text), tokens=tokens)
    reading = agree_on_reading([model, model], options)
    documents = text_entry(read_text(options.text, tokens), model.tokenizer, reading, options, place)[1]
    blocks = replace(reading, blocks=len(documents) < FEWEST_DOCUMENTS)
    chunks = read_windows(documents, model.tokenizer, blocks, tokens)
    result = pair.measure_pair(model, model, chunks, model.sites[1:2], {}).result
    assert result.sites[0].ladder["orthogonal"].value == pytest.approx(1, abs=1e-4)
    return reading, result.rows.test


def test_the_context_fits_by_itself_where_positions_are_few(place: Path, tokenizer: Any) -> None:
    model = tiny.model("gpt2", tokenizer, n_positions=64)
    reading, rows = measured(place, model, "many.jsonl", 12_000)
    assert reading.context == 64
    assert rows > 1000


def test_a_tokenizer_written_in_python_reads_a_single_document(place: Path) -> None:
    model = tiny.model("llama", ByT5Tokenizer(), vocab_size=384)
    reading, rows = measured(place, model, "one.txt", 12_000)
    assert reading.context == 256
    assert rows > 1000
