"""Different rows and documents against a plain count of the tokens that lead to each row."""

from collections import Counter
from dataclasses import replace

import pytest
import tiny
import torch

from explorer.text.file_corpus import FEWEST_DOCUMENTS
from explorer.text.variety import different_documents, different_rows, number_by_content
from explorer.text.windows import Chunks, split_of


def with_duplicates(documents: int, kinds: int) -> Chunks:
    """Documents of which only so many differ, windows in random order."""
    chunks = tiny.chunks(documents)
    again = (chunks.document % kinds) * 2 + chunks.offset // chunks.ids.shape[1]
    return replace(chunks, ids=chunks.ids[again])[torch.randperm(len(chunks))]


def test_rows_differ_in_their_token_or_in_what_stands_before_it() -> None:
    chunks = with_duplicates(40, 7)
    chunks = replace(chunks, ids=chunks.ids % 2, valid=torch.rand(chunks.ids.shape).cummin(1).values > 0.1)
    plain = {
        tuple(ids[: t + 1].tolist())
        for ids, scored in zip(chunks.ids, chunks.scored, strict=True)
        for t in torch.nonzero(scored).flatten().tolist()
    }
    assert different_rows(chunks) == len(plain) < int(chunks.scored.sum())
    assert different_rows(chunks[torch.zeros(9).long()]) == int(chunks[:1].scored.sum())
    assert different_rows(chunks[:0]) == 0


def test_documents_of_the_same_tokens_have_one_number() -> None:
    chunks = with_duplicates(40, 7)
    assert different_documents(chunks) == 7
    assert torch.equal(number_by_content(chunks).document, chunks.document % 7)
    assert different_documents(chunks[:0]) == 0
    every = tiny.chunks(40)
    assert torch.equal(number_by_content(every).document, every.document)
    # The same first window, and another one after it.
    longer = replace(every, ids=torch.where((every.offset == 0)[:, None], every.ids[:1], every.ids))
    assert different_documents(longer) == 40


@pytest.mark.parametrize(("count", "fewest"), [(FEWEST_DOCUMENTS, 10), (FEWEST_DOCUMENTS - 1, 9)])
def test_documents_are_few_where_a_split_holds_fewer_than_ten(count: int, fewest: int) -> None:
    assert min(Counter(map(split_of, range(count))).values()) == fewest
