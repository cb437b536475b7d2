"""Marks are on whole words that are signs of a class: planted words come out, and held-out texts bear them out."""

import pytest
from hypothesis import given, strategies as st

from explorer.text.contrast import Contrast
from explorer.text.dyck.corpus import Dyck3
from explorer.text.tales import contrasts, stories as tales
from explorer.text.telling_words import COMMON, TELLING, class_words, mark_words

SIGNS = {"sail", "day", "ship's"}


def marked(text: str, unfinished: bool = False) -> list[str]:
    return [part.text for part in mark_words(text, SIGNS, unfinished) if part.is_sign]


def test_whole_words_are_marked_and_pieces_never() -> None:
    assert marked("A sailor set Sail.\nDay ten: the ship's sails, Sunday-day") == ["Sail", "Day", "ship's", "day"]
    assert marked("set sail") == ["sail"] and marked("set sail", unfinished=True) == []
    assert marked("set sail ", unfinished=True) == ["sail"]
    assert mark_words("", SIGNS) == [] and marked("([{)}]") == []


@given(st.text(alphabet="aS il'\n.,-<é1", max_size=30), st.booleans())
def test_the_parts_join_to_the_text(text: str, unfinished: bool) -> None:
    parts = mark_words(text, {"sail", "a"}, unfinished)
    assert "".join(part.text for part in parts) == text and all(part.text for part in parts)
    assert all(part.text.lower() in ("sail", "a") for part in parts if part.is_sign)


def test_a_word_is_a_sign_where_it_is_common_in_its_class_and_rare_in_the_other() -> None:
    positive = [f"the {'boat' if i < 16 else 'hut'} {'reef' if i < 3 else ''} Deck" for i in range(64)]
    negative = [f"the {'boat' if i < 2 else 'hut'} oak" for i in range(64)]
    assert class_words(Contrast("", "", tuple(positive), tuple(negative))) == {"deck"}
    negative[0] = negative[1] = "the hut oak"
    assert class_words(Contrast("", "", tuple(positive), tuple(negative))) == {"boat", "deck"}
    assert 64 * COMMON > 3 and (16.5 / 2.5) < TELLING < (16.5 / 0.5)
    few = Contrast("", "", ("the sea rose", "a sea"), ("the wood", "a wood"))
    assert class_words(few) == frozenset(), "two texts tell nothing"
    assert class_words(Dyck3.contrast("closer")) == frozenset(), "its classes are tokens of the same texts"


@pytest.mark.parametrize("name", [plan.name for plan in contrasts.PLANS])
def test_held_out_texts_of_the_class_have_its_signs_and_those_of_the_other_have_not(name: str) -> None:
    plan, signs = contrasts.plan(name), class_words(contrasts.ready_contrast(name))
    shares = []
    for latents in (plan.positive, plan.negative):
        texts = [d.text for d in tales.documents("never-seen", 40, **dict(latents))]
        parts = [part for text in texts for part in mark_words(text, signs) if part.text.strip().isalpha()]
        shares.append(sum(part.is_sign for part in parts) / len(parts))
    assert shares[0] > 0.02 and shares[1] < 0.02 and shares[0] > 8 * shares[1], shares
