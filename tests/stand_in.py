"""A stand-in for the hub on this machine: repositories are folders, and answers are what a test wants them to be."""

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

import pytest

BOT = "SFconvertbot"


@dataclass
class Repository:
    """What one repository holds, or what is answered instead."""

    revisions: dict[str, Path] = field(default_factory=dict)
    """Folders by branch, or by refs/pr/N."""
    offers: dict[str, str] = field(default_factory=dict)
    """Pull requests of the conversion bot: refs/pr/N, and the branch onto which it was made."""
    status: int = 200
    """What every question is answered with."""
    code: str = ""
    """X-Error-Code of that."""
    message: str = ""
    """X-Error-Message of that."""
    seconds: float = 0.0
    """How long every answer takes."""
    cut: int = 0
    """After how many bytes a file's connection breaks, every time; 0 for never."""
    breaks: list[int] = field(default_factory=list)
    """After how many bytes of a file a connection breaks once, in this order."""

    def commit(self, revision: str) -> str | None:
        """The commit of a revision, or of itself."""
        made = {name: hashlib.sha1(f"{folder}|{name}".encode()).hexdigest() for name, folder in self.revisions.items()}
        return made.get(revision) or (revision if revision in made.values() else None)

    def folder(self, revision: str) -> Path | None:
        """What a revision or commit holds."""
        return next((f for n, f in self.revisions.items() if revision in (n, self.commit(n))), None)


class StandIn(ThreadingHTTPServer):
    """Serves models and data sets, each called owner/name (data sets: datasets/owner/name), by the hub's addresses."""

    daemon_threads = True

    def __init__(self, repositories: dict[str, Repository]) -> None:
        self.repositories, self.asked = repositories, list[str]()
        self.patch = pytest.MonkeyPatch()  # of the hub's library: undone when the stand-in ends, and by nobody else
        super().__init__(("127.0.0.1", 0), _Answer)

    @property
    def endpoint(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_port}"


class _Answer(BaseHTTPRequestHandler):
    server: StandIn
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def reply(self, code: int, body: bytes = b"", sent: int | None = None, **headers: str) -> None:
        self.send_response(code)
        for key, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[:sent])
        self.close_connection = sent is not None

    def tell(self, what: Any, code: int = 200, **headers: str) -> None:
        self.reply(code, json.dumps(what).encode(), Content_Type="application/json", **headers)

    def refuse(self, status: int, code: str, message: str = "") -> None:
        headers = {"X_Error_Code": code} if code else {}
        self.tell({"error": message}, status, **headers, **({"X_Error_Message": message} if message else {}))

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.server.asked.append(unquote(path))
        parts = [unquote(p) for p in path.strip("/").split("/")]
        api = parts[0] == "api"
        parts = [p for p in (parts[1:] if api else parts) if p != "models"]
        length = 3 if parts[0] == "datasets" else 2
        repository = self.server.repositories.get("/".join(parts[:length]))
        if repository is None:
            return self.refuse(404, "RepoNotFound", "Repository not found")
        time.sleep(repository.seconds)
        if repository.status != 200:
            return self.refuse(repository.status, repository.code, repository.message)
        rest = parts[length:]
        return self.answer_api(repository, rest) if api else self.answer_file(repository, rest[1:])

    def answer_api(self, repository: Repository, rest: list[str]) -> None:
        what, *rest = rest or ["revision"]
        if what == "refs":
            refs = [
                {"name": n, "ref": f"refs/heads/{n}", "targetCommit": repository.commit(n)}
                for n in repository.revisions
                if not n.startswith("refs/")
            ]
            asked = [{"name": n, "ref": n, "targetCommit": repository.commit(n)} for n in repository.offers]
            return self.tell({"branches": refs, "tags": [], "converts": [], "pullRequests": asked})
        if what == "discussions":
            offers = [
                {"num": int(n.rpartition("/")[2]), "title": "Adding `safetensors` variant of this model",
                 "status": "open", "isPullRequest": True, "author": {"name": BOT},
                 "createdAt": "2024-05-01T00:00:00.000Z", "repo": {"name": "us/x", "type": "model"}}
                for n in repository.offers
            ]  # fmt: skip
            return self.tell({"discussions": offers, "count": len(offers), "start": 0})
        found = self.split_revision(repository, rest or ["main"])
        if found is None:
            return self.refuse(404, "RevisionNotFound", f"Invalid rev id: {'/'.join(rest)}")
        revision, inside, folder = found
        commit = repository.commit(revision)
        if what == "commits":
            base = repository.offers.get(revision)
            commits = [commit, *([repository.commit(base)] if base else [])]
            one = {"authors": [{"user": BOT}], "date": "2024-05-01T00:00:00.000Z", "title": "t", "message": ""}
            return self.tell([{"id": c, **one} for c in commits])
        files = {str(p.relative_to(folder)): p for p in sorted(folder.rglob("*")) if p.is_file()}
        if what == "revision":
            return self.tell({"id": "us/x", "sha": commit, "siblings": [{"rfilename": name} for name in files]})
        if what == "tree":
            return self.answer_tree(folder, inside)
        asked = parse_qs(getattr(self, "body", b"").decode()).get("paths", [])
        with_json = getattr(self, "body", b"")[:1] == b"{"
        wanted = json.loads(self.body)["paths"] if with_json else asked
        entries = [self.entry(folder, folder / path) for path in wanted if (folder / path).exists()]
        return self.tell(entries)

    def answer_tree(self, folder: Path, inside: str) -> None:
        if not (folder / inside).is_dir():
            return self.refuse(404, "EntryNotFound")
        deep = parse_qs(self.path.partition("?")[2]).get("recursive", ["false"])[0].lower() == "true"
        paths = (folder / inside).rglob("*") if deep else (folder / inside).iterdir()
        return self.tell([self.entry(folder, p) for p in sorted(paths) if p.is_file() or not deep])

    def answer_file(self, repository: Repository, rest: list[str]) -> None:
        found = self.split_revision(repository, rest)
        if found is None:
            return self.refuse(404, "RevisionNotFound")
        revision, inside, folder = found
        commit = repository.commit(revision) or ""
        if not (folder / inside).is_file():
            return self.refuse(404, "EntryNotFound")
        data = (folder / inside).read_bytes()
        headers = {"ETag": f'"{hashlib.sha1(data).hexdigest()}"', "X_Repo_Commit": commit, "Accept_Ranges": "bytes"}
        first, _, last = self.headers.get("Range", "").removeprefix("bytes=").partition("-")
        start, end = int(first or 0), min(int(last or len(data)), len(data) - 1) + 1
        part, sent = data[start:end], None
        if self.command == "GET" and repository.cut and end > repository.cut:
            sent = max(0, repository.cut - start)
        if self.command == "GET" and repository.breaks and len(part) > repository.breaks[0]:
            sent = repository.breaks.pop(0)
        if "Range" in self.headers:
            return self.reply(206, part, sent, Content_Range=f"bytes {start}-{end - 1}/{len(data)}", **headers)
        return self.reply(200, part, sent, **headers)

    @staticmethod
    def entry(folder: Path, path: Path) -> dict[str, Any]:
        name = str(path.relative_to(folder))
        if path.is_dir():
            return {"type": "directory", "path": name, "oid": "0" * 40, "size": 0}
        return {
            "type": "file",
            "path": name,
            "size": path.stat().st_size,
            "oid": hashlib.sha1(name.encode()).hexdigest(),
        }

    @staticmethod
    def split_revision(repository: Repository, rest: list[str]) -> tuple[str, str, Path] | None:
        """The revision that parts of an address begin with, what lies behind it, and its folder."""
        for n in range(len(rest), 0, -1):
            if (folder := repository.folder("/".join(rest[:n]))) is not None:
                return "/".join(rest[:n]), "/".join(rest[n:]), folder
        return None


@contextmanager
def serving(repositories: dict[str, Repository], home: Path) -> Iterator[StandIn]:
    """While open, this process asks the stand-in instead of the hub, with an empty cache in `home`."""
    from huggingface_hub import constants

    server = StandIn(repositories)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    patch = server.patch
    patch.setattr(constants, "ENDPOINT", server.endpoint)
    patch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", server.endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    )
    patch.setattr(constants, "HF_HUB_OFFLINE", False)
    patch.setattr(constants, "HF_HUB_CACHE", str(home / "hub"))
    _forget()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        patch.undo()
        _forget()


def _forget() -> None:
    """The hub's library decides when its session begins whether it is offline: the next question begins another."""
    from huggingface_hub import HfFileSystem, close_session

    HfFileSystem.clear_instance_cache()
    close_session()


def go_offline(server: StandIn) -> None:
    """From now on, until the stand-in ends, HF_HUB_OFFLINE is set."""
    from huggingface_hub import constants

    server.patch.setattr(constants, "HF_HUB_OFFLINE", True)
    _forget()


def go_away(server: StandIn) -> None:
    """From now on nobody answers at the stand-in's address."""
    from huggingface_hub import constants

    server.patch.setattr(constants, "HF_HUB_OFFLINE", False)
    server.shutdown()
    server.server_close()
    _forget()
