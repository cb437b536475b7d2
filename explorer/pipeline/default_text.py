"""Whether held-out Tales, which are read where no text was given, say anything about the models of a check.

Told from some windows, before minutes of work: models that know plain English, and neither of them Tales, were trained on
other text. Models that know neither, such as untrained ones, lose nothing by it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from explorer.errors import InputError
from explorer.number_text import number
from explorer.pipeline.known_text import knows
from explorer.text import DEFAULT, PILE, read_windows

if TYPE_CHECKING:
    from explorer.models import LanguageModel
    from explorer.text import Chunks, TextReading

PASSAGE = (
    "The city council voted on Tuesday to close the old bridge for repairs. Engineers found last spring that salt had "
    "reached the steel inside the concrete, and that two of the six supports would not last another winter. The work "
    "will take about a year and cost more than was planned. Buses will use the road along the river, and a small "
    "ferry will carry people who walk or cycle. Some shop owners near the bridge are worried that customers will stay "
    "away; others say that less traffic could be good for business. The mayor promised that one lane would open again "
    "before the summer. Many people still remember how the bridge was built, because their parents worked on it. It "
    "was the first in the country that was made from parts cast in a factory and lifted into place by crane, which is "
    "why students of engineering come to look at it every year. When the repairs are finished, the university will "
    "measure how much the structure moves under heavy trucks, and publish the results on its website."
)
"""Plain English of no kind that Tales know, written for this purpose."""
READS = 0.5
"""Share of ln V, the loss of who knows nothing, that the passage's loss must not exceed for a model to read English."""
WINDOWS = 24
"""Windows of held-out Tales that are read."""


def check_default_fits(models: Sequence[LanguageModel], chunks: Chunks, reading: TextReading) -> None:
    """Raise InputError, with the commands that would work, where no model knows Tales and one reads plain English."""
    from explorer.alignment import unigram

    test = chunks.split("test")
    test = test[:: max(1, len(test) // WINDOWS)][:WINDOWS]
    told = []
    for model in models:
        known = unigram(chunks.split("fit"), model.vocabulary)
        ids = test.ids[:, 1:][test.predicted]
        base, tales = -float(known[ids].mean()), mean_loss(model, test)
        passage = mean_loss(model, read_windows((PASSAGE,), model.tokenizer, reading, len(PASSAGE)))
        if knows(tales, base):
            return
        told.append((tales, base, passage, passage <= READS * math.log(model.vocabulary)))
    if not any(reads for *_, reads in told):
        return
    raise InputError(
        f"neither model knows {DEFAULT.title}, which are read where no text is given: losses "
        f"{' and '.join(number(tales) for tales, *_ in told)} nats per token, where counting tokens gives "
        f"{number(told[0][1])} and who knows them a third of that; plain English they read with "
        f"{' and '.join(number(passage) for *_, passage, _ in told)}. Give the kind of text they were trained on: "
        f"add --text FILE (txt, jsonl or parquet), or --text {PILE} (the paper's corpus), or --text {DEFAULT.kind} to "
        "read Tales all the same"
    )


def offers_corpus(message: str) -> bool:
    """Whether a refusal says that the paper's corpus would be read instead."""
    return f"--text {PILE}" in message


def mean_loss(model: LanguageModel, windows: Chunks) -> float:
    """Mean −log P of a model over what windows predict, nats per token; nan for windows that predict nothing."""
    import torch

    total, count = 0.0, 0
    for batch in windows.batches(8):
        told = batch.predicted
        logits, truth = model.logits(batch.ids)[:, :-1].cpu()[told], batch.ids[:, 1:][told]
        total += float(torch.nn.functional.cross_entropy(logits, truth, reduction="sum"))
        count += len(truth)
    return total / count if count else math.nan
