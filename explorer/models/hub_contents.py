"""What a repository of the hub holds of a model: weights, tokenizer, and which of its revisions have them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from explorer.models.hub_answers import within_patience
from explorer.models.hub_name import HubName
from explorer.models.pickled import SETTINGS

_SAFETENSORS = re.compile(r"model(-\d+-of-\d+)?\.safetensors")
_PICKLES = re.compile(r"pytorch_model(-\d+-of-\d+)?\.bin")
_OTHER_WEIGHTS = (".h5", ".msgpack", ".onnx", ".gguf", ".ggml", ".pt", ".pth", ".ckpt", ".bin", ".safetensors")
_TOKENIZER = re.compile(r"(tokenizer|vocab|spiece|merges|sentencepiece).*|.*\.model")
_LOOKED_AT = 8
"""Revisions that are looked into for weights, where there are more."""
BOT = "SFconvertbot"
"""Who offers safetensors of other people's models, as a pull request."""


@dataclass(frozen=True)
class Contents:
    """The files of one revision."""

    files: tuple[str, ...]
    """Their paths."""
    commit: str
    """The commit that the revision is."""

    @property
    def safetensors(self) -> list[str]:
        """Weights that are read as they are."""
        return [name for name in self.files if _SAFETENSORS.fullmatch(name)]

    @property
    def pickles(self) -> list[str]:
        """Weights that are read in a process of its own."""
        return [name for name in self.files if _PICKLES.fullmatch(name)]

    @property
    def settings(self) -> list[str]:
        """Configuration and tokenizer."""
        return [name for name in self.files if "/" not in name and name.endswith(SETTINGS)]

    @property
    def other_weights(self) -> list[str]:
        """Weights in formats that are not read, or in folders."""
        return [n for n in self.files if n.endswith(_OTHER_WEIGHTS) and n not in {*self.safetensors, *self.pickles}]

    @property
    def has_tokenizer(self) -> bool:
        """Whether any file is of a tokenizer."""
        return any(map(is_tokenizer, self.files))


def is_tokenizer(name: str) -> bool:
    """Whether a file of that name belongs to a tokenizer."""
    return _TOKENIZER.fullmatch(name) is not None


def contents(name: HubName) -> Contents:
    """What a revision holds. Raises what the hub raises, or TimeoutError."""
    from huggingface_hub import HfApi

    from explorer.models.hub_answers import patience

    found = within_patience(lambda: HfApi().model_info(name.repository, revision=name.revision, timeout=patience()))
    return Contents(tuple(s.rfilename for s in found.siblings or []), str(found.sha))


def bot_conversion(repository: str, commit: str) -> str | None:
    """The pull request (refs/pr/N) in which the conversion bot put safetensors onto exactly this commit; None for none.

    Whatever the hub answers instead, there is none: the pickle can be read all the same.
    """
    from huggingface_hub import HfApi

    def ask() -> str | None:
        api = HfApi()
        for offer in api.get_repo_discussions(repository, author=BOT, discussion_type="pull_request"):
            if offer.author != BOT or offer.status not in ("open", "draft") or offer.git_reference is None:
                continue
            commits = api.list_repo_commits(repository, revision=offer.git_reference)
            if len(commits) > 1 and commits[1].commit_id == commit:
                return str(offer.git_reference)
        return None

    try:
        found = within_patience(ask)
        return found if found and contents(HubName(repository, found)).safetensors else None
    except Exception:  # the hub's library raises what it likes
        return None


def revisions(repository: str) -> list[str]:
    """Names of a repository's branches, tags and pull requests, in natural order; none where the hub does not say."""
    from huggingface_hub import HfApi

    try:
        refs = within_patience(lambda: HfApi().list_repo_refs(repository, include_pull_requests=True))
    except Exception:  # the hub's library raises what it likes
        return []
    requests = [ref.ref for ref in refs.pull_requests or []]
    return sorted({ref.name for ref in (*refs.branches, *refs.tags)}, key=_natural) + sorted(requests, key=_natural)


def _natural(name: str) -> list[tuple[int, str]]:
    """A key that puts step512 before step1000."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


@dataclass(frozen=True)
class WithWeights:
    """Which revisions of a repository hold weights."""

    names: tuple[str, ...]
    """Those, of the revisions that were looked into."""
    looked_at: int
    """How many revisions that were."""
    all: int
    """How many revisions there are."""

    def __str__(self) -> str:
        seen = "" if self.looked_at == self.all else f" (of {self.all} revisions {self.looked_at} were looked into)"
        if not self.names:
            return "no other revision holds weights" + seen
        return f"there are weights at {', '.join(self.names)}{seen}"


def with_weights(name: HubName) -> WithWeights:
    """Which other revisions of a repository hold weights; of many, those at both ends and some between are asked."""
    found = [r for r in revisions(name.repository) if r != (name.revision or "main")]
    step = (len(found) - 1) / (_LOOKED_AT - 1) if len(found) > _LOOKED_AT else 1.0
    asked = [found[round(i * step)] for i in range(min(len(found), _LOOKED_AT))]

    def has(revision: str) -> bool:
        try:
            held = contents(HubName(name.repository, revision))
        except Exception:  # one that does not answer is not named
            return False
        return bool(held.safetensors or held.pickles)

    with ThreadPoolExecutor(_LOOKED_AT) as pool:
        return WithWeights(
            tuple(r for r, ok in zip(asked, pool.map(has, asked), strict=True) if ok), len(asked), len(found)
        )


def few(names: Sequence[str], most: int = 6) -> str:
    """Some names and how many more there are."""
    shown = names if len(names) <= most else [*names[: most // 2], "…", *names[-(most // 2) :]]
    return ", ".join(shown)
