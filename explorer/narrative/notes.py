"""What a speaker may add to each scene: computed like the sentences, read aloud or kept for the questions after."""

from __future__ import annotations

from math import degrees

import numpy as np

from explorer.alignment import READINGS, ROTATION, restored
from explorer.narrative import random_words
from explorer.narrative.dictionary_words import came_back, evs, on_rows
from explorer.narrative.rotation_words import from_identity, paper_test
from explorer.narrative.story import Chapter, Story
from explorer.narrative.story_facts import (
    CLEAR,
    cosine_family,
    match_of_coordinates,
    matched,
    plane_angles,
    shares_coordinates,
    shown_response,
)
from explorer.narrative.story_steering import offers
from explorer.number_text import interval, number, percent
from explorer.steering import DoseResponse


def answer(story: Story) -> str:
    """How the prompt was chosen, the numbers of the two functions, and what bounds them."""
    f, c, entropy = story.sister.pair.function, story.sister, story.study.file.text.entropy
    text = (
        f"{_made(story)} Losses on the test text: {f.loss_source:.3f} and {f.loss_target:.3f} nats per token, KL "
        f"{max(0.0, f.kl):.2g}; both rank the same token first at {percent(f.top1_agreement)} of tokens. The prompt begins a test "
        f"text; of the first ones it is that after which {c.source} has most to choose from, and {c.target} had no say. A "
        "probability is that of the whole word. "
    )
    if not entropy:
        return text
    a, b = (story.study.model_entry(name).loss for name in (c.source, c.target))
    return text + (
        f"Over whole documents the losses are {a:.3f} and {b:.3f}, and no model can be below {entropy:.3f}: the text is "
        "that random."
    )


def _made(story: Story) -> str:
    """How the sister was made."""
    if not story.shared:
        return "Other initial weights, other order of the text, nothing shared."
    return (
        f"{story.sister.target} reads and writes through {story.sister.source}'s embedding and unembedding, which stayed "
        "frozen; everything between was trained from other initial weights, on another order of the text."
    )


def inside(story: Story) -> str:
    """What the strips are, and what all coordinates say."""
    found, d, site = story.sister.alike_inside, story.sister.pair.d_model, story.sister.here.label
    assert found is not None
    text = (
        f"Both strips are the row of the prompt's last token at the site {site}: the {d} numbers that each model holds there "
        f"(bluer is higher). Over the recorded text the mean |r| of two such rows is {number(found.usual)}; unrelated "
        f"numbers would have about {number(0.8 / d**0.5)}. "
    )
    if story.sister.correlation is None:
        return text
    own, others = match_of_coordinates(story.sister)
    more = "more" if shares_coordinates(story.sister) else "no more"
    text += (
        f"Coordinate i of {story.sister.source} is {more} like coordinate i of {story.sister.target} than like others: over "
        f"many tokens |r| is {number(own)} and {number(others)}. "
    )
    if story.shared:
        b = story.sister.target
        return text + f"{b} has the input and output weights of {story.sister.source}: that keeps a part of the basis."
    if story.early is not None and story.early.correlation is not None:
        own, others = match_of_coordinates(story.early)
        text += f"Between {story.early.source} and its own earlier checkpoint it is {number(own)} and {number(others)}."
    return text


def toy(story: Story) -> str:
    """What is drawn, and what the exercise leaves out."""
    twin = story.twin
    assert twin is not None and twin.three is not None
    d, found = twin.pair.d_model, twin.three
    return (
        f"The twin answers exactly like {twin.source}: every weight is multiplied by one rotation. Rings are {len(found.group)} "
        f"tokens in {twin.source}, diamonds the same tokens in the twin, at the site {twin.here.label}; of {d} dimensions three "
        f"are shown, chosen on {twin.source} alone, which hold {percent(found.kept)} of how these tokens vary there. Drag the "
        f"diamonds until the lines vanish, or press Space: R does it in all {d} dimensions at once. How the twin lies at first is "
        "chosen for the exercise. Look around turns the view, not the twin."
    )


def names(story: Story) -> str:
    """What a detector is, how this one was chosen, and its numbers."""
    c, found = story.sister, story.sister.detector
    assert found is not None
    return (
        f"The detector is feature {found.feature} of {c.source}'s dictionary (a sparse autoencoder) at the site {c.here.label}, "
        f"chosen on {c.source} alone: it finds {found.group} with F1 = {number(found.f1)}, and the sentence is one on which "
        f"that shows. Tint is its activation, as a share of the strongest in {c.source}. Over the recorded text its firing on "
        f"{c.target} goes with that on {c.source} at r = {number(found.r_raw)} as it is, {number(found.r_rotated)} through R, "
        f"{number(found.r_shuffled)} through an R of shuffled pairs. R was fitted on other text, and has seen no dictionary. "
        "Press Space to read through R."
    )


def cosine(story: Story) -> str:
    """What the number measures, and what it hides."""
    family = cosine_family(story)
    assert family is not None and family.same_init is not None and story.decoders is not None
    chance = family.same_init.alive.chance
    ceiling = matched(family, "same_model")
    text = (
        "A row of one dictionary is matched if a row of the other has a cosine above 0.5 with it; random rows would match in "
        f"{percent(chance.share)}. The paper's dictionaries all start from the same weights and see the same batches. What is "
        "counted is how little the rows moved from where they started, not what two models share. "
    )
    if ceiling is not None:
        text += f"Even two dictionaries of the same model, started apart, match in {percent(ceiling)} only. "
    return text + "Features that never fire are left out."


def fails(story: Story) -> str:
    """What the dictionary is, the scale, and the first control."""
    d = story.sister.here.dictionary
    assert d is not None
    raw, moved = restored(d, "raw"), restored(d, "translated")
    assert raw is not None and moved is not None
    part = "Part of the failure is only a moved mean: w" if moved.value > raw.value + CLEAR else "W"
    return (
        f"The dictionary (a sparse autoencoder) was trained on {story.sister.source} alone. {_scale(story)} {part}ith the "
        f"mean moved and nothing turned, {number(moved.value)} comes back at the site {story.site}. {_evs(story)}"
    )


def _scale(story: Story) -> str:
    """What the number of the dictionary's scenes means."""
    return (
        "The number asks how well it rebuilds what the source itself had at each token: 0 is what a rotation fitted to "
        f"wrong pairs reaches, 1 what the dictionary does on {story.sister.source}."
    )


def _evs(story: Story) -> str:
    """The EVs behind the number, of both readings, and whose dictionary they are."""
    here = story.sister.here
    assert here.dictionary is not None
    arms = (("raw", "as it is"), ("rotated", "through R"), ("shuffled", "shuffled pairs"), ("ceiling", "at home"))
    faithful, paper = (evs(here.dictionary, reading, arms) for reading in READINGS)
    return f"Explained variance: {faithful}; paper-style {paper}. {on_rows(story.sister.pair, here)}."


def dial(story: Story) -> str:
    """What the dial does."""
    assert story.twin is not None
    return (
        f"Every weight of {story.twin.source} is multiplied by one fixed rotation Q: nothing was trained, and KL is "
        f"{abs(story.twin.pair.function.kl):.1g}. R was fitted on activations alone, by orthogonal Procrustes, and has not "
        "seen Q. The dial follows the shortest path from no turn to R. Grey is the same dial for an R fitted to pairs of "
        f"tokens that do not belong together: where it ends is the zero of the scale. {_lengths(story.twin)}Press Space to turn."
    )


def sister(story: Story) -> str:
    """What the paper's easier reading gives, and the EVs."""
    weights = f"which shares the input and output weights of {story.sister.source}"
    made = weights if story.shared else "which was trained apart"
    d = story.sister.here.dictionary
    assert d is not None
    easier = f"By the paper's reading, whether it rebuilds the row that it is given, {came_back(d, 'rotated', 'paper')} comes back."
    return f"The same for {story.sister.target}, {made}. {_scale(story)} {easier} {_evs(story)} {_lengths(story.sister)}Press Space to turn."


def _lengths(chapter: Chapter) -> str:
    """How long the lines are at the end, and what is drawn; nothing where no groups were recorded."""
    found = chapter.turned
    if found is None:
        return ""
    return (
        f"Lines join the same token in both models. Their lengths are measured in all {chapter.pair.d_model} dimensions, over "
        f"{found.rows} tokens: at R {percent(found.distance[-1])} of what they are at first, shuffled "
        f"{percent(found.shuffled[-1])}. What is drawn is one plane, half way between both models. "
    )


def hands(story: Story) -> str:
    """What a plane is, and what the two pictures say together."""
    found, other = plane_angles(story.sister.rotation), plane_angles(story.random)
    mirrored = "" if np.linalg.slogdet(story.sister.rotation.astype(float))[0] > 0 else (
        " R also mirrors one direction, which no hand shows: strictly it is an orthogonal map."
    )  # fmt: skip
    return (
        f"Every rotation, in however many dimensions, turns planes that do not disturb each other. R of {story.sister.target} turns "
        f"{len(found)}, by {degrees(found[-1]):.0f} to {degrees(found[0]):.0f} degrees; a random rotation turns {len(other)}, by "
        f"{degrees(other[-1]):.0f} to {degrees(other[0]):.0f}. Half of them turn by more than {degrees(found[len(found) // 2]):.0f} and "
        f"{degrees(other[len(other) // 2]):.0f} degrees.{mirrored} The angles are those of the eigenvalues of R, the largest first. "
        "By the angles alone nobody can tell which is R; the next scene asks it of everything in the matrix. Press Space to turn."
    )


def random(story: Story) -> str:
    """What the tests can and cannot say."""
    if story.draws is not None:
        return random_words.told(story.draws)
    r, d = story.sister.here.rotation, story.sister.pair.d_model
    text = (
        f"{from_identity(r, d)} {paper_test(r)} Traces of powers, kurtosis and the largest entry together give "
        f"p = {r.haar.p:.2g}. Fitted on halves of the text, R agrees with itself in {r.identified_rank} of {d} directions"
    )
    known = r.identified_rank == d
    return text + ("." if known else "; the others the text does not fix, and any rotation there would do.")


def steer(story: Story) -> str:
    """What is added where, and the control."""
    found, recording = shown_response(story), story.sister.recording
    assert found is not None and recording is not None and recording.run is not None
    run = recording.run
    return (
        f"The vector is the difference of means of two classes of texts, measured on {story.sister.source} and added to "
        f"{story.sister.target} at every position, at the site {story.study.site(found.site).label}. R has never seen it. "
        f"{_counts(story)}{_areas(found, story.sister.target)} The panes are written at dose {run.dose:g}, where the rotated "
        f"vector raises the loss by {_loss_rise(found, run.dose)}. Underlined words stand eight times as often in texts of the "
        "class. What streams first is a recording, picked from several runs as the one that shows it most plainly; Space "
        "writes with other seeds, and counts twenty fresh texts of each arm."
    )


def _counts(story: Story) -> str:
    """When a text counts, and how often it does; nothing where no texts were read."""
    offer = offers(story)[0]
    counts = offer.counts(offer.dose)
    if not counts or offer.shares is None:
        return ""
    positive, negative = offer.shares.accuracy
    return (
        f"A text counts as “{offer.becomes}” where its words are as telling as those of the class: that is right for "
        f"{percent(positive)} of its own held-out texts and {percent(negative)} of the others. Untouched, "
        f"{story.sister.target} writes it in {counts['none'].counted} of {counts['none'].texts}. "
    )


def _areas(found: DoseResponse, target: str) -> str:
    """Over which doses the effects were compared, and what random directions do there."""
    used = [c for c, usable in zip(found.doses, found.usable, strict=True) if usable]
    native = found.arm("native")
    if found.transfer is None or native is None or not used:
        return f"Nothing to compare with: {target}'s own vector does no more than random directions."
    te, (low, high) = found.transfer, (edge / native.area.value for edge in found.band)
    return (
        f"Effects are areas under the dose–response, over the doses {number(min(used))} to {number(max(used))} median norms, at "
        f"which no arm raises the loss by more than 10\u00a0%. Rotated / own is {interval(te)}; "
        f"random directions reach {percent(low)} to {percent(high)} of {target}'s own."
    )


def _loss_rise(found: DoseResponse, dose: float) -> str:
    """Rise of the loss under the rotated vector at a dose, or at the measured doses around it."""
    rotated = found.arm("rotated")
    assert rotated is not None
    rise = dict(zip(found.doses, rotated.loss_rise, strict=True))
    if dose in rise:
        return percent(rise[dose])
    low, high = max(c for c in rise if c < dose), min(c for c in rise if c > dose)
    return f"{percent(rise[low])} (at {low:g}) to {percent(rise[high])} (at {high:g})"


def limits(story: Story) -> str:
    """ρ, and where to go on."""
    here = story.sister.here
    turned, affine, token = here.ladder[ROTATION].value, here.ladder["affine"].value, here.token.lookup.value
    more = ": much of what two models share may be the token" if token > turned else ", less than R does"
    return (
        f"ρ = EV of R with one scale / EV of affine = {number(turned)} / {number(affine)}. "
        f"Predicting each row by the mean of its token alone explains {number(token)}{more}. "
        "Whether a dictionary works, whether a vector steers, and whether rows agree are three questions; ask which one a "
        "claim of equality is about. The Claims page has every number with its control."
    )
