"""The story grammar as text: enough of it, well formed, consistent, and labelled token by token."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from explorer.text.tales import stories as tales

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = list(tales.documents("example", 500, 5000))
PRONOUNS = {"f": r"\b(she|her|hers|herself)\b", "m": r"\b(he|him|his|himself)\b"}


def test_it_is_rich_enough() -> None:
    words = {w for d in SAMPLE for w in re.findall(r"[a-z']+", d.text.lower())}
    assert len(tales.genres()) >= 8
    assert {d.latents["genre"] for d in SAMPLE} == set(tales.genres())
    assert len(words) >= 1500
    assert len({d.text for d in SAMPLE}) == len(SAMPLE)


def test_documents_are_functions_of_split_and_index() -> None:
    again = list(tales.documents("example", 20, 5000))
    assert again == SAMPLE[:20]
    assert tales.document("train", 5000).text != SAMPLE[0].text
    code = "from explorer.text.tales import stories; print(stories.document('example', 5003).text)"
    for hash_seed in ("1", "2"):
        ran = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={"PYTHONHASHSEED": hash_seed, "PATH": "/usr/bin"},
            capture_output=True,
            text=True,
            check=True,
        )
        assert ran.stdout == SAMPLE[3].text + "\n"


def test_text_is_clean() -> None:
    for d in SAMPLE:
        assert d.text.isascii()
        assert not re.search(r"  |[{}<>|@]|\s[,.;:!?]|\.\.|,\.|\n\n\n| \n|\n ", d.text), d.text
        assert d.text == d.text.strip()
        assert d.text[0].isupper() or not d.text[0].isalpha(), d.text
        wrong = re.findall(r"\b[Aa] [aeio]\w+|\b[Aa]n [bcdfgjklmnpqrstvwxyz]\w+", d.text)
        assert not [w for w in wrong if not re.match(r"[Aa] one\b|[Aa] once\b", w)], d.text


@pytest.mark.parametrize("genre", tales.genres())
def test_every_document_has_a_probability(genre: str) -> None:
    from random import Random

    grammar = tales.grammar()
    for index in range(3):
        derivation = grammar.sample(Random(f"{genre} {index}"))
        log_p = grammar.log_probability(derivation.text)
        assert derivation.log_probability - 1e-6 <= log_p < -20
    text = tales.document("example", 1, genre=genre).text
    assert -1000 < grammar.log_probability(text) < -20
    assert grammar.log_probability(text + " And so on.") == float("-inf")


def test_pronouns_agree_with_the_people_in_a_tale() -> None:
    cast = {"f": ("Clara", "Martha", "Rosa"), "m": ("Tom", "Peter", "Oskar")}
    for gender, other in (("f", "m"), ("m", "f")):
        people = dict(zip(("hero", "friend", "stranger"), cast[gender], strict=True))
        said = 0
        for d in tales.documents("example", 60, 0, genre="tale", **people):
            assert people["hero"] in d.text
            assert not re.search(PRONOUNS[other], d.text.lower()), d.text
            said += len(re.findall(PRONOUNS[gender], d.text.lower()))
        assert said > 60


def test_names_come_from_the_latent_variables() -> None:
    people = {r.text for r in tales.grammar().lists["people"]}
    for d in SAMPLE:
        named = {w for w in re.findall(r"[A-Z][a-z]+", d.text) if w in people}
        assert named <= set(d.latents.values()), d.text
        if d.latents["genre"] == "tale":
            assert d.latents["hero"] in named


def test_the_fixed_place_is_the_only_place_word_list_used() -> None:
    animals = {p: {r.text for r in tales.grammar().lists[f"animals.{p}"]} for p in ("harbour", "mountain")}
    seen: dict[str, set[str]] = {}
    for place in animals:
        text = " ".join(d.text for d in tales.documents("example", 80, 0, genre="tale", place=place))
        seen[place] = {a for a in animals["harbour"] | animals["mountain"] if re.search(rf"\b{a}\b", text)}
    assert len(seen["harbour"] & animals["harbour"]) > len(seen["mountain"] & animals["harbour"])
    assert len(seen["mountain"] & animals["mountain"]) > len(seen["harbour"] & animals["mountain"])


def test_token_labels_equal_brute_force_by_character() -> None:
    for d in SAMPLE[:60]:
        offsets = [m.span() for m in re.finditer(r" ?\w+| ?[^\w\s]|\s+", d.text)]
        # Brute force: paint every character, outer spans first, so that the inner one stays on top.
        painted: list[dict[str, str]] = [{} for _ in d.text]
        for span in sorted(reversed(d.spans), key=lambda s: s.start - s.end):
            for i in range(span.start, span.end):
                painted[i][span.key] = span.value
        for labels, (_, end) in zip(d.labels_at(offsets), offsets, strict=True):
            own = {k: v for k, v in labels.items() if k not in tales.DOCUMENT_LABELS}
            shared = {k: v for k, v in labels.items() if k in tales.DOCUMENT_LABELS}
            assert own == painted[end - 1]
            assert shared == {k: d.latents[k] for k in tales.DOCUMENT_LABELS if k in d.latents}


def test_empty_tokens_carry_no_span() -> None:
    d = SAMPLE[0]
    (labels,) = d.labels_at([(5, 5)])
    assert set(labels) <= set(tales.DOCUMENT_LABELS)


def test_inner_labels_win_over_outer_ones() -> None:
    from explorer.text.tales.grammar_nodes import Span

    d = tales.TalesDocument("abcd", {"genre": "tale"}, (Span(1, 2, "part", "inner"), Span(0, 4, "part", "outer")))
    assert [x["part"] for x in d.labels_at([(0, 1), (1, 2), (2, 4)])] == ["outer", "inner", "outer"]
