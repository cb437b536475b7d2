"""Tokens as text: pieces that join to the text, the word around a token, and which tokens are special."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from explorer.errors import InputError
from explorer.intake import explained, of_the_file

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from explorer.models.language_model import LanguageModel

Begin = Literal["auto", "yes", "no"]
"""Whether a token stands before every document: yes, no, or as the tokenizer does it by itself."""
_UNREAD, _GIVE = "the tokenizer cannot read the text", "give the model the tokenizer that it was trained with"
_ANCHOR = "_explorer_anchor"
"""Where a tokenizer remembers its `_anchor`."""


def begin_token(tokenizer: PreTrainedTokenizerBase, begin: Begin) -> int | None:
    """Id of the token that stands before every document; None for none.

    It is the one that the tokenizer adds by itself, else its BOS, else its end of text. Raises InputError for "yes"
    where it has none of them.
    """
    if begin == "no":
        return None
    plain, usual = (list(tokenizer("a", add_special_tokens=special)["input_ids"]) for special in (False, True))
    if usual[: len(plain)] != plain:
        return int(usual[0])
    if begin == "auto":
        return None
    for token in (tokenizer.bos_token_id, tokenizer.eos_token_id):
        if token is not None:
            return int(token)
    raise InputError("--bos yes: this tokenizer has no BOS and no end of text; give --bos no")


def token_text(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> str:
    """The text of tokens in the middle of a text: with the space that they begin with, which tokenizers such as
    Llama-2's leave out where tokens are decoded by themselves.
    """
    anchor = _anchor(tokenizer)
    if anchor is None or not len(ids):
        return _decoded(tokenizer, ids)
    return _decoded(tokenizer, [anchor, *ids]).removeprefix(_decoded(tokenizer, [anchor]))


def _decoded(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> str:
    return str(tokenizer.decode(list(ids), clean_up_tokenization_spaces=False))


def _anchor(tokenizer: PreTrainedTokenizerBase) -> int | None:
    """A token to stand before others when these are decoded; None where a tokenizer needs none."""
    if (known := tokenizer.__dict__.get(_ANCHOR, -1)) != -1:
        return known
    ids = list(tokenizer("a", add_special_tokens=False)["input_ids"])
    last = ids[-1] if ids else None
    told = None if last is None else _decoded(tokenizer, [last])
    stripped = last is not None and _decoded(tokenizer, [last, last]) != f"{told}{told}"
    setattr(tokenizer, _ANCHOR, last if stripped else None)
    return last if stripped else None


def token_pieces(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> list[str]:
    """The text of each token, such that they join to the decoded text.

    A character that several byte-level tokens share goes to the last of them.
    """
    known: dict[int, str] = {i: token_text(tokenizer, [i]) for i in set(ids)}
    pieces, held = [], 0
    for i, token in enumerate(ids):
        # Of the first alone a space that the tokenizer put there is no part of the text.
        together = _decoded if held == 0 else token_text
        piece = known[token] if held == i and held > 0 else together(tokenizer, ids[held : i + 1])
        # U+FFFD: the bytes of a character are not complete yet (four bytes at most).
        if piece.endswith("\ufffd") and i + 1 < len(ids) and i - held < 3:
            pieces.append("")
            continue
        pieces.append(piece)
        held = i + 1
    return pieces


def token_ids(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[list[int]]:
    """The ids of each text, without special tokens. Raises InputError for a text that the tokenizer cannot read."""
    try:
        return [list(ids) for ids in tokenizer(list(texts), add_special_tokens=False)["input_ids"]]
    except BaseException as error:  # tokenizers raise a bare Exception, or panic
        if not of_the_file(error):
            raise
        raise InputError(f"{_UNREAD} ({explained(error)}): {_GIVE}") from error


class TokenisedText(NamedTuple):
    """The tokens of a text, without special ones."""

    ids: list[int]
    """Their ids."""
    offsets: list[tuple[int, int]]
    """The characters of each, from and to; a byte-level token that ends no character has none."""


def tokenised(tokenizer: PreTrainedTokenizerBase, text: str) -> TokenisedText:
    """The tokens of a text and where they lie in it. Raises InputError where the tokenizer does not give it back."""
    if tokenizer.is_fast:
        try:
            found = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        except BaseException as error:
            if not of_the_file(error):
                raise
            raise InputError(f"{_UNREAD} ({explained(error)}): {_GIVE}") from error
        return TokenisedText(found["input_ids"], found["offset_mapping"])
    (ids,) = token_ids(tokenizer, [text])
    return TokenisedText(ids, _found_by_decoding(tokenizer, ids, text))


def _found_by_decoding(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int], text: str) -> list[tuple[int, int]]:
    """Where tokens lie in a text, for tokenizers written in Python, which do not say: tokens are decoded one by one, or
    as many as make a character (four bytes at most).
    """
    offsets, held, at = [], 0, 0
    for i in range(len(ids)):
        piece = tokenizer.decode(list(ids[held : i + 1]), clean_up_tokenization_spaces=False)
        if piece and text.startswith(piece, at):
            offsets.append((at, at + len(piece)))
            held, at = i + 1, at + len(piece)
        elif i - held < 3:
            offsets.append((at, at))
        else:
            break
    if at < len(text) or held < len(ids):
        raise InputError(
            f"the tokenizer ({type(tokenizer).__name__}) does not give back the text that it reads, near "
            f"'{text[at : at + 20]}': where its tokens lie cannot be told; give the model a tokenizer.json"
        )
    return offsets


def check_characters(text: str, named: str = "the text") -> None:
    """Raise InputError if a text holds half a character: JSON can spell a lone surrogate, no tokenizer reads it."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = rf"\u{ord(text[error.start]):04x}"
        raise InputError(
            f"{named} holds half a character ({half} at {error.start}): write the whole one, or leave it out"
        ) from error


def word_at(pieces: Sequence[str], position: int) -> str:
    """The word that the token at a position belongs to: from the last space before it to the next one."""
    first, last = position, position + 1
    while first > 0 and pieces[first][:1].isalnum() and pieces[first - 1][-1:].isalnum():
        first -= 1
    while last < len(pieces) and pieces[last][:1].isalnum() and pieces[last - 1][-1:].isalnum():
        last += 1
    return "".join(pieces[first:last]).strip() or pieces[position]


def special_tokens(tokenizer: PreTrainedTokenizerBase) -> frozenset[str]:
    """Tokens that stand for no text, such as <|endoftext|>: no document of any text here holds one."""
    return frozenset(map(str, tokenizer.all_special_tokens))


def same_ids(a: LanguageModel, b: LanguageModel, texts: Sequence[str]) -> bool:
    """Whether two models read some texts as the same token ids: files, tokens that a tokenizer adds and rows that no
    text uses may differ.
    """
    read_a, read_b = (token_ids(m.tokenizer, texts) for m in (a, b))
    return read_a == read_b
