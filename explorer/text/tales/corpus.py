"""The corpus Tales: stories of this project's own grammar, with contrasts between their latent labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count as from_zero
from typing import ClassVar

from explorer.text.contrast import Contrast, ReadyContrast
from explorer.text.corpus import HELD_OUT, Corpus, TextDocument
from explorer.text.tales import contrasts, stories as tales
from explorer.text.token_groups import TokenGroup

_PROMPTS = 64
"""Documents from which prompts are taken."""


def _listed(name: str, *lists: str) -> TokenGroup:
    return TokenGroup(name, tuple(f"slot={given}" for given in lists))


_GROUPS = (
    _listed("people", "people"),
    _listed("villages", "villages"),
    _listed("weekdays", "days"),
    _listed("numbers", "numbers", "log_days", "recipe_counts"),
    _listed("animals", "animals", "log_creatures", "weather_beasts", "diary_beasts"),
    _listed("ships", "log_ships"),
    _listed("directions", "log_directions"),
    _listed("ingredients", "recipe_mains", "recipe_spices", "recipe_herbs", "recipe_flours", "recipe_fats"),
    _listed("buildings", "news_buildings"),
    _listed("feelings", "feelings"),
    _listed("weather", "weather_spells", "weather_skies", "skies"),
    TokenGroup("verbs of saying", words=("said", "says", "asked", "asks")),
)
"""What a listener knows at once, most telling first."""


@dataclass(frozen=True)
class Tales(Corpus):
    """Documents of the story grammar (`explorer.text.tales.stories`)."""

    kind: ClassVar[str] = "tales"
    title: ClassVar[str] = "held-out Tales, this project's own stories"
    """What a check says that it was made on."""
    has_labels: ClassVar[bool] = True
    probe_labels: ClassVar[tuple[str, ...]] = ("genre", "part")

    def documents(self, count: int | None = None) -> list[TextDocument]:
        """The documents, or the first `count`."""
        return list(tales.documents(self.split, self.size if count is None else min(count, self.size)))

    @staticmethod
    def held_out() -> Iterator[str]:
        """The texts of the held-out documents, without an end."""
        return (tales.document(HELD_OUT, index).text for index in from_zero())

    def prompts(self, held_out: bool = True) -> list[str]:
        """Tales of any mood, place and tense, which contrasts would turn into something else."""
        start = contrasts.PROMPTS if held_out else 0
        return [d.text for d in tales.documents("example", _PROMPTS, start, genre="tale")]

    @classmethod
    def groups(cls) -> tuple[TokenGroup, ...]:
        """Words of the grammar's lists, and its verbs of saying."""
        return _GROUPS

    @classmethod
    def contrasts(cls) -> tuple[ReadyContrast, ...]:
        """Between genres, moods, places and tenses."""
        return contrasts.PLANS

    @classmethod
    def _contrast(cls, name: str) -> Contrast:
        return contrasts.ready_contrast(name)
