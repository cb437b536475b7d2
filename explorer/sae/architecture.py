"""The kinds of dictionaries. Without torch: a study names them before one is loaded."""

from __future__ import annotations

from typing import Literal, get_args

Architecture = Literal["topk", "standard", "jumprelu"]
ARCHITECTURES: tuple[Architecture, ...] = get_args(Architecture)
KINDS: dict[Architecture, str] = {"topk": "TopK", "standard": "ReLU", "jumprelu": "JumpReLU"}
"""How each is called."""
