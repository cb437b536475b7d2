"""What `check` says of two sets of weights, on the command line and in report.json, for every relation it tells."""

import json
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch

from explorer.alignment.twin import make_twin
from explorer.cli import command_line as cli
from explorer.models.language_model import load_model

pytestmark = pytest.mark.slow


def saved(network: Any, tokenizer: Any, folder: Path) -> None:
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, tokenizer: Any) -> Any:
    """A model of two families, and what can be made of it."""
    root = tmp_path_factory.mktemp("lineage")
    for family, copy in (("gpt_neox", "rotated"), ("gemma2", "permuted")):
        tiny.save(family, tokenizer, root / family, 0)
        saved(make_twin(load_model(root / family), 3).network, tokenizer, root / copy)
    noisy = tiny.network("gpt_neox")
    with torch.no_grad():
        for p in noisy.parameters():
            p.add_(0.01 * p.std() * torch.randn_like(p))
    saved(noisy, tokenizer, root / "noisy")
    saved(tiny.network("gpt_neox").half(), tokenizer, root / "half")
    saved(tiny.network("gpt_neox"), tokenizer, root / "same")
    saved(tiny.network("gpt_neox", 1), tokenizer, root / "sister")
    (root / "tales.jsonl").write_text("\n".join(json.dumps({"text": text}) for text in tiny.stories(9000)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EXPLORER_CACHE", str(root / "cache"))
        yield root


@pytest.mark.parametrize(
    ("source", "target", "kind", "sentence"),
    [
        ("gpt_neox", "same", "same weights", "A and B are the same weights: all"),
        ("gpt_neox", "half", "another precision", "A and B are the same weights in another precision: all"),
        ("gpt_neox", "noisy", "one run", "A and B are one run at two steps, or two runs from one start: 0 of"),
        ("gpt_neox", "rotated", "rotated copy", "B is a copy of A in rotated coordinates:"),
        ("gemma2", "permuted", "permuted copy", "B is a copy of A with its coordinates permuted:"),
        ("gpt_neox", "sister", "trained apart", "A and B were trained apart, or are steps too far"),
    ],
)
def test_each_relation_has_its_sentence(
    source: str, target: str, kind: str, sentence: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = place / f"out-{target}"
    text = ["--text", str(place / "tales.jsonl"), "--tokens", "9000", "--context", "32", "--sites", "1"]
    pair = [str(place / source), str(place / target)]
    code = cli.main(["check", *pair, "--out", str(out), *text, "--sae", "none", "--device", "cpu"])
    printed, told = capsys.readouterr()
    assert code in (0, 1), told
    report = json.loads((out / "report.json").read_text())
    assert report["lineage"]["kind"] == kind
    assert report["lineage"]["sentence"].startswith(sentence)
    assert printed.splitlines()[1] == f"  {report['lineage']['sentence']}", "below the verdict, a line of its own"
