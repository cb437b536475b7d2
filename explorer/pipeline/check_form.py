"""What a person typed into Check a pair, examined field by field before anything starts."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from explorer import MAX_SEED
from explorer.errors import InputError
from explorer.models import Begin, ModelShape, check_folder, named_on_hub, parse_sites, read_shape
from explorer.pipeline.allowed_paths import allowed_path
from explorer.pipeline.check_options import LEAST_CONTEXT, MOST_READ, CheckOptions, Checkpoint
from explorer.policy import policy
from explorer.sae.formats import is_hub_dictionary
from explorer.text import DEFAULT, GZIP, LINES, PARQUET, TEXT

LEAST_TOKENS = 2_000
MAX_LENGTH = 500
"""Characters of a field."""


@dataclass(frozen=True)
class Fields:
    """The form as it was filled in."""

    source: str
    """Folder or hub id of A."""
    target: str
    """Folder or hub id of B."""
    text: str
    """File or hf:// address; empty for held-out Tales, `tales` for these even where neither model knows them."""
    revision_source: str = ""
    """Revision of A on the hub; empty for the newest."""
    revision_target: str = ""
    """Revision of B on the hub."""
    sites: str = "all"
    """all, or indices or names separated by commas."""
    sae: str = "train"
    """train, none or file: where dictionaries come from."""
    sae_path: str = ""
    """Where they lie, for file."""
    tokens: int | None = None
    """Tokens of text; None for as many as the verdict needs, at most 65,536."""
    context: int | None = None
    """Tokens of a window; None for as many as the models read, at most 512."""
    bos: Begin = "auto"
    """Whether a BOS stands before every document."""
    seed: int = 0
    """Seed of the dictionaries."""
    copy_models: bool = False
    """Whether the study holds copies of the models."""
    recorded: bool = True
    """Whether example texts are recorded once the result is there."""


@dataclass(frozen=True)
class CheckRequest:
    """A form without mistakes that could be told beforehand."""

    source: Checkpoint
    """A."""
    target: Checkpoint
    """B."""
    options: CheckOptions
    """The rest."""

    @property
    def title(self) -> str:
        """Both models in a few words."""
        return f"{short_name(self.source)} → {short_name(self.target)}"

    @property
    def wish(self) -> str:
        """What the study should be called."""
        # Long enough for pythia-410m-seed1@step143000: cut short, the step would be another.
        return f"{short_name(self.source, 36)}-{short_name(self.target, 36)}".lower()

    @property
    def command(self) -> str:
        """The same check on the command line."""
        o = self.options
        words = ["python", "-m", "explorer", "check", self.source.place, self.target.place, "--out", "DIR"]
        for flag, value, default in (
            ("--revision-source", self.source.revision, None),
            ("--revision-target", self.target.revision, None),
            ("--text", DEFAULT.kind if o.insisted else o.text, None),
            ("--sites", o.sites, "all"),
            ("--sae", o.sae, "train"),
            ("--tokens", o.tokens, CheckOptions.tokens),
            ("--context", o.context, CheckOptions.context),
            ("--bos", o.bos, CheckOptions.bos),
            ("--seed", o.seed, 0),
        ):
            if value != default:
                words += [flag, str(value)]
        return shlex.join([*words, *(["--copy-models"] if o.copy_models else [])])


def short_name(checkpoint: Checkpoint, longest: int = 60) -> str:
    """The last part of a folder or hub id, with the revision."""
    name = checkpoint.place.rstrip("/").rpartition("/")[2] or checkpoint.place
    return (name + (f"@{checkpoint.revision}" if checkpoint.revision else ""))[:longest]


def examine(fields: Fields) -> CheckRequest:
    """The request that the fields make. Raises InputError that names the field, what was given and what is allowed."""
    rules = policy()
    if not rules.checks:
        raise InputError("this server shows studies, and checks no pairs: check yours on a machine of your own")
    source = _checkpoint("Source A", fields.source, fields.revision_source)
    target = _checkpoint("Target B", fields.target, fields.revision_target)
    if fields.tokens is not None and not LEAST_TOKENS <= fields.tokens <= rules.most_tokens:
        raise InputError(
            f"Tokens: {fields.tokens:,}; give {LEAST_TOKENS:,} to {rules.most_tokens:,}, or leave it empty"
        )
    if fields.context is not None and not LEAST_CONTEXT <= fields.context <= rules.most_context:
        raise InputError(
            f"Context: {fields.context}; give {LEAST_CONTEXT} to {rules.most_context} tokens, or leave it empty"
        )
    if not 0 <= fields.seed <= MAX_SEED:
        raise InputError(f"Seed: {fields.seed}; give 0 to {MAX_SEED}")
    shapes = [read_shape(c.place, c.revision) for c in (source, target)]
    _check_shapes(shapes, fields.context)
    sites = _sites(fields.sites, shapes[0])
    options = CheckOptions(
        text=_text(fields.text),
        insisted=fields.text.strip() == DEFAULT.kind,
        sites=sites,
        sae=_dictionaries(fields.sae, fields.sae_path),
        tokens=rules.most_tokens if fields.tokens is None and rules.most_tokens < MOST_READ else fields.tokens,
        context=fields.context,
        bos=fields.bos,
        seed=fields.seed,
        copy_models=fields.copy_models and rules.names_paths,
    )
    return CheckRequest(source, target, options)


def _cleaned(field: str, text: str) -> str:
    text = text.strip()
    if len(text) > MAX_LENGTH or not text.isprintable():
        raise InputError(f"{field}: '{text[:40]}…' is too long or holds control characters; type it again")
    return text


def _checkpoint(field: str, place: str, revision: str) -> Checkpoint:
    place, revision = _cleaned(field, place), _cleaned(f"Revision of {field}", revision)
    if not place:
        raise InputError(f"{field} is empty: give a folder with config.json and safetensors, or a hub id (owner/name)")
    if (listed := policy().models) is not None:
        if place not in listed or revision:
            raise InputError(f"{field}: '{place[:80]}' is not checked here; choose one of {', '.join(listed)}")
        return Checkpoint.named(place)
    if not Path(place).exists() and (name := named_on_hub(place, revision or None)) is not None:
        return Checkpoint(name.repository, name.revision)
    folder = _allowed(field, place)
    if not folder.is_dir():
        raise InputError(f"{field}: there is no folder '{place}'; give a model folder, or a hub id (owner/name)")
    if revision:
        raise InputError(f"{field}: a folder has no revision '{revision}'; leave it empty, or give a hub id")
    check_folder(folder, place)
    return Checkpoint(str(folder))


def _allowed(field: str, text: str) -> Path:
    try:
        return allowed_path(text)
    except InputError as error:
        raise InputError(f"{field}: {error}") from error


def _check_shapes(shapes: Sequence[ModelShape | None], context: int | None) -> None:
    a, b = shapes
    if a is not None and b is not None:
        if a.d_model != b.d_model:
            raise InputError(
                f"not assessable: the widths differ (A {a.d_model}, B {b.d_model}); give models of one shape"
            )
        if a.n_layers != b.n_layers:
            raise InputError(
                f"not assessable: the depths differ (A {a.n_layers}, B {b.n_layers} blocks); give models of one shape"
            )
    positions = min((s.positions for s in shapes if s is not None and s.positions is not None), default=None)
    if positions is not None and context is not None and context > positions:
        raise InputError(f"Context: {context} tokens are more than these models can read; give at most {positions}")


def _sites(text: str, shape: ModelShape | None) -> str:
    text = _cleaned("Sites", text) or "all"
    if shape is not None:
        try:
            parse_sites(text, shape.n_layers)
        except InputError as error:
            raise InputError(f"Sites: {error}") from error
    return text


def _text(text: str) -> str | None:
    text = _cleaned("Text", text)
    if text in ("", DEFAULT.kind):
        return None
    if (listed := policy().texts) is not None:
        if text not in listed:
            names = ", ".join(("held-out Tales (leave it empty)", *listed))
            raise InputError(f"Text: '{text[:80]}' is not read here; choose one of {names}")
        return text
    if text.startswith("hf://"):
        return text
    path = _allowed("Text", text)
    if not path.is_file():
        raise InputError(f"Text: there is no file '{text}'; give one, or leave the field empty for held-out Tales")
    if path.suffix.lower() not in (*TEXT, *LINES, *PARQUET, GZIP, ""):
        raise InputError(f"Text: '{path.name}' is of no kind that is read; give {', '.join((*TEXT, *LINES, *PARQUET))}")
    return str(path)


def _dictionaries(choice: str, path: str) -> str:
    if choice in ("train", "none"):
        return choice
    if choice != "file" or not policy().names_paths:
        raise InputError(f"Dictionaries: '{choice[:40]}'; choose train, none, or a folder")
    path = _cleaned("Dictionaries", path)
    if not path:
        raise InputError(
            "Dictionaries: give the folder of a dictionary of the source, or owner/name/folder on the hub, or choose to "
            "train one"
        )
    if is_hub_dictionary(path):
        return path
    found = _allowed("Dictionaries", path)
    if not found.exists():
        raise InputError(
            f"Dictionaries: there is no '{path}'; give a folder, or owner/name/folder on the hub, or choose to "
            "train one"
        )
    return str(found)
