"""Hub ids: against a little hub of our own on this machine, nothing else is asked."""

import json
import os
import pickle
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import tiny

from explorer.errors import InputError
from explorer.models import hub
from explorer.models.hub import model_folder
from explorer.models.language_model import load_model

COMMIT = "a" * 40
ROOT = Path(__file__).resolve().parents[2]


class LittleHub(ThreadingHTTPServer):
    """Serves folders as models `us/NAME`, each with the one revision step7, by the hub's own addresses."""

    def __init__(self, folders: dict[str, Path]) -> None:
        self.folders, self.asked = folders, list[str]()
        super().__init__(("127.0.0.1", 0), _Answer)


class _Answer(BaseHTTPRequestHandler):
    server: LittleHub

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def reply(self, code: int, body: bytes, **headers: str) -> None:
        self.send_response(code)
        for key, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.server.asked.append(path)
        parts = path.strip("/").split("/")
        name = parts[3:4] if parts[0] == "api" else parts[1:2]
        folder = self.server.folders.get("".join(name))
        if folder is None:
            return self.reply(404, b"{}", X_Error_Code="RepoNotFound")
        files = sorted(p for p in folder.rglob("*") if p.is_file())
        if parts[0] == "api" and "tree" in parts:
            tree = [
                {"type": "file", "path": str(p.relative_to(folder)), "size": p.stat().st_size, "oid": "b" * 40}
                for p in files
            ]
            return self.reply(200, json.dumps(tree).encode(), Content_Type="application/json")
        if parts[0] == "api":
            if parts[-1] not in ("step7", COMMIT):
                return self.reply(404, b"{}", X_Error_Code="RevisionNotFound")
            names = [{"rfilename": str(p.relative_to(folder))} for p in files]
            body = {"id": f"us/{folder.name}", "sha": COMMIT, "siblings": names}
            return self.reply(200, json.dumps(body).encode(), Content_Type="application/json")
        data = (folder / "/".join(parts[4:])).read_bytes()
        return self.reply(200, data, ETag=f'"{hash(data):x}"', X_Repo_Commit=COMMIT)


@pytest.fixture
def little_hub(tokenizer: Any, tmp_path: Path) -> Iterator[LittleHub]:
    good, pickled = tiny.save("gpt_neox", tokenizer, tmp_path / "served" / "good"), tmp_path / "served" / "pickled"
    (good / "pytorch_model.bin").write_bytes(pickle.dumps({}))
    (good / "modeling_evil.py").write_text("raise SystemExit('remote code ran')")
    pickled.mkdir()
    (pickled / "config.json").write_bytes((good / "config.json").read_bytes())
    (pickled / "pytorch_model.bin").write_bytes(pickle.dumps({}))
    packed = tmp_path / "served" / "packed"
    packed.mkdir()
    config = json.loads((good / "config.json").read_text(encoding="utf-8"))
    (packed / "config.json").write_text(json.dumps({**config, "quantization_config": {"quant_method": "gptq"}}))
    (packed / "model.safetensors").write_bytes(b"gigabytes")
    server = LittleHub({"good": good, "pickled": pickled, "packed": packed})
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def ask(endpoint: str, home: Path, *ids: tuple[str, str | None]) -> tuple[list[str], str]:
    """What looking up each model gives in a fresh process (one line each), and what the process writes to stderr."""
    code = f"""
from explorer.models import model_folder
from explorer.errors import InputError
for source, revision in {ids!r}:
    try:
        print(model_folder(source, revision), flush=True)
    except InputError as error:
        print(error, flush=True)
"""
    environment = {k: v for k, v in os.environ.items() if k != "HF_HUB_OFFLINE"}
    environment |= {"HF_ENDPOINT": endpoint, "HF_HOME": str(home)}
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    return ran.stdout.splitlines(), ran.stderr


def test_models_come_from_the_hub_by_revision_and_then_from_its_cache(little_hub: LittleHub, tmp_path: Path) -> None:
    endpoint, home = f"http://127.0.0.1:{little_hub.server_port}", tmp_path / "home"
    wanted = [("us/good", "step7"), ("us/good", "step8"), ("us/none", None), ("us/pickled", "step7")]
    told, noise = ask(endpoint, home, *wanted, ("us/packed", "step7"))
    folder = Path(told[0])
    assert load_model(folder).n_layers == 3
    assert told[1:] == [
        "the hub model 'us/good' has no revision 'step8': look them up on the hub",
        "the hub has no model 'us/none', or it is private: check the id, or log in",
        "the hub model 'us/pickled' (revision step7) has no safetensors: pickled weights are never loaded; "
        "try another revision, or convert it and give the folder",
        "'us/packed' holds quantised weights (gptq): only plain ones are read; give the model that it was made from",
    ]
    assert not any("packed" in name and name.endswith(".safetensors") for name in little_hub.asked)
    assert noise == ""
    assert not any(name.endswith((".bin", ".py")) for name in little_hub.asked), "only what is needed is fetched"
    little_hub.shutdown()
    little_hub.server_close()
    told, noise = ask(endpoint, home, ("us/good", "step7"), ("us/other", None))
    assert told[0] == str(folder), "what was fetched once is there without a network"
    assert "the hub does not answer and the model is not in the local cache" in told[1]
    assert noise == ""


def test_a_hub_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(hub, "PATIENCE", 0.5)
    monkeypatch.delenv("HF_HUB_OFFLINE")
    with socket.create_server(("127.0.0.1", 0)) as mute:
        from huggingface_hub import HfApi, constants

        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{mute.getsockname()[1]}")
        assert HfApi().endpoint.endswith(str(mute.getsockname()[1]))
        began = time.monotonic()
        with pytest.raises(InputError, match="the hub does not answer"):
            model_folder("us/mute")
    assert time.monotonic() - began < 5


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
    assert line.startswith("error: cannot fetch the model 'us/a' (revision step7): the hub does not answer")
    assert not (tmp_path / "out").exists()
    assert time.monotonic() - began < 20


def test_a_folder_has_no_revision(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder and has no revision 'step7'"):
        model_folder(tmp_path, "step7")
