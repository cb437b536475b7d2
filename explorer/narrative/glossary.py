"""The words that pages use as if everybody knew them, each with one or two sentences that say what it is."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Term:
    """One word, or several for one thing."""

    name: str
    """What the list of words calls it."""
    text: str
    """What it is, in plain words."""
    pattern: str
    """Regular expression that finds it in a sentence, alike in Python and in a browser."""

    def found(self, text: str) -> bool:
        """Whether a text uses it."""
        return re.search(self.pattern, text) is not None


def _term(name: str, text: str, *words: str) -> Term:
    """A term that is found by any of its words, as whole words, also at the beginning of a sentence."""
    every = [f"[{w[0].upper()}{w[0]}]{re.escape(w[1:])}" if w[0].islower() else re.escape(w) for w in words or (name,)]
    joined = "|".join(word.replace("\\ ", " ").replace("\\-", "-") for word in every)
    return Term(name, text, rf"(?<![\w‖-])(?:{joined})(?![\w‖-])")


TERMS = (
    _term(
        "residual stream",
        "The list of numbers that a transformer carries for each token from its first block to its last; every block "
        "reads it and adds to it.",
    ),
    _term(
        "site",
        "A place on the residual stream where a model is read: input stands before the first block, after 2 behind the "
        "second, end behind the last.",
        "site", "sites",
    ),
    _term(
        "row", "The numbers of one token at one site, as one point in a space of as many dimensions.", "rows", "row"
    ),
    _term(
        "dictionary (SAE)",
        "A sparse autoencoder: it writes each row as a sum of a few of its many features, out of which the row can be "
        "rebuilt.",
        "dictionary", "dictionaries", "SAE", "SAEs",
    ),
    _term(
        "feature",
        "One entry of a dictionary: a direction that is switched on by some tokens and off for most, often for a reason "
        "that can be named.",
        "features", "feature",
    ),
    _term(
        "explained variance (EV)",
        "1 where a guess is perfect, 0 where it is no better than always guessing the mean, below 0 where it is worse: "
        "1 − squared error / squared distance from the mean.",
        "explained variance", "EV", "EVs",
    ),
    _term(
        "restored",
        "How much of what A's dictionary does at home comes back on B: 0 is what an R of shuffled pairs gives, 1 what it "
        "does on A itself.",
    ),
    _term(
        "R, the orthogonal map",
        "The matrix that best turns B's rows into A's and changes no length and no angle; it is fitted on one part of the "
        "text and scored on another.",
        "R", "orthogonal map",
    ),
    _term(
        "rotation",
        "An orthogonal map of determinant +1: a turn. With determinant −1 it mirrors one direction as well, and is said "
        "to be an orthogonal map.",
        "rotation", "rotations",
    ),
    _term(
        "affine map",
        "A map that may stretch as well as turn and move. Whatever it does better than R is not a rotation.",
        "affine map", "affine",
    ),
    _term(
        "shuffled pairs (null)",
        "The same fit on pairs of rows that do not belong together: what it reaches comes from the shape of the clouds, "
        "not from a shared meaning.",
        "shuffled pairs", "shuffled", "null", "nulls",
    ),
    _term(
        "twin",
        "A model with every weight turned by one known rotation: it answers exactly like the original, so that every score "
        "must come back in full.",
    ),
    _term(
        "at home (ceiling)",
        "What the dictionary does on the model that it was made from: more than that cannot come back.",
        "at home", "ceiling",
    ),
    _term(
        "KL",
        "How differently two models expect the next token, in nats; 0 where they expect it alike.",
    ),
    _term(
        "nats",
        "The unit of surprise and of loss: a token that was expected with probability p costs −log p. 0.69 nats are one "
        "bit.",
    ),
    _term(
        "faithful",
        "Asks whether A's dictionary, reading B through a map, rebuilds what A itself had at that token: the harder test.",
    ),
    _term(
        "paper-style",
        "Asks only whether A's dictionary rebuilds the row that it was given, as the paper does: the easier test.",
    ),
    _term(
        "ρ",
        "What R with one scale explains of A's rows as a share of what an affine map does: 1 where nothing but a rotation "
        "is needed.",
    ),
    _term(
        "CE recovered",
        "Run one model up to a site and the other from there: 1 where the text is predicted as well as by one model alone, "
        "0 as badly as without context.",
        "CE recovered", "cross-entropy recovered",
    ),
    _term(
        "steering vector",
        "A direction that is added to the residual stream while a model writes, to make it write about something.",
        "steering vector", "steering vectors",
    ),
    _term("dose", "How strongly a steering vector is added, in lengths of a typical row.", "dose", "doses"),
    _term("seed", "One training from its own random start. Independent seeds share the recipe and the text only.", "seeds", "seed"),
    _term(
        "B's own",
        "The same thing made from B itself: its own vector for a contrast, its own dictionary. What is carried over from "
        "A is held against it.",
        "B's own", "B’s own",
    ),
)  # fmt: skip
"""Every term, longer ones before words inside of them."""
