"""Dictionaries by their name on the hub: owner/name, with a folder inside and a revision: owner/name/layers.3@main."""

from __future__ import annotations

import re
from pathlib import Path

from explorer.errors import InputError
from explorer.files import user_path
from explorer.models import hub_said, quieten, within_patience

MOST = 32
"""Dictionaries of one repository that are fetched together."""
_NAME = re.compile(r"(?:hf://)?([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)((?:/[\w.=-]+)*)(?:@(\S+))?")
_WEIGHTS = re.compile(r"(?:.*/)?(?:[^/]*\.safetensors|ae\.pt|params\.npz|sae_[^/]*\.pt)")
_UNREAD = re.compile(r"(?:attention|attn|attn_out|mlp|mlp_out|transcoder.*|clt)")
"""Folders of what is no residual stream."""


def is_hub_dictionary(text: str) -> bool:
    """Whether a text that is no path here names a repository of the hub."""
    return not user_path(text).exists() and _NAME.fullmatch(text) is not None


def dictionary_path(text: str | Path) -> Path:
    """The path as it is, or the folder of a repository, fetched. Raises InputError, with the folders that there are."""
    path = user_path(text)
    named = _NAME.fullmatch(str(text))
    if path.exists() or named is None:
        return path
    repository, inside, revision = named[1], named[2].strip("/"), named[3]
    from huggingface_hub import HfApi, snapshot_download

    quieten()
    try:
        found = within_patience(lambda: HfApi().model_info(repository, revision=revision))
        files = [sibling.rfilename for sibling in found.siblings or []]
        wanted = _wanted(files, repository, inside)
        return Path(snapshot_download(repository, revision=found.sha, allow_patterns=wanted)) / inside
    except InputError:
        raise
    except Exception as error:  # the hub's library raises what it likes
        if (cached := _cached(repository, revision, inside)) is not None:
            return cached
        raise InputError(f"cannot fetch the dictionary '{text}': {hub_said(error)}") from error


def _wanted(files: list[str], repository: str, inside: str) -> list[str]:
    below = [name for name in files if not inside or name == inside or name.startswith(f"{inside}/")]
    weights = [n for n in below if _WEIGHTS.fullmatch(n) and "sparsity" not in n.rpartition("/")[2]]
    folders = sorted({n.rpartition("/")[0] for n in weights})
    residual = [f for f in folders if not any(_UNREAD.fullmatch(p) for p in re.split(r"[/.]", f.removeprefix(inside)))]
    if not weights:
        there = sorted({n.rpartition("/")[0] for n in files if _WEIGHTS.fullmatch(n)} - {""})
        raise InputError(
            f"'{repository}' holds no dictionary in '{inside or '.'}': "
            + (f"there are {', '.join(there[:6])}{' …' if len(there) > 6 else ''}" if there else "and none elsewhere")
        )
    if len(residual) > MOST:
        raise InputError(
            f"'{repository}/{inside}' holds {len(residual)} dictionaries, at most {MOST} are fetched together: name a "
            f"folder, such as {repository}/{residual[0]}"
        )
    kept = residual or folders
    # Settings of every folder come too, so that what is skipped is named.
    return [n for n in below if n.endswith(".json") or (n in weights and n.rpartition("/")[0] in kept)]


def _cached(repository: str, revision: str | None, inside: str) -> Path | None:
    """What an earlier check fetched, where the hub does not answer."""
    from huggingface_hub import snapshot_download

    try:
        folder = Path(snapshot_download(repository, revision=revision, local_files_only=True)) / inside
    except Exception:  # nothing is there
        return None
    return folder if folder.exists() else None
