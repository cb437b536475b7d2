"""Held-out Tales are refused, before minutes of work, for models that know plain English and no Tales."""

import json
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch

from explorer.cli import command_line as cli
from explorer.errors import InputError
from explorer.models.language_model import LanguageModel, find_blocks, load_model
from explorer.pipeline.check_form import Fields, examine
from explorer.pipeline.check_inputs import agree_on_reading
from explorer.pipeline.check_options import CheckOptions
from explorer.pipeline.default_text import PASSAGE, check_default_fits, mean_loss, offers_corpus
from explorer.text.remote import PILE
from explorer.text.sources import read_text
from explorer.text.windows import Chunks, TextReading, read_windows

SHIPPED = Path(__file__).resolve().parents[2] / "assets" / "tales" / "models"
TOKENS = 3000


def taught(tokenizer: Any, seed: int, text: str = PASSAGE) -> Any:
    """A tiny network that has learned one text by heart."""
    network = tiny.network("llama", seed).requires_grad_(True)
    ids = torch.tensor([tokenizer(text, add_special_tokens=False)["input_ids"]])
    windows = torch.cat([ids[:, i : i + 64] for i in range(0, ids.shape[1] - 64, 16)])
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    for _ in range(150):
        loss = network(input_ids=windows, labels=windows).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return network.requires_grad_(False)


@pytest.fixture(scope="module")
def english(tokenizer: Any) -> list[Any]:
    torch.manual_seed(0)
    return [taught(tokenizer, seed) for seed in (0, 1)]


def wrapped(network: Any, tokenizer: Any, name: str = "A") -> LanguageModel:
    return LanguageModel(name, network, tokenizer, find_blocks(network))


def read(models: list[LanguageModel]) -> tuple[Chunks, TextReading]:
    reading = agree_on_reading(models, CheckOptions(context=64))
    return read_windows(read_text(None, TOKENS).documents, models[0].tokenizer, reading, TOKENS), reading


def test_models_of_other_text_are_refused_with_what_would_work(english: list[Any], tokenizer: Any) -> None:
    models = [wrapped(network, tokenizer) for network in english]
    with pytest.raises(InputError) as caught:
        check_default_fits(models, *read(models))
    line = str(caught.value)
    assert line.startswith("neither model knows held-out Tales") and "\n" not in line
    assert all(said in line for said in ("--text FILE", f"--text {PILE}", "--text tales"))
    assert offers_corpus(line)


def test_untrained_models_keep_the_default(tokenizer: Any) -> None:
    models = [tiny.model("llama", tokenizer, seed) for seed in (0, 1)]
    check_default_fits(models, *read(models))


def test_one_model_that_knows_tales_is_enough() -> None:
    models = [load_model(SHIPPED / name) for name in ("seed0", "step0")]
    check_default_fits(models, *read(models))


def test_a_mean_loss_is_that_of_the_whole(tokenizer: Any) -> None:
    model = tiny.model("llama", tokenizer)
    windows = tiny.chunks(6, 1, 24)
    logits = model.network(input_ids=windows.ids).logits[:, :-1]
    whole = torch.nn.functional.cross_entropy(logits.flatten(0, 1), windows.ids[:, 1:].flatten())
    assert mean_loss(model, windows) == pytest.approx(float(whole), rel=1e-5)
    assert mean_loss(model, windows[:0]) != mean_loss(model, windows[:0]), "nothing predicted has no loss"


@pytest.mark.slow
def test_a_check_ends_at_once_unless_tales_are_asked_for(
    english: list[Any],
    tokenizer: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("EXPLORER_CACHE", str(tmp_path / "cache"))
    for network, name in zip(english, "ab", strict=True):
        network.save_pretrained(tmp_path / name)
        tokenizer.save_pretrained(tmp_path / name)
    call = ["check", str(tmp_path / "a"), str(tmp_path / "b"), "--out", str(tmp_path / "out"), "--sae", "none"]
    few = ["--tokens", "26000", "--context", "32", "--sites", "1", "--device", "cpu"]
    assert cli.main([*call, *few]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and "--text tales" in err
    assert not (tmp_path / "out").exists(), "exit 2 writes nothing"
    assert cli.main([*call, *few, "--text", "tales"]) in (0, 1)
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["text"].startswith("held-out Tales") and "give --text" not in report["text"]
    assert "--text tales" in report["command"]


def test_the_form_knows_tales_by_name(tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPLORER_ROOTS", str(tmp_path))
    tiny.save("llama", tokenizer, tmp_path / "a")
    for text, insisted in (("", False), ("tales", True)):
        request = examine(Fields(str(tmp_path / "a"), str(tmp_path / "a"), text))
        assert (request.options.text, request.options.insisted) == (None, insisted)
        assert ("--text tales" in request.command) == insisted
