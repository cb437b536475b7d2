"""Prompts are data: how long one may be, what a model reads of it, and which special tokens it spells out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from jaxtyping import Int
from torch import Tensor

from explorer.errors import InputError
from explorer.models.tokens import check_characters, special_tokens

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from explorer.models.language_model import LanguageModel

MAX_PROMPT_TOKENS = 200
MAX_SPECIAL_TOKENS = 4
"""How many special tokens, such as <|endoftext|>, a prompt may spell out."""
FEW_CHARACTERS = 20
"""A model that reads no more characters than this says which."""


def check_prompt(model: LanguageModel, prompt: str) -> Int[Tensor, " t"]:
    """Token ids of a prompt, after what stands before a document.

    Raises InputError if it is empty or too long, or holds what the model does not read.
    """
    tokenizer = model.tokenizer
    check_readable(model, prompt)
    ids = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    if not ids:
        raise InputError("the prompt is empty: write at least one word")
    if len(ids) > MAX_PROMPT_TOKENS:
        raise InputError(f"the prompt has {len(ids)} tokens, at most {MAX_PROMPT_TOKENS} are allowed: shorten it")
    if (count := len(spelled(special_tokens(tokenizer), prompt))) > MAX_SPECIAL_TOKENS:
        raise InputError(
            f"the prompt has {count} special tokens, at most {MAX_SPECIAL_TOKENS} are allowed: remove some"
        )
    return torch.tensor(ids if model.begin is None else [model.begin, *ids])


def check_readable(model: LanguageModel, text: str) -> None:
    """Raises InputError if a text holds characters that the model does not read; says which it does if few."""
    tokenizer = model.tokenizer
    check_characters(text)
    if lost := unread(tokenizer, text):
        known = [t for t in tokenizer.get_vocab() if len(t) == 1 and t not in special_tokens(tokenizer)]
        only = f", only {' '.join(sorted(known))}" if len(known) <= FEW_CHARACTERS else ""
        raise InputError(f"{model.name} does not read {' '.join(lost[:8])}{only}: write without them")


def unread(tokenizer: PreTrainedTokenizerBase, prompt: str) -> list[str]:
    """Characters of a prompt, in order, that the tokenizer drops or knows only as unknown."""
    special, known = set(tokenizer.all_special_ids), "".join(special_tokens(tokenizer))
    wanted = dict.fromkeys(c for c in prompt if not c.isspace() and c not in known)
    return [c for c in wanted if not set(tokenizer(c, add_special_tokens=False)["input_ids"]) - special]


def spelled(special: frozenset[str], text: str) -> list[str]:
    """The special tokens that a text spells out, as often as it does."""
    return [token for token in sorted(special) for _ in range(text.count(token))]
