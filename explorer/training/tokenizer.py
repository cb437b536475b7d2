"""The byte-level BPE tokenizer of the shipped models: trained once, shared by every seed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from tokenizers.processors import TemplateProcessing

END_OF_TEXT = "<|endoftext|>"
"""Token 0: between documents, and the end of a generated text."""


def after_end(tokenizer: Tokenizer) -> TemplateProcessing:
    """The step that puts an end-of-text token before a text."""
    from tokenizers.processors import TemplateProcessing

    return TemplateProcessing(
        single=f"{END_OF_TEXT} $A", special_tokens=[(END_OF_TEXT, tokenizer.token_to_id(END_OF_TEXT))]
    )


def train_tokenizer(texts: Iterable[str], vocabulary: int, folder: Path) -> None:
    """Train a byte-level BPE tokenizer and save it as AutoTokenizer reads it.

    Unless told not to, it puts an end-of-text token before a text: so models are trained, and whoever asks the
    tokenizer how they read reads as they do.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = after_end(tokenizer)
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=END_OF_TEXT,
        eos_token=END_OF_TEXT,
        clean_up_tokenization_spaces=False,
    )
    wrapped.save_pretrained(folder)
