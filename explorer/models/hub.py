"""Model folders, local or from the Hugging Face hub, of which only settings, tokenizers and weights are fetched."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from explorer.cache import user_cache
from explorer.errors import InputError
from explorer.files import user_path, write_json
from explorer.models.config_claims import check_config
from explorer.models.hub_answers import first_line, hub_said, may_pass, quieten
from explorer.models.hub_contents import Contents, bot_conversion, contents, few, is_tokenizer, revisions, with_weights
from explorer.models.hub_name import HubName, named_on_hub
from explorer.models.pickled import converted, pickles
from explorer.progress import Report, silent

CONVERTED = (
    "its weights were published as a pickle ({files}): read by torch.load(weights_only=True) in a process of its own, "
    "and kept as safetensors"
)


_NO_LANGUAGE = (
    *("ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering", "ForMultipleChoice"),
    *("ForMaskedLM", "ForImageClassification", "RewardModel"),
)
"""How the names of models end whose head is of another kind; transformers would put a language model's in its place."""


@dataclass(frozen=True)
class Located:
    """Where a model lies on this machine."""

    folder: Path
    """A folder with config.json, tokenizer and safetensors."""
    note: str = ""
    """How its weights came there, where that is not the usual way; else empty."""


def model_folder(source: str | Path, revision: str | None = None) -> Path:
    """The local folder of a model; see `locate_model`."""
    return locate_model(source, revision).folder


def locate_model(source: str | Path, revision: str | None = None, report: Report = silent) -> Located:
    """The folder that holds a model: the given one, or the hub's, downloaded or from its cache. Weights that are
    pickled are converted first, and `report` hears of it.

    Raises InputError for what is neither, for whatever the hub answers instead, and for what holds no weights.
    """
    folder = user_path(source)
    if folder.exists():
        if revision is not None:
            raise InputError(f"'{source}' is a folder and has no revision '{revision}': revisions belong to hub ids")
        check_folder(folder, str(source))
        return _readable(folder, str(source), report)
    name = named_on_hub(str(source), revision)
    if name is None:
        raise InputError(
            f"there is no folder '{source}': give a folder with config.json and weights, or a hub id (owner/name)"
        )
    return _fetch(name, report)


def check_folder(folder: Path, source: str) -> Path:
    """The folder, if it may hold a model. Raises InputError with what it lacks, and for quantised weights."""
    if not (folder / "config.json").is_file():
        raise InputError(f"'{source}' holds no config.json: it is not a model folder")
    if not any(folder.glob("*.safetensors")) and not pickles(folder):
        raise InputError(f"'{source}' holds no weights: neither .safetensors nor pytorch_model.bin")
    if not any(is_tokenizer(path.name) for path in folder.iterdir()):
        raise InputError(f"no tokenizer in '{source}': put its files (tokenizer.json, tokenizer_config.json) into it")
    _refuse_settings(folder / "config.json", source)
    return folder


def read_config(path: Path) -> dict[str, Any] | None:
    """A config.json; None where there is none. Raises InputError for one that is damaged, or too large to be true."""
    return check_config(path) if path.is_file() else None


def _refuse_settings(config: Path, source: str) -> None:
    """Raise InputError if a config is of no causal language model, or says that weights are packed (GPTQ, FP8, …)."""
    found = read_config(config) or {}
    made = [name for name in found.get("architectures") or [] if isinstance(name, str)]
    if found.get("is_encoder_decoder"):
        raise InputError(
            f"'{source}' is an encoder-decoder ('{found.get('model_type')}'): only decoders can be read, which predict "
            "the next token of one text"
        )
    if made and all(name.endswith(_NO_LANGUAGE) for name in made):
        raise InputError(
            f"'{source}' is no language model but {made[0]}, which predicts no next token: give the model that it was "
            "made from"
        )
    inner = found.get("text_config")
    for place in (found, inner if isinstance(inner, dict) else {}):
        if how := place.get("quantization_config") or place.get("compression_config"):
            method = how.get("quant_method") if isinstance(how, dict) else None
            raise InputError(
                f"'{source}' holds quantised weights ({method or 'quantization_config in config.json'}): only plain "
                "ones are read; give the model that it was made from"
            )


def _readable(folder: Path, source: str, report: Report, note: str = "") -> Located:
    """The folder itself, or that of its converted weights."""
    if any(folder.glob("*.safetensors")):
        return Located(folder, note)
    told = CONVERTED.format(files=few([path.name for path in pickles(folder)]))
    return Located(converted(folder, source, report), f"{told}; {note}" if note else told)


def _fetch(name: HubName, report: Report) -> Located:
    from huggingface_hub.errors import HFValidationError, RevisionNotFoundError

    quieten()
    try:
        held = contents(name)
    except RevisionNotFoundError as error:
        there = few(revisions(name.repository))
        raise InputError(
            f"the hub model '{name.repository}' has no revision '{name.revision}'"
            + (f": it has {there}" if there else ": look them up on the hub")
        ) from error
    except HFValidationError as error:
        raise InputError(f"'{name.repository}' is no hub id: an id is owner/name") from error
    except Exception as error:  # whatever the network did, the cache may still hold the model
        if may_pass(error):
            return _cached(name, error, report)
        raise InputError(f"cannot fetch the model {name}: {hub_said(error)}") from error
    if not held.safetensors and not held.pickles:
        raise InputError(_without_weights(name, held))
    if not held.has_tokenizer:
        raise InputError(f"no tokenizer in {name}: fetch it, put the tokenizer's files beside it and give the folder")
    note, weights = "", held.safetensors or held.pickles
    if not held.safetensors and (offer := bot_conversion(name.repository, held.commit)):
        note = f"its safetensors are those of the conversion bot, made of this very commit ({offer})"
        asked, name = name, HubName(name.repository, offer)
        held = contents(name)
        weights = held.safetensors
        _remember(asked, offer)
    return _readable(_download(name, [*held.settings, *weights]), name.repository, report, note)


def _without_weights(name: HubName, held: Contents) -> str:
    at = f"its {name.revision or 'main'} branch" if "refs/" not in str(name.revision) else str(name.revision)
    if held.other_weights:
        return (
            f"the hub model {name} holds its weights only as {few(held.other_weights)}: safetensors and "
            f"pytorch_model.bin are read; {with_weights(name)}"
        )
    return (
        f"the hub model '{name.repository}' holds NO weights: {at} has only {few(held.files) or 'nothing'}; "
        f"{with_weights(name)}: give one of these as revision, or as {name.repository}@REVISION"
    )


def _download(name: HubName, wanted: list[str]) -> Path:
    """The files of a revision, in the hub library's cache."""
    from huggingface_hub import hf_hub_download, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    try:
        if "config.json" in wanted:  # before gigabytes are on their way
            config = hf_hub_download(name.repository, "config.json", revision=name.revision)
            _refuse_settings(Path(config), name.repository)
        folder = Path(snapshot_download(name.repository, revision=name.revision, allow_patterns=wanted))
        return check_folder(folder, name.repository)
    except InputError:
        raise
    except HfHubHTTPError as error:
        raise InputError(f"cannot fetch the model {name}: {hub_said(error)}") from error
    except Exception as error:  # network, disk: the libraries below raise what they like
        raise InputError(f"the download of {name} broke off ({first_line(error)}): run it again to go on") from error


def _cached(name: HubName, error: Exception, report: Report) -> Located:
    """The copy in the hub library's cache. Raises InputError, with what the hub answered, where there is none."""
    for revision in (name.revision, _remembered(name)):
        folder = cached_folder(HubName(name.repository, revision))
        if folder is not None and (any(folder.glob("*.safetensors")) or pickles(folder)):
            said = f"{hub_said(error).partition(': ')[0]}, so that the copy in its library's cache was read"
            return _readable(
                check_folder(folder, name.repository), name.repository, report, f"{said} (commit {folder.name[:12]})"
            )
    raise InputError(
        f"cannot fetch the model {name}: {hub_said(error)}; the model is not in the local cache either"
    ) from error


def cached_folder(name: HubName) -> Path | None:
    """The folder of a revision in the hub library's cache; None where its config.json is not there."""
    from huggingface_hub import try_to_load_from_cache

    try:
        config = try_to_load_from_cache(name.repository, "config.json", revision=name.revision)
    except ValueError:  # an id that the hub cannot have, such as a/b--c
        return None
    return Path(config).parent if isinstance(config, str) else None


def _remember(name: HubName, offer: str) -> None:
    """Keep where the safetensors of a revision were found, for when the hub cannot be asked."""
    path = user_cache().path("conversion bot", {"model": str(name)}, ".json")
    if path is not None:
        write_json(path, offer)


def _remembered(name: HubName) -> str | None:
    path = user_cache().path("conversion bot", {"model": str(name)}, ".json")
    try:
        return None if path is None else str(json.loads(path.read_bytes()))
    except (OSError, ValueError):
        return None


def digest(folder: Path) -> str:
    """SHA-256 of a folder's files that decide its outputs (config and safetensors), by name and content."""
    total = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in (".json", ".safetensors"):
            with path.open("rb") as file:
                total.update(path.name.encode() + b"\0" + hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()
