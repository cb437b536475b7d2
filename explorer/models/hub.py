"""Model folders, local or from the Hugging Face hub, of which only settings, tokenizers and safetensors are fetched."""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from explorer.errors import InputError
from explorer.files import user_path

T = TypeVar("T")

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
PATIENCE = 8.0
"""Seconds that the hub has to answer what files a model has, name resolution included."""

_WEIGHTS = re.compile(r"model(-\d+-of-\d+)?\.safetensors")
_EXTRA = (".json", ".txt", ".model")
"""Configuration and tokenizers; nothing of these is ever executed or unpickled."""


def model_folder(source: str | Path, revision: str | None = None) -> Path:
    """The local folder that holds a model: the given one, or the hub's, downloaded or from its cache.

    Raises InputError for what is neither, for a hub that cannot be reached, and for models without safetensors.
    """
    folder = user_path(source)
    if folder.exists():
        if revision is not None:
            raise InputError(f"'{source}' is a folder and has no revision '{revision}': revisions belong to hub ids")
        return check_folder(folder, str(source))
    if not HUB_ID.fullmatch(str(source)):
        raise InputError(
            f"there is no folder '{source}': give a folder with config.json and safetensors, or a hub id (owner/name)"
        )
    return _fetch(str(source), revision)


def check_folder(folder: Path, source: str) -> Path:
    """The folder, if it may hold a model. Raises InputError with what it lacks, and for quantised weights."""
    if not (folder / "config.json").is_file():
        raise InputError(f"'{source}' holds no config.json: it is not a model folder")
    if not any(folder.glob("*.safetensors")):
        raise InputError(f"'{source}' holds no .safetensors file: pickled weights are never loaded; convert them first")
    _refuse_quantised(folder / "config.json", source)
    return folder


def read_config(path: Path) -> dict[str, Any] | None:
    """A config.json; None where there is none that can be read."""
    try:
        config = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return config if isinstance(config, dict) else None


def _refuse_quantised(config: Path, source: str) -> None:
    """Raise InputError if a config says that weights are packed (GPTQ, AWQ, bitsandbytes, FP8, …)."""
    found = read_config(config) or {}
    inner = found.get("text_config")
    for place in (found, inner if isinstance(inner, dict) else {}):
        if how := place.get("quantization_config") or place.get("compression_config"):
            method = how.get("quant_method") if isinstance(how, dict) else None
            raise InputError(
                f"'{source}' holds quantised weights ({method or 'quantization_config in config.json'}): only plain "
                "ones are read; give the model that it was made from"
            )


def _fetch(repository: str, revision: str | None) -> Path:
    from huggingface_hub import hf_hub_download, snapshot_download, try_to_load_from_cache
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    quieten()
    named = f"'{repository}'" + (f" (revision {revision})" if revision else "")
    try:
        files = _listed(repository, revision)
    except GatedRepoError as error:
        raise InputError(
            f"the hub model {named} is gated: accept its terms on the hub and log in (hf auth login)"
        ) from error
    except RevisionNotFoundError as error:
        raise InputError(
            f"the hub model '{repository}' has no revision '{revision}': look them up on the hub"
        ) from error
    except RepositoryNotFoundError as error:
        raise InputError(f"the hub has no model {named}, or it is private: check the id, or log in") from error
    except HFValidationError as error:
        raise InputError(f"'{repository}' is no hub id: an id is owner/name") from error
    except Exception as unreachable:  # whatever the network did, the cache may still hold the model
        config = try_to_load_from_cache(repository, "config.json", revision=revision)
        if isinstance(config, str):
            return check_folder(Path(config).parent, repository)
        raise InputError(
            f"cannot fetch the model {named}: the hub does not answer and the model is not in the local cache; "
            "a hub id needs a network, a local folder does not"
        ) from unreachable
    wanted = [name for name in files if _WEIGHTS.fullmatch(name) or ("/" not in name and name.endswith(_EXTRA))]
    if not any(name.endswith(".safetensors") for name in wanted):
        raise InputError(
            f"the hub model {named} has no safetensors: pickled weights are never loaded; try another revision, "
            "or convert it and give the folder"
        )
    try:
        if "config.json" in wanted:  # before gigabytes are on their way
            _refuse_quantised(Path(hf_hub_download(repository, "config.json", revision=revision)), repository)
        return check_folder(Path(snapshot_download(repository, revision=revision, allow_patterns=wanted)), repository)
    except InputError:
        raise
    except Exception as error:  # network, disk: the libraries below raise what they like
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(f"the download of {named} broke off ({reason[:200]}): run it again to go on") from error


def _listed(repository: str, revision: str | None) -> list[str]:
    """Names of a hub model's files. Raises what the hub raises, or TimeoutError."""
    from huggingface_hub import HfApi

    found = within_patience(lambda: HfApi().model_info(repository, revision=revision, timeout=PATIENCE))
    return [sibling.rfilename for sibling in found.siblings or []]


def within_patience(ask: Callable[[], T]) -> T:
    """What a question to the hub gives. Raises what it raises, or TimeoutError after `PATIENCE` seconds."""
    outcome: dict[str, Any] = {}

    def work() -> None:
        try:
            outcome["found"] = ask()
        except BaseException as error:  # handed to the thread that waits
            outcome["error"] = error

    # In a thread: no timeout of the client covers a resolver that hangs, or the client's own retries.
    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    worker.join(PATIENCE)
    if "error" in outcome:
        raise outcome["error"]
    if "found" not in outcome:
        raise TimeoutError(f"no answer within {PATIENCE:.0f} s")
    found: T = outcome["found"]
    return found


def quieten() -> None:
    """No progress bars and no retry notes of the hub's library on stderr."""
    from huggingface_hub.utils import disable_progress_bars

    disable_progress_bars()
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
