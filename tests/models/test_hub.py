"""Hub ids: against a stand-in for the hub on this machine, nothing else is asked."""

import json
import os
import pickle
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from published import as_pickle
from stand_in import Repository, StandIn, go_away, go_offline, serving

from explorer.errors import InputError
from explorer.models.hub import locate_model, model_folder
from explorer.models.hub_name import HubName, named_on_hub
from explorer.models.language_model import load_model

ROOT = Path(__file__).resolve().parents[2]


class Evil:
    """A pickle that would write a file where it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (os.mkdir, (str(self.path),))


@pytest.fixture(scope="module")
def folders(tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One model as safetensors, as a pickle, and in other states."""
    root = tmp_path_factory.mktemp("served")
    good = tiny.save("gpt_neox", tokenizer, root / "good")
    (good / "modeling_evil.py").write_text("raise SystemExit('remote code ran')")
    made = {"good": good, "pickled": as_pickle(good, root / "pickled"), "sharded": as_pickle(good, root / "sharded", 2)}
    made["both"] = shutil.copytree(made["pickled"], root / "both")
    shutil.copy(good / "model.safetensors", made["both"])
    for name in ("empty", "evil", "bare", "packed", "flax"):
        made[name] = root / name
        made[name].mkdir()
    (made["empty"] / "README.md").write_text("# Seeds\n")
    for name in ("evil", "packed", "flax", "bare"):
        shutil.copytree(good, made[name], dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.safetensors"))
    (made["evil"] / "pytorch_model.bin").write_bytes(pickle.dumps({"w": Evil(root / "ran")}, protocol=2))
    (made["flax"] / "flax_model.msgpack").write_bytes(b"x")
    config = json.loads((good / "config.json").read_text(encoding="utf-8"))
    (made["packed"] / "config.json").write_text(json.dumps({**config, "quantization_config": {"quant_method": "gptq"}}))
    (made["packed"] / "model.safetensors").write_bytes(b"gigabytes")
    for path in made["bare"].iterdir():
        if path.name != "config.json":
            path.unlink()
    shutil.copy(good / "model.safetensors", made["bare"])
    return made


def repositories(folders: dict[str, Path]) -> dict[str, Repository]:
    steps = {"step0": folders["pickled"], "step1000": folders["pickled"], "step143000": folders["pickled"]}
    return {
        "us/good": Repository({"main": folders["empty"], "step7": folders["good"]}),
        "us/seed1": Repository({"main": folders["empty"], **steps}),
        "us/offered": Repository(
            {"main": folders["pickled"], "step0": folders["pickled"], "refs/pr/1": folders["both"]},
            {"refs/pr/1": "main"},
        ),
        "us/sharded": Repository({"main": folders["sharded"]}),
        "us/evil": Repository({"main": folders["evil"]}),
        "us/packed": Repository({"main": folders["packed"]}),
        "us/bare": Repository({"main": folders["bare"]}),
        "us/flax": Repository({"main": folders["flax"]}),
        "us/gated": Repository(status=403, code="GatedRepo", message="Access to model us/gated is restricted"),
        "us/badtoken": Repository(status=401, message="Invalid credentials in Authorization header"),
        "us/limited": Repository(status=429, message="We had to rate limit your IP"),
        "us/disabled": Repository(status=403, message="Access to this resource is disabled."),
        "us/forbidden": Repository(status=403, message="Your token may not read this"),
        "us/broken": Repository(status=500, message="Internal error"),
        "us/slow": Repository({"main": folders["good"]}, seconds=0.7),
        "us/many": Repository({f"step{i}": folders["empty" if i < 40 else "pickled"] for i in range(50)}),
        "openai-community/gpt2": Repository({"main": folders["good"]}),
    }


@pytest.fixture
def hub(folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    monkeypatch.setenv("EXPLORER_CACHE", str(tmp_path / "cache"))
    with serving(repositories(folders), tmp_path / "home") as server:
        yield server


def refusal(source: str, revision: str | None = None) -> str:
    with pytest.raises(InputError) as caught:
        model_folder(source, revision)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_only_what_is_needed_is_fetched_and_then_the_cache_has_it(hub: StandIn) -> None:
    folder = model_folder("us/good", "step7")
    assert load_model(folder).n_layers == 3
    assert not any(name.endswith((".bin", ".py")) for name in hub.asked)
    for reason in ("offline", "gone"):
        if reason == "offline":
            go_offline(hub)
        else:
            go_away(hub)
        found = locate_model("us/good@step7")
        assert found.folder == folder
        assert "the copy in its library's cache was read" in found.note
        assert ("HF_HUB_OFFLINE is set" if reason == "offline" else "cannot be reached") in found.note
        assert "not in the local cache either" in refusal("us/other")


@pytest.mark.parametrize(
    ("source", "revision", "words"),
    [
        ("us/good", "step8", ["has no revision 'step8': it has main, step7"]),
        ("us/none", None, ["the hub has none of that name, or it is private"]),
        ("us/gated", None, ["it is gated", "log in"]),
        ("us/badtoken", None, ["does not accept the token", "401: Invalid credentials", "hf auth login"]),
        ("us/limited", None, ["asked too often", "429", "not in the local cache either"]),
        ("us/disabled", None, ["disabled access", "403"]),
        ("us/forbidden", None, ["denies access", "403: Your token may not read this"]),
        ("us/broken", None, ["a fault of its own", "500: Internal error"]),
        ("us/packed", None, ["holds quantised weights (gptq)"]),
        ("us/bare", None, ["no tokenizer in 'us/bare'"]),
        ("us/flax", None, ["holds its weights only as flax_model.msgpack"]),
        ("us/seed1", None, ["holds NO weights", "main branch has only README.md", "step0, step1000, step143000"]),
        ("us/seed1", "main", ["holds NO weights", "us/seed1@REVISION"]),
        ("us/many", "step3", ["step42, step49 (of 49 revisions 8 were looked into)"]),
    ],
)
def test_answers_of_the_hub_are_told_apart(hub: StandIn, source: str, revision: str | None, words: list[str]) -> None:
    told = refusal(source, revision)
    assert all(word in told for word in words), told
    assert not any(name.endswith((".safetensors", ".bin")) for name in hub.asked), "nothing is fetched in vain"


def test_the_librarys_time_out_says_how_long_the_hub_may_think(hub: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_ETAG_TIMEOUT", 0.2)
    assert "the hub gave no answer within" in refusal("us/slow")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_ETAG_TIMEOUT", 20)
    assert model_folder("us/slow").is_dir()


@pytest.mark.parametrize("shards", ["us/seed1@step143000", "us/sharded"])
def test_pickled_weights_are_converted_once_and_said(hub: StandIn, shards: str, folders: dict[str, Path]) -> None:
    heard: list[str] = []
    found = locate_model(shards, report=lambda step, _: heard.append(step))
    assert any("converting pytorch_model" in step for step in heard)
    assert "torch.load(weights_only=True)" in found.note and "pytorch_model" in found.note
    truth, loaded = (load_model(place).network.state_dict() for place in (folders["good"], found.folder))
    assert truth.keys() == loaded.keys()
    assert all(torch.equal(loaded[name], t.half().float()) for name, t in truth.items())
    again: list[str] = []
    assert locate_model(shards, report=lambda step, _: again.append(step)).folder == found.folder
    assert not any("converting" in step for step in again), "once"
    go_offline(hub)
    offline = locate_model(shards)
    assert offline.folder == found.folder and "HF_HUB_OFFLINE" in offline.note


def test_a_pickle_that_needs_code_is_refused_and_does_not_run(hub: StandIn, folders: dict[str, Path]) -> None:
    for source in ("us/evil", str(folders["evil"])):
        told = refusal(source)
        assert "cannot be read as weights and nothing else" in told and "mkdir" in told
    assert not (folders["evil"].parent / "ran").exists()
    assert not list((Path(os.environ["EXPLORER_CACHE"]) / "converted").glob("*")), "no half of a conversion is left"


def test_the_conversion_bots_request_is_found_where_it_is_of_this_very_commit(hub: StandIn) -> None:
    found = locate_model("us/offered")
    assert "conversion bot" in found.note and "refs/pr/1" in found.note
    assert (found.folder / "model.safetensors").is_file() and not list(found.folder.glob("*.bin"))
    assert not any(name.endswith(".bin") for name in hub.asked)
    other = locate_model("us/offered@step0")
    assert "torch.load" in other.note, "the request was made of main, not of this branch"
    go_offline(hub)
    assert locate_model("us/offered").folder == found.folder


def test_a_folder_with_a_pickle_is_converted_too(folders: dict[str, Path], tmp_path: Path) -> None:
    found = locate_model(folders["pickled"])
    assert found.folder != folders["pickled"] and "torch.load" in found.note
    assert locate_model(folders["both"]).folder == folders["both"], "safetensors are taken where there are any"
    with pytest.raises(InputError, match="is a folder and has no revision 'step7'"):
        model_folder(tmp_path, "step7")
    with pytest.raises(InputError, match="no tokenizer in"):
        model_folder(folders["bare"])


@pytest.mark.parametrize(
    ("text", "revision", "expected"),
    [
        ("us/a", None, HubName("us/a")),
        ("us/a@step7", None, HubName("us/a", "step7")),
        ("us/a@refs/pr/1", None, HubName("us/a", "refs/pr/1")),
        ("us/a", "step7", HubName("us/a", "step7")),
        ("us/a@step7", "step7", HubName("us/a", "step7")),
        ("hf://us/a@b", None, HubName("us/a", "b")),
        ("https://huggingface.co/us/a", None, HubName("us/a")),
        ("huggingface.co/us/a/", None, HubName("us/a")),
        ("https://hf.co/us/a/tree/step7", None, HubName("us/a", "step7")),
        ("https://huggingface.co/us/a/tree/refs%2Fpr%2F1", None, HubName("us/a", "refs/pr/1")),
        ("https://huggingface.co/us/a/blob/refs/pr/1/config.json?x=1", None, HubName("us/a", "refs/pr/1")),
        ("gpt2", None, HubName("openai-community/gpt2")),
        ("gpt2-xl@main", None, HubName("openai-community/gpt2-xl", "main")),
        ("distilgpt2", None, HubName("distilbert/distilgpt2")),
        ("https://example.org/us/a", None, None),
        ("gpt3", None, None),
        ("/us/a", None, None),
        ("a/b/c", None, None),
        ("", None, None),
    ],
)
def test_names_and_addresses_of_the_hub(text: str, revision: str | None, expected: HubName | None) -> None:
    assert named_on_hub(text, revision) == expected


def test_two_revisions_at_once_are_refused() -> None:
    with pytest.raises(InputError, match="names the revision 'b', and 'c' is given beside it"):
        named_on_hub("us/a@b", "c")


def test_gpt2_is_a_name(hub: StandIn) -> None:
    assert load_model(model_folder("gpt2")).n_layers == 3


@pytest.mark.slow
def test_checking_an_id_without_a_network_is_one_line(tmp_path: Path) -> None:
    # Bound and not listening: nobody answers, and no other server of this machine takes the port meanwhile.
    closed = socket.socket()
    closed.bind(("127.0.0.1", 0))
    port = closed.getsockname()[1]
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING"))}
    environment |= {
        "HF_ENDPOINT": f"http://127.0.0.1:{port}",
        "HF_HOME": str(tmp_path),
        "EXPLORER_CACHE": str(tmp_path),
    }
    command = [sys.executable, "-m", "explorer", "check", "us/a", "us/b", "--revision-source", "step7"]
    began = time.monotonic()
    ran = subprocess.run(
        [*command, "--out", str(tmp_path / "out")], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    closed.close()
    assert ran.returncode == 2
    assert ran.stdout == ""
    assert len(ran.stderr.splitlines()) == 1, ran.stderr
    line = ran.stderr.strip()
    assert line.startswith("error: cannot fetch the model 'us/a' (revision step7): the hub cannot be reached")
    assert not (tmp_path / "out").exists()
    assert time.monotonic() - began < 20
