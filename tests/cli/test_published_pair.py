"""`check` from the command line on a pair, a dictionary and a text that are published as the paper's are."""

import json
from pathlib import Path
from typing import Any

import pytest
from published import LAYER, SEED1, SEED2, STEP, published
from stand_in import serving

from explorer.cli import command_line as cli
from explorer.text.remote import PILE

pytestmark = pytest.mark.slow


def test_two_published_seeds_are_checked(
    tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EXPLORER_CACHE", str(tmp_path / "cache"))
    out = tmp_path / "out"
    wish = ["--revision-source", STEP, "--revision-target", STEP, "--text", PILE, "--sae", LAYER, "--sites", "1,2"]
    with serving(published(tmp_path / "served", tokenizer), tmp_path / "home") as server:
        code = cli.main(
            ["check", SEED1, SEED2, "--out", str(out), *wish, "--tokens", "9000", "--context", "32", "--device", "cpu"]
        )
        printed, told = capsys.readouterr()
        assert code in (0, 1), told
    assert any(name.endswith("/step143000/pytorch_model.bin") or "pytorch_model.bin" in name for name in server.asked)
    report = json.loads((out / "report.json").read_text())
    assert report["lineage"]["kind"] == "trained apart"
    assert report["lineage"]["sentence"] in printed
    for model, name in zip(("source", "target"), (SEED1, SEED2), strict=True):
        facts = report["models"][model]
        assert (facts["id"], facts["revision"]) == (name, STEP)
        assert "published as a pickle (pytorch_model.bin)" in facts["weights"]
        assert "kept as safetensors" in facts["weights"]
    assert report["models"]["source"]["dictionaries"] == LAYER
    assert report["models"]["target"]["dictionaries"] == "none"
    assert report["text"].startswith("NeelNanda/pile-10k (")
    assert "1 record of the text holds none" in " ".join(report["notes"])
    with_dictionary = {s["site"]: s["dictionary"] for s in report["sites"] if s["dictionary"]}
    assert list(with_dictionary) == ["blocks.1.hook_resid_post"] or list(with_dictionary) == ["blocks.2.hook_resid_pre"]
    assert all(name.startswith("TopK of 60 features, k = 5, ") for name in with_dictionary.values())
    assert "converting pytorch_model.bin" in told
    html = (out / "report.html").read_text()
    for said in (LAYER, "NeelNanda/pile-10k", "published as a pickle", report["lineage"]["sentence"].split(":")[0]):
        assert said in html
