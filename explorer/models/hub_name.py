"""Names of repositories on the hub, as people write them: owner/name, owner/name@revision, addresses, and old names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from explorer.errors import InputError

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_NAMED = re.compile(rf"({HUB_ID.pattern})(?:@(\S+))?")
_OLD = {
    **dict.fromkeys(("gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl", "openai-gpt"), "openai-community"),
    "distilgpt2": "distilbert",
}
"""Owners of models that are still called by a name of one word."""
_SHORT = "hf.co"
_PARTS = ("tree", "blob", "resolve", "commit")
"""What stands between a repository and a revision in the hub's addresses."""


@dataclass(frozen=True)
class HubName:
    """A repository of models on the hub, and what of its history is meant."""

    repository: str
    """owner/name."""
    revision: str | None = None
    """Branch, tag, commit or refs/pr/N; None for main."""

    def __str__(self) -> str:
        return f"'{self.repository}'" + (f" (revision {self.revision})" if self.revision else "")


def named_on_hub(text: str, revision: str | None = None) -> HubName | None:
    """What a person means by a name or an address of the hub; None for what is neither.

    Raises InputError where the name says another revision than `revision`.
    """
    text = text.strip()
    name, _, at = text.partition("@")
    if name in _OLD:
        found: tuple[str, str | None] | None = f"{_OLD[name]}/{name}", at or None
    elif named := _NAMED.fullmatch(text.removeprefix("hf://").removeprefix("models/")):
        found = named[1], named[2]
    else:
        found = _of_address(text)
    if found is None:
        return None
    if revision and found[1] and revision != found[1]:
        raise InputError(f"'{text}' names the revision '{found[1]}', and '{revision}' is given beside it: give one")
    return HubName(found[0], revision or found[1])


def _of_address(text: str) -> tuple[str, str | None] | None:
    """Repository and revision of an address in a browser."""
    from huggingface_hub import constants

    try:
        address = urlsplit(text if "://" in text else f"https://{text}")
    except ValueError:
        return None
    hubs = {urlsplit(each).netloc for each in (constants.ENDPOINT, constants.HUGGINGFACE_CO_URL_HOME)}
    if address.netloc not in {*hubs, _SHORT}:
        return None
    parts = [unquote(part) for part in address.path.strip("/").split("/")]
    parts = parts[1:] if parts[0] == "models" else parts
    repository = "/".join(parts[:2])
    if not HUB_ID.fullmatch(repository):
        return None
    if parts[2:3] and parts[2] in _PARTS and len(parts) > 3:
        # A revision may hold slashes: that of a pull request does.
        ends = 6 if parts[3] == "refs" else 4
        return repository, "/".join(parts[3:ends])
    return repository, None
