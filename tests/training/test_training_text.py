"""Training on a text of one's own: what is held out, what is refused, and a whole small run from the command line."""

from dataclasses import replace
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from explorer.cli.command_line import main
from explorer.cli.train import OWN_TOKENS
from explorer.errors import InputError
from explorer.sae.formats.registry import load_sae
from explorer.sae.trainer import SAERecipe
from explorer.text.sources import SEPARATOR, read_text
from explorer.text.tales import stories as tales
from explorer.training.llamas import ModelRecipe
from explorer.training.own_text import read_training_text
from explorer.training.schedule import Schedule
from explorer.training.tales import models, recipe
from explorer.training.tales.stream import StreamFile

TINY = replace(
    recipe.own_text_recipe(),
    cohorts=(recipe.Cohort("equivariant", "seed", Schedule(50, rows=4, warmup=5), (0, 1)),),
    vocabulary=300,
    model=ModelRecipe(d_model=16, n_layers=1, n_heads=2, d_mlp=16, context=32),
    early=25,
    sae=SAERecipe(width=32, k=4, batch=64),
    sae_rows=64 * 10,
    sae_tokens=30_000,
)
STORIES = [d.text for d in tales.documents("example", 60)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.txt"
    path.write_text(SEPARATOR.join(STORIES), encoding="utf-8")
    return path


def test_the_last_tenth_is_held_out(file: Path, tmp_path: Path) -> None:
    text = read_training_text([str(file)], 10**6)
    assert "".join((*text.documents, *text.held_out)) == "".join(STORIES)
    held, whole = len("".join(text.held_out)), len("".join(STORIES))
    assert held == round(whole / 10)
    one = tmp_path / "one.txt"
    one.write_text("".join(STORIES), encoding="utf-8")
    alone = read_training_text([str(one)], 10**6)
    assert len(alone.documents) == len(alone.held_out) == 1 and alone.held_out[0] == "".join(STORIES)[-held:]


def test_too_little_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "short.txt").write_text("Once there was a goat. " * 20, encoding="utf-8")
    with pytest.raises(InputError, match="460 characters"):
        read_training_text([str(tmp_path / "short.txt")], 10**6)


@pytest.mark.slow
def test_two_seeds_from_the_command_line(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(recipe, "own_text_recipe", lambda: TINY)
    monkeypatch.setattr(models, "fastest", lambda _device: None)
    out = tmp_path / "study"
    text = read_training_text([str(file)], OWN_TOKENS)
    command = ["train", "tales", "--text", str(file), "--seeds", "0,1", "--device", "cpu", "--out", str(out)]
    assert main(command) == 0
    told = capsys.readouterr().out
    assert f"check {out / 'models' / 'seed0'} {out / 'models' / 'seed1'} --text {out / 'held-out.txt'}" in told
    assert read_text(str(out / "held-out.txt"), 10**6).documents == text.held_out
    tokenizer = AutoTokenizer.from_pretrained(out / "models" / "seed1")
    stream = StreamFile(out / "work" / "stream.u16", out / "work" / "tokenizer").read(10**9)
    first = tokenizer.decode(stream.marked[1 : stream.ends[1]] & 32767)
    assert first == text.documents[0], "the rows are of this text"
    assert load_sae(out / "dictionaries" / "seed1" / "blocks.0.hook_resid_post").d_in == 16
    # Another text does not go on with what this one has begun; Dyck-3 takes none.
    assert main(["train", "tales", "--seeds", "0,1", "--out", str(out), "--resume"]) == 2
    assert "give the same --text" in capsys.readouterr().err
    file.write_text(SEPARATOR.join(STORIES[1:]), encoding="utf-8")
    assert main([*command, "--resume"]) == 2
    assert "another text" in capsys.readouterr().err
    assert main(["train", "dyck3", "--text", str(file), "--out", str(tmp_path / "dyck")]) == 2
    assert "language of its own" in capsys.readouterr().err
