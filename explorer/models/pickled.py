"""Weights that are published as pickles: read as weights and nothing else, once, in a process of its own.

The child process is `python -m explorer.models.pickled FILE INTO`. It calls torch.load(weights_only=True), which
refuses whatever would run code, and writes safetensors; the model is then loaded from these.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from hashlib import file_digest, sha256
from pathlib import Path

from explorer import PROJECT
from explorer.cache import user_cache
from explorer.errors import InputError
from explorer.files import replacing, temporary_folder
from explorer.progress import Report, silent

SETTINGS = (".json", ".txt", ".model")
"""How files of settings and tokenizers end; nothing of these is ever executed or unpickled."""
MOST_OF_FILE = 4
"""How many times the bytes of a pickle its tensors may have: tied ones are stored once."""
_INDEX = "model.safetensors.index.json"
_INSIDE = ("state", "state_dict", "model_state_dict")
"""Where a pickle of more than tensors keeps these."""


def pickles(folder: Path) -> list[Path]:
    """The pickled weights of a model folder, in order."""
    return sorted(folder.glob("pytorch_model*.bin"))


def converted(folder: Path, source: str, report: Report = silent) -> Path:
    """A folder with the same model as safetensors, made once for its content and kept in the user's cache.

    Raises InputError, with what the file holds, for a pickle of more than weights.
    """
    weights = pickles(folder)
    rest = sorted(p for p in folder.iterdir() if p.suffix in SETTINGS and "pytorch_model" not in p.name)
    total = sha256()
    for step, path in enumerate((*rest, *weights)):
        report(f"reading {path.name} of {source}", step / (len(rest) + len(weights)))
        with path.open("rb") as file:
            total.update(path.name.encode() + b"\0" + file_digest(file, "sha256").digest())
    place = user_cache().path("converted", {"model": total.hexdigest()})
    place = place or temporary_folder() / "converted"
    if (place / "config.json").is_file():
        return place
    with replacing(place, shared=True) as partial:
        partial.mkdir()
        for path in rest:
            shutil.copyfile(path, partial / path.name)
        names: dict[str, str] = {}
        for number, path in enumerate(weights):
            report(f"converting {path.name} of {source} to safetensors, once", number / len(weights))
            into = partial / f"{path.stem.removeprefix('pytorch_')}.safetensors"
            names |= dict.fromkeys(_in_a_child(path, into, source), into.name)
        if len(weights) > 1:
            (partial / _INDEX).write_text(json.dumps({"metadata": {}, "weight_map": names}), encoding="utf-8")
    return place


def converted_file(path: Path) -> Path:
    """One pickle of tensors as safetensors, made once for its content and kept in the user's cache; see `converted`."""
    with path.open("rb") as file:
        content = file_digest(file, "sha256").hexdigest()
    place = user_cache().path("converted", {"file": content}, ".safetensors")
    place = place or temporary_folder() / f"{path.stem}.safetensors"
    if not place.is_file():
        with replacing(place, shared=True) as partial:
            _in_a_child(path, partial, str(path))
    return place


def _in_a_child(path: Path, into: Path, source: str) -> list[str]:
    """Names of the tensors that a child process read and wrote."""
    command = [sys.executable, "-m", "explorer.models.pickled", str(path.resolve()), str(into.resolve())]
    ran = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        why = (ran.stderr.strip().splitlines() or [f"it ended with code {ran.returncode}"])[-1][:300]
        raise InputError(f"{path.name} of '{source}' cannot be read as weights and nothing else: {why}")
    names: list[str] = json.loads(ran.stdout)
    return names


def write_safetensors(path: Path, into: Path) -> list[str]:
    """Write the tensors of a pickle as safetensors, each with memory of its own, and return their names.

    Raises ValueError for what holds anything else, before any of it runs.
    """
    import pickle
    import zipfile

    import torch
    from safetensors.torch import save_file

    try:
        found = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError as error:
        raise ValueError(f"it would need code to be run ({_blamed(str(error))})") from error
    if isinstance(found, dict) and (inner := next((found[n] for n in _INSIDE if isinstance(found.get(n), dict)), None)):
        found = inner
    if not isinstance(found, dict) or not found or not all(isinstance(t, torch.Tensor) for t in found.values()):
        raise ValueError("it is no dictionary of tensors by name")
    # A view may claim any size of one stored number: no more is copied than the file can hold.
    if bad := [n for n, t in found.items() if t.numel() * t.element_size() > t.untyped_storage().nbytes()]:
        raise ValueError(f"'{bad[0][:60]}' says that it is larger than what is stored of it")
    if sum(t.numel() * t.element_size() for t in found.values()) > MOST_OF_FILE * path.stat().st_size:
        raise ValueError("its tensors say that they are larger than the file")
    save_file({name: t.clone().contiguous() for name, t in found.items()}, into, {"format": "pt"})
    return list(found)


def _blamed(words: str) -> str:
    """The part of torch's long explanation that names what it refuses."""
    lines = [line.strip() for line in words.splitlines() if "GLOBAL" in line or "Unsupported" in line]
    return (lines or words.strip().splitlines() or ["unreadable"])[0][:200]


def main(arguments: Sequence[str]) -> int:
    """The child process: names of the tensors on stdout, or one line on stderr."""
    path, into = map(Path, arguments)
    try:
        print(json.dumps(write_safetensors(path, into)))
    except Exception as error:  # torch and the file raise what they like
        print((str(error).strip().splitlines() or [type(error).__name__])[0], file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
