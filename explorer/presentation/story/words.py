"""Scenes of the talk that are words: what both models expect next, and where a detector lights up. HTML, escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from explorer.narrative import Chapter, Story
from explorer.number_text import number, percent
from explorer.palette import Palette
from explorer.study import NextWord

FAINTEST, STRONGEST = 0.04, 0.62
"""Opacity of a tint: below the first it is left out, the last is that of the strongest activation in the source."""


def answer(story: Story, palette: Palette) -> str:
    """The prompt, and the next words of both models side by side, with how alike their answers are in all."""
    chapter = story.sister
    assert chapter.material is not None and chapter.material.answer is not None
    found, f = chapter.material.answer, chapter.pair.function
    sides = ((chapter.source, palette.source, found.source), (chapter.target, palette.raw, found.target))
    most = max(word.probability for _, _, words in sides for word in words)
    columns = "".join(_expected(*side, most) for side in sides)
    return (
        f"<div class='stage-words' data-scene='answer'><p class='prompt'>{escape(found.prompt)} <i>?</i></p>"
        f"<div class='expected'>{columns}</div>"
        f"<p class='small'>Over the whole test text: the same first choice at {percent(f.top1_agreement)} of tokens, "
        f"KL {max(0.0, f.kl):.2g} nats per token</p></div>"
    )


def _expected(name: str, colour: str, words: Sequence[NextWord], most: float) -> str:
    """One model's words; the longest bar of both models is as long as there is room."""
    items = "".join(
        f"<li><span class='word'>{escape(w.text)}</span><span class='bar'><b style='width: {100 * w.probability / most:.1f}%'></b>"
        f"</span><span class='share'>{percent(w.probability)}</span></li>"
        for w in words
    )
    return f"<section style='--lane: {colour}' aria-label='{escape(name)}'><h2>{escape(name)}</h2><ol>{items}</ol></section>"


def detector(story: Story, shown: bool, palette: Palette) -> str:
    """One sentence in the source, in the target as it is and, once `shown`, read through R and through a control."""
    chapter = story.sister
    found = chapter.detector
    assert found is not None
    lanes = [
        (f"{chapter.source}, its own model", palette.source, found.own, None),
        (f"{chapter.target}, as it is", palette.raw, found.raw, found.r_raw),
    ]
    if shown:
        lanes += [
            (f"{chapter.target}, read through R", palette.rotated, found.rotated, found.r_rotated),
            (f"{chapter.target}, through R of shuffled pairs", palette.null, found.shuffled, found.r_shuffled),
        ]
    rows = "".join(_lit(chapter, *lane, palette) for lane in lanes)
    return f"<div class='stage-words lit' data-scene='names'>{rows}</div>"


def _lit(
    chapter: Chapter, title: str, colour: str, activation: Sequence[float], r: float | None, palette: Palette
) -> str:
    found = chapter.detector
    assert found is not None
    words = " ".join(
        f"<mark style='background: rgba({palette.highlight},{STRONGEST * min(1.0, a):.2f})'>{escape(word)}</mark>"
        if a > FAINTEST
        else f"<span>{escape(word)}</span>"
        for word, a in zip(found.words, activation, strict=True)
    )
    silent = r is None
    told = (
        "" if activation is found.own else f" <span class='r'>{'never fires' if silent else f'r = {number(r)}'}</span>"
    )
    return f"<section style='--lane: {colour}'><h2>{escape(title)}{told}</h2><p class='text'>{words}</p></section>"
