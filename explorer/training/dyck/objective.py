"""What a Dyck-3 model is trained on: its tokenizer, its rows with their labels, and the sum of four losses.

Three of them are the label heads of `explorer.text.dyck.heads`. In the fourth the next token competes with the whole
vocabulary, so that the model is a language model which never writes a label.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int, Integer
from torch import Tensor
from torch.nn.functional import cross_entropy

from explorer.text.dyck import COPY, DEPTH, LABEL_TOKENS, VALIDITY, language as dyck


def save_tokenizer(folder: Path) -> None:
    """Write the tokenizer: one token a character; it puts the start mark first and leaves out what is no bracket."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = (dyck.START, *dyck.BRACKETS, *LABEL_TOKENS)
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token=dyck.START))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Replace(Regex(rf"[^()\[\]{{}}{dyck.START}]"), ""),
            normalizers.Replace(Regex(rf"\A{dyck.START}?"), dyck.START),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    tokenizer.decoder = decoders.Fuse()
    # Normalised: or a start mark that somebody writes would be cut out first, and another one put before the rest.
    mark = AddedToken(dyck.START, special=True, normalized=True)
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=mark, bos_token=mark, clean_up_tokenization_spaces=False
    )
    wrapped.save_pretrained(folder)


def training_rows(split: str, count: int, start: int = 0) -> Integer[np.ndarray, "n 64"]:
    """Training rows: token + 32 · depth + 512 · broken at every place."""
    tokens = dyck.rows(split, count, start)
    labels = dyck.label(tokens)
    return (tokens + 32 * labels.depth + 512 * labels.broken).astype(np.uint16)


def tokens_of(rows: Int[Tensor, "b t"]) -> Int[Tensor, "b t"]:
    """Token ids of training rows."""
    return rows & 31


def head_losses(logits: Float[Tensor, "b t v"], rows: Int[Tensor, "b t"]) -> list[Tensor]:
    """Mean cross-entropy of the next token, the bracket just read, its depth and its validity, in nats.

    The next token counts up to the mark that ends the document, the labels at the brackets, depth at the valid ones.
    """
    tokens, depth, broken = tokens_of(rows), rows >> 5 & 15, rows >> 9
    bracket = tokens > 0
    read = torch.cat([torch.ones_like(bracket[:, :1]), bracket[:, 1:-1]], 1)
    following = torch.where(read, tokens[:, 1:], -100)
    heads = [(COPY, tokens - 1, bracket), (DEPTH, depth, bracket & (broken == 0)), (VALIDITY, broken, bracket)]
    losses = [cross_entropy(logits[:, :-1].flatten(0, 1), following.flatten())]
    for part, truth, where in heads:
        losses.append(cross_entropy(logits[..., part].flatten(0, 1), torch.where(where, truth, -100).flatten()))
    return losses


def objective(logits: Float[Tensor, "b t v"], rows: Int[Tensor, "b t"]) -> Tensor:
    """The sum of the four heads' losses."""
    return torch.stack(head_losses(logits, rows)).sum()
