"""Ready contrasts of the Tales study: pairs of text classes, generated from the grammar's own latent labels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from explorer.text.contrast import Contrast, ReadyContrast, find_contrast
from explorer.text.tales import stories as tales

PROMPTS = 64
"""Documents of each class from which a vector is made; as many others are held out for scoring."""


@dataclass(frozen=True)
class ContrastPlan(ReadyContrast):
    """Which latent variables distinguish the two classes of a contrast; everything else varies freely."""

    positive: tuple[tuple[str, str], ...]
    """Latent variables of the positive class."""
    negative: tuple[tuple[str, str], ...]
    """Latent variables of the negative class."""


_TALE = ("genre", "tale")
_OPENING = "Once there was a gardener called Clara."
"""A whole sentence: what a model writes after it begins a new one, which may be of any kind of text."""

PLANS = (
    ContrastPlan(
        "present", "past → present tense", _OPENING, (("tense", "present"), _TALE), (("tense", "past"), _TALE)
    ),
    ContrastPlan("recipe", "tale → recipe", _OPENING, (("genre", "recipe"),), (_TALE,)),
    ContrastPlan("letter", "tale → letter", _OPENING, (("genre", "letter"),), (_TALE,)),
    ContrastPlan("log", "tale → ship's log", _OPENING, (("genre", "log"),), (_TALE,)),
    ContrastPlan("weather", "tale → weather report", _OPENING, (("genre", "weather"),), (_TALE,)),
    ContrastPlan("news", "tale → news", _OPENING, (("genre", "news"),), (_TALE,)),
    ContrastPlan("dialogue", "narration → dialogue", _OPENING, (("genre", "dialogue"),), (_TALE,)),
    ContrastPlan("merry", "sad → merry", _OPENING, (("mood", "merry"), _TALE), (("mood", "sad"), _TALE)),
    ContrastPlan("uneasy", "calm → uneasy", _OPENING, (("mood", "uneasy"), _TALE), (("mood", "calm"), _TALE)),
    ContrastPlan("sea", "forest → harbour", _OPENING, (("place", "harbour"), _TALE), (("place", "forest"), _TALE)),
    ContrastPlan("town", "mountain → town", _OPENING, (("place", "town"), _TALE), (("place", "mountain"), _TALE)),
)


def plan(name: str) -> ContrastPlan:
    """A ready contrast's plan by name. Raises InputError with the names there are."""
    return find_contrast(PLANS, name)


@cache
def ready_contrast(name: str) -> Contrast:
    """A ready contrast's texts."""
    chosen = plan(name)
    classes = [
        tuple(d.text for d in tales.documents("example", PROMPTS, 0, **dict(latents)))
        for latents in (chosen.positive, chosen.negative)
    ]
    return Contrast(chosen.name, chosen.title, classes[0], classes[1])
