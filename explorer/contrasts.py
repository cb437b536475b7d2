"""Ready contrasts of the Tales study: pairs of text classes, generated from the grammar's own latent labels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from explorer import tales
from explorer.errors import InputError
from explorer.steering import Contrast

PROMPTS = 64
"""Documents of each class from which a vector is made; as many others are held out for scoring."""


@dataclass(frozen=True)
class ContrastPlan:
    """Which latent variables distinguish the two classes of a contrast; everything else varies freely."""

    name: str
    """Short name."""
    title: str
    """What turns into what."""
    positive: tuple[tuple[str, str], ...]
    """Latent variables of the positive class."""
    negative: tuple[tuple[str, str], ...]
    """Latent variables of the negative class."""
    prompt: str
    """A prompt of the negative class on which the effect is easy to see."""


_TALE = ("genre", "tale")
_OPENING = "Once there was a gardener called Clara"

PLANS = (
    ContrastPlan(
        "present",
        "past → present tense",
        (("tense", "present"), _TALE),
        (("tense", "past"), _TALE),
        f"{_OPENING}. One evening Clara",
    ),
    ContrastPlan("recipe", "tale → recipe", (("genre", "recipe"),), (_TALE,), _OPENING),
    ContrastPlan("letter", "tale → letter", (("genre", "letter"),), (_TALE,), _OPENING),
    ContrastPlan("log", "tale → ship's log", (("genre", "log"),), (_TALE,), _OPENING),
    ContrastPlan("weather", "tale → weather report", (("genre", "weather"),), (_TALE,), _OPENING),
    ContrastPlan("news", "tale → news", (("genre", "news"),), (_TALE,), _OPENING),
    ContrastPlan("dialogue", "narration → dialogue", (("genre", "dialogue"),), (_TALE,), _OPENING),
    ContrastPlan("merry", "sad → merry", (("mood", "merry"), _TALE), (("mood", "sad"), _TALE), _OPENING),
    ContrastPlan("uneasy", "calm → uneasy", (("mood", "uneasy"), _TALE), (("mood", "calm"), _TALE), _OPENING),
    ContrastPlan("sea", "forest → harbour", (("place", "harbour"), _TALE), (("place", "forest"), _TALE), _OPENING),
    ContrastPlan("town", "mountain → town", (("place", "town"), _TALE), (("place", "mountain"), _TALE), _OPENING),
)


def plan(name: str) -> ContrastPlan:
    """A ready contrast's plan by name. Raises InputError with the names there are."""
    for candidate in PLANS:
        if candidate.name == name:
            return candidate
    raise InputError(f"no ready contrast '{name}': there are {', '.join(p.name for p in PLANS)}")


@cache
def ready_contrast(name: str, held_out: bool = False) -> Contrast:
    """A ready contrast's texts; `held_out` gives those that no vector was made from."""
    chosen = plan(name)
    start = PROMPTS if held_out else 0
    classes = [
        tuple(d.text for d in tales.documents("example", PROMPTS, start, **dict(latents)))
        for latents in (chosen.positive, chosen.negative)
    ]
    return Contrast(chosen.name, chosen.title, classes[0], classes[1])
