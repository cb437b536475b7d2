"""Sentences and help texts of the Steering page, computed from results: plain, short, exact enough to be read aloud."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from explorer.alignment import MAPS, arms
from explorer.number_text import number, signed

if TYPE_CHECKING:
    from explorer.steering import LaneEffect, Piece, Snapshot
    from explorer.study import RecordedRun


def lane_titles(source: str, target: str) -> dict[str, tuple[str, str]]:
    """Title and one-line description of every lane, by its key."""
    return {arm: (f"{target} + {arm}", f"{source}’s v, {MAPS[arm].short}") for arm in arms()} | {
        "source": (source, "A, left alone"),
        "source+v": (f"{source} + v", "A, with its own v"),
        "none": (target, "B, left alone"),
        "native": (f"{target} + B’s own", "B’s own v for the same contrast"),
        "raw": (f"{target} + raw", f"{source}’s v, as it is"),
        "rotated": (f"{target} + rotated", f"{source}’s v, carried by R"),
        "translated": (f"{target} + translated", "a moved mean turns no direction: as raw"),
        "affine": (f"{target} + affine", f"{source}’s v, carried by the affine map"),
        "shuffled": (f"{target} + shuffled", "carried by an R of shuffled pairs"),
        "random": (f"{target} + random", "random, as long as v"),
    }


def lane_effect(effect: LaneEffect) -> str:
    """The line under a lane that has ended."""
    return f"effect\u00a0{signed(effect.m)}, loss\u00a0{signed(100 * effect.loss_rise, 0)}\u00a0%"


def dose(c: float, source: str, target: str, norms: tuple[float, float]) -> str:
    """The dose in both units."""
    if c == 0:
        return "Dose 0: nothing is added, lanes of a model agree."
    a, b = (number(c * norm) for norm in norms)
    return f"Dose {signed(c)} = length {a} in {source}, {b} in {target}."


def stability(positive: int, negative: int, cosine: float | None) -> str:
    """On how many prompts a contrast rests, and whether its halves agree."""
    if cosine is None:
        return f"v rests on {positive} + {negative} prompts: give two or more in each list to see how stable it is."
    return f"v rests on {positive} + {negative} prompts; cosine between the halves {cosine:.2f}."


def special(tokens: Sequence[str]) -> str:
    """Which special tokens a prompt spells out; nothing if it holds none."""
    if not tokens:
        return ""
    what = "a special token" if len(tokens) == 1 else f"{len(tokens)} special tokens"
    return f" The prompt holds {what}: {', '.join(dict.fromkeys(tokens))} is no text, but one sign for the model."


def alternatives(piece: Piece) -> str:
    """What hovering a token shows: its KL, and the likeliest tokens at its place, steered and unsteered."""
    rows = [f"{visible(a.text)}  {a.p:.0%}  (unsteered {a.p_unsteered:.0%})" for a in piece.alternatives]
    return "\n".join([f"KL from unsteered {piece.kl:.2f} nats", *rows])


def visible(token: str) -> str:
    """A token with its spaces and line breaks shown."""
    return "".join("␣" if c == " " else "⏎" if c == "\n" else c if c.isprintable() else "\ufffd" for c in token)


def status(snapshot: Snapshot | None, stale: bool) -> str:
    """One calm line on where the live generation stands."""
    if snapshot is None or (snapshot.state == "failed" and stale):
        return "Nothing is written yet: press Write it live, and all lanes continue the same prompt."
    if snapshot.state == "failed":
        return f"Nothing was written: {snapshot.message}."
    speed = f"{snapshot.tokens} tokens in {snapshot.seconds:.1f} s"
    if stale and snapshot.state not in ("running", "waiting"):
        return "You changed what is asked: the pale text is of before. Press Write it live."
    if snapshot.state == "waiting":
        ahead = f"{snapshot.ahead} before you" if snapshot.ahead else "you are next"
        return f"Waiting for others to finish: {ahead}."
    if snapshot.state == "running":
        return f"Writing … {speed}." if snapshot.tokens else "Reading the prompt …"
    return f"{'Stopped' if snapshot.state == 'stopped' else 'Done'}: {speed}, all lanes together, written live."


def recorded(run: RecordedRun, prompt: str, stale: bool) -> str:
    """What the recorded generation is (plain text); `prompt` is what is asked now."""
    told = f"Recorded when this study was made (seed {run.seed})"
    if stale:
        return f"{told}, at another setting than yours now: press Write it live."
    if prompt != run.prompt:
        return f"{told}, after “{run.prompt}”, which stops within a sentence."
    return f"{told}. Press Write it live for text of this moment."


STEERING_HELP = r"""
**The question.** A direction of A's residual stream makes A write something else. Does the same direction do the same
to B, once one rotation has carried it there?

**The vector.** A ready *contrast* is a difference of means,
$v = \bar x_A(\text{positive}) - \bar x_A(\text{negative})$, over 64 + 64 texts that the story grammar wrote; a
*feature* is the decoder row of A's dictionary. Both are scaled to length 1. What is added at the chosen site, at every
position, is $\alpha v$ with $\alpha = c \cdot \mathrm{median}\,\lVert x \rVert$ of the model that is steered: the dose
$c$ means the same in A and in B.

**The lanes.** All continue the same prompt, and token $i$ of every lane uses the same random numbers, so that lanes
differ only where the models do. *Raw* adds $v_A$ to B as it is. *Rotated* adds $v_A R^\top$, where $R$ was fitted on
activations alone and has never seen the vector. *Random* is the control: a direction of the same length, drawn anew
with each seed. The map switch above adds one more lane: *affine* ($v_A W$, rescaled to the same length), *shuffled*
($R$ of pairs that do not belong together), or *translated* (the same as raw: moving the mean turns no direction).
Under *Options*, B's own vector for the same contrast can be added.

**Marks.** A word is *underlined* if it is a sign of the class to which the vector leads: a sixteenth of the class's own
texts or more have it, and a share that is eight times that of the other class's texts or more (for a feature: a whole word
that it promotes most). *Pale* text is word for word what the same model wrote untouched. The thin *bars* under a lane say
how far each token's distribution moved, as KL from the untouched model after the same text, full at 4 nats. Nothing is
tinted here: on every page a tint is the activation of a chosen feature.

**The count.** Fresh texts, one for each seed, the same seeds in every lane, are read from their words by naive Bayes
that was taught by the contrast's own texts: a text counts if its log-odds are as high as those of 95 % of the class's
held-out texts. The interval of a share is Wilson's, 95 %.

**Effect.** $m = \log P(\text{tokens typical of the positive class}) - \log P(\text{those of the negative class})$, and
the effect is $m(c) - m(0)$: signed, so that an inversion shows. Under a lane it is read on the text that the same model
wrote unsteered (for a feature: the tokens that it raises and lowers most directly); in the dose figure, on the beginnings
of held-out texts.

**Verdicts.** *n/a*: B's own vector does not beat the 95th percentile of 20 random directions. *Inverted*: rotated below
their 5th. *No better than random*: up to their 95th. *Weak*: less than half of B's own effect. *Transfers*: half of it
or more.

**What one dose cannot say.** The effect under a lane is one dose at one site. Verdicts compare signed areas over all
doses at which no arm raises the held-out loss by more than 10 %: a strong effect at one dose may be bought with broken
text (see the loss), and a weak one may grow with the dose.
"""
