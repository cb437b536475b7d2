"""Where tokens lie in their text, for tokenizers that say it and for those written in Python, which do not."""

from typing import Any

import pytest
from hypothesis import given, strategies as st
from transformers import ByT5Tokenizer, PreTrainedTokenizerBase

from explorer.errors import InputError
from explorer.models.tokens import _found_by_decoding, token_pieces, token_text, tokenised
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


@pytest.fixture(scope="module")
def like_llama2() -> Any:
    """A tokenizer that marks spaces as Llama-2's does, and leaves out the first of what it decodes."""
    from tokenizers import Tokenizer, decoders, models, normalizers, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    made.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    marks = ["<unk>", "<s>", "</s>", *(f"<0x{i:02X}>" for i in range(256))]
    words = [d.text for d in tales.documents("example", 20)]
    trainer = trainers.BpeTrainer(vocab_size=500, special_tokens=marks, initial_alphabet=["▁"])
    made.train_from_iterator((word for text in words for word in text.split(" ")), trainer)
    return PreTrainedTokenizerFast(tokenizer_object=made, unk_token="<unk>", bos_token="<s>", eos_token="</s>")


def test_pieces_of_a_tokenizer_like_llama2s_join_to_the_text(like_llama2: Any) -> None:
    for document in tales.documents("train", 5):
        text = document.text + " né à l’été, 猫"
        ids = like_llama2(text, add_special_tokens=False)["input_ids"]
        pieces = token_pieces(like_llama2, ids)
        assert "".join(pieces) == like_llama2.decode(ids, clean_up_tokenization_spaces=False) == text
        assert not pieces[0].startswith(" ") and sum(piece.startswith(" ") for piece in pieces) > 10
        # What is written on after a prompt keeps the space before its first word.
        cut = next(i for i in range(6, len(ids)) if pieces[i].startswith(" "))
        assert "".join(pieces[:cut]) + token_text(like_llama2, ids[cut:]) == text


def test_texts_of_single_tokens_keep_their_space(like_llama2: Any, tokenizer: Any) -> None:
    for kind in (like_llama2, tokenizer, ByT5Tokenizer()):
        ids = kind("the old mill", add_special_tokens=False)["input_ids"]
        assert token_text(kind, ids).strip() == "the old mill"
        assert token_text(kind, []) == ""
    ids = like_llama2("the old mill", add_special_tokens=False)["input_ids"]
    assert "".join(token_text(like_llama2, [i]) for i in ids) == " the old mill"
    assert tokenizer.decode([300]) == token_text(tokenizer, [300])
