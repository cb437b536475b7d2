"""Training on a text of one's own: what is held out, what is refused, and a whole small run from the command line."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from transformers import AutoTokenizer

from explorer.cli.command_line import main
from explorer.errors import InputError
from explorer.sae.formats.registry import load_sae
from explorer.sae.trainer import SAERecipe
from explorer.text.sources import SEPARATOR, read_text
from explorer.text.tales import stories as tales
from explorer.training.own_text import read_training_text
from explorer.training.pretraining import ModelRecipe, Schedule
from explorer.training.tales import models, recipe

STEPS = Schedule(steps=50, rows=4, learning_rate=1e-2, warmup=5)
TINY = replace(
    recipe.TalesRecipe(),
    vocabulary=300,
    rows=120,
    polish_rows=60,
    model=ModelRecipe(d_model=16, n_layers=1, n_heads=2, d_mlp=16, context=32),
    recall=None,
    schedule=STEPS,
    polish=STEPS,
    sae=SAERecipe(width=32, k=4, batch=64),
    sae_rows=64 * 10,
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
    monkeypatch.setattr(recipe, "TalesRecipe", lambda: TINY)
    monkeypatch.setattr(models, "best_loss", lambda model: (None, "its own forward pass"))
    out = tmp_path / "study"
    text = read_training_text([str(file)], TINY.rows * TINY.model.context)
    command = ["train", "tales", "--text", str(file), "--seeds", "0,1", "--device", "cpu", "--out", str(out)]
    assert main(command) == 0
    told = capsys.readouterr().out
    assert f"check {out / 'models' / 'seed0'} {out / 'models' / 'seed1'} --text {out / 'held-out.txt'}" in told
    assert read_text(str(out / "held-out.txt"), 10**6).documents == text.held_out
    tokenizer = AutoTokenizer.from_pretrained(out / "models" / "seed1")
    rows = np.load(out / "work" / "rows.npy")
    first = tokenizer.decode(rows[0][rows[0] > 0])
    assert STORIES[0].startswith(first[:40]), "the rows are of this text"
    assert load_sae(out / "dictionaries" / "seed1" / "blocks.0.hook_resid_post").d_in == 16
    # Another text does not go on with what this one has begun; Dyck-3 takes none.
    assert main(["train", "tales", "--seeds", "0,1", "--out", str(out), "--resume"]) == 2
    assert "give the same --text" in capsys.readouterr().err
    file.write_text(SEPARATOR.join(STORIES[1:]), encoding="utf-8")
    assert main([*command, "--resume"]) == 2
    assert "another text" in capsys.readouterr().err
    assert main(["train", "dyck3", "--text", str(file), "--out", str(tmp_path / "dyck")]) == 2
    assert "language of its own" in capsys.readouterr().err
