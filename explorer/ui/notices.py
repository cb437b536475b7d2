"""Boxes that say what is wrong or missing: whatever a file or a link put into their words, they stay words."""

from __future__ import annotations

import re
from pathlib import Path

import streamlit as st

from explorer import PROJECT
from explorer.cache import cache_folder
from explorer.policy import policy

_MARKS = re.compile(r"([!-/:-@\[-`{-~])")
"""The characters that mean something in Markdown, some time or other."""


def wrong(message: str) -> None:
    """An error, as it is: Markdown is not read in it."""
    st.error(verbatim(told(message)))


def told(message: str) -> str:
    """What is told of a message where others may read it: everything on a laptop."""
    return without_places(message) if policy().public else message


def without_places(message: str) -> str:
    """The same without where things lie on this machine, which is nobody's business who looks from elsewhere."""
    for place in sorted((str(cache_folder()), str(PROJECT), str(Path.home())), key=len, reverse=True):
        if place != "/":
            message = message.replace(place, "…")
    return message


def notice(message: str) -> None:
    """A remark, as it is."""
    st.info(verbatim(message))


def verbatim(text: str) -> str:
    """Markdown that shows a text exactly, in one line: a code span, which the style sheet gives the look of text.

    Nothing is read inside of one: no image, link, formula, colour or address.
    """
    text = " ".join(text.split())
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    room = " " if "`" in text else ""
    return f"{fence}{room}{text}{room}{fence}" if text else ""


def plain(words: str) -> str:
    """A few words for the midst of Markdown, such as a model's name in a heading."""
    # What looks like an address becomes a link although every mark is escaped: joiners, which have no width, part it.
    for mark in ("://", "www.", "@"):
        words = words.replace(mark, f"{mark[:-1]}\u2060{mark[-1]}\u2060")
    return _MARKS.sub(r"\\\1", words)
