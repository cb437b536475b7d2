"""Where tokens lie in their text, for tokenizers that say it and for those written in Python, which do not."""

from typing import Any

import pytest
from hypothesis import given, strategies as st
from transformers import ByT5Tokenizer, PreTrainedTokenizerBase

from explorer.errors import InputError
from explorer.models.tokens import _found_by_decoding, tokenised
from explorer.text.labels import label_tokens
from explorer.text.tales import stories as tales
from explorer.text.windows import TextReading, read_windows


def test_decoding_finds_what_a_fast_tokenizer_says(tokenizer: Any) -> None:
    for document in tales.documents("example", 20):
        ids, offsets = tokenised(tokenizer, document.text)
        assert len(ids) == len(offsets) > 50
        assert _found_by_decoding(tokenizer, ids, document.text) == offsets


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_a_byte_tokenizer_in_python_covers_the_text(text: str) -> None:
    tokenizer: PreTrainedTokenizerBase = ByT5Tokenizer()
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    if tokenizer.decode(ids) != text:  # a text that spells special tokens
        return
    found = tokenised(tokenizer, text)
    assert found.ids == ids
    assert "".join(text[a:b] for a, b in found.offsets) == text
    assert [a for a, _ in found.offsets[1:]] == [b for _, b in found.offsets[:-1]]


def test_a_tokenizer_that_changes_the_text_is_refused() -> None:
    class Shouting(ByT5Tokenizer):
        """Reads a text in capitals."""

        def tokenize(self, text: str, **more: Any) -> Any:
            return super().tokenize(text.upper(), **more)

    with pytest.raises(
        InputError, match=r"the tokenizer \(Shouting\) does not give back the text .* near 'n the mill'"
    ):
        tokenised(Shouting(), "In the mill")


def test_labels_lie_on_the_same_words_for_both_kinds(tokenizer: Any) -> None:
    documents = list(tales.documents("example", 3))
    marked = []
    for kind in (tokenizer, ByT5Tokenizer()):
        chunks = read_windows([d.text for d in documents], kind, TextReading(4096))
        found = label_tokens(documents, chunks, kind)
        name = next(n for n in found.names if n.startswith("slot="))
        at = found.matrix[..., found.names.index(name)]
        marked.append((name, [kind.decode(ids[on]).strip() for ids, on in zip(chunks.ids, at, strict=True)]))
    assert marked[0] == marked[1]
    assert any(marked[0][1])
