"""What a check measures of a pair that its verdict does not rest on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from explorer import ranks
from explorer.pipeline.check_options import CheckOptions
from explorer.pipeline.plan import WEIGHED
from explorer.pipeline.progress import CheckProgress
from explorer.pipeline.similarity_files import add_unpaired
from explorer.pipeline.substitution_files import add_substitution
from explorer.pipeline.weight_space_files import add_weight_space

if TYPE_CHECKING:
    from explorer.models import LanguageModel
    from explorer.study import Study
    from explorer.text import Chunks


def measure_beyond(
    study: Study, models: Sequence[LanguageModel], chunks: Chunks, options: CheckOptions, progress: CheckProgress
) -> list[str]:
    """Write what becomes of the target when features stand in, R without pairs if asked for, and the loss between the
    weights; returns a note for each that could not be measured.
    """
    source, target = models
    notes = add_substitution(study, source, target, chunks.split("test"), progress)
    if options.pairs == "none":
        add_unpaired(study, source, target, chunks, progress)
    if not ranks.rank() and ranks.slices() == 1:
        with ranks.alone():
            add_weight_space(study, source, target, chunks, progress, WEIGHED)
    return notes
