"""Prompts are data: what a model does not read is said, special tokens are counted and shown as what they are."""

from types import SimpleNamespace
from typing import Any

import pytest
import tiny
from transformers import AutoTokenizer

from explorer.errors import InputError
from explorer.models.prompts import MAX_SPECIAL_TOKENS, check_prompt, spelled, unread
from explorer.models.tokens import special_tokens
from explorer.palette import LIGHT
from explorer.study.library import SHIPPED
from explorer.ui.steering.lane_text import outlined
from explorer.ui.steering.lanes import LaneMarks, _lane

END = "<|endoftext|>"


def test_a_prompt_is_read_whole_or_refused(tokenizer: Any) -> None:
    model = tiny.model("llama", tokenizer)
    for prompt in ("Once, “quoted” – λ 日本 🦊\n\ttabbed", f"The end.{END}Once"):
        assert unread(tokenizer, prompt) == []
        assert tokenizer.decode(check_prompt(model, prompt)) == prompt


def test_half_a_character_is_no_prompt(tokenizer: Any) -> None:
    with pytest.raises(InputError, match=r"holds half a character \(\\ud83e at 4\): write the whole one"):
        check_prompt(tiny.model("llama", tokenizer), "fox \ud83e")


def test_brackets_only_for_a_model_of_brackets() -> None:
    tokenizer: Any = AutoTokenizer.from_pretrained(SHIPPED / "dyck3" / "models" / "A0")
    model: Any = SimpleNamespace(name="A0", tokenizer=tokenizer, begin=None)
    assert unread(tokenizer, "([ x{a x}") == ["x", "a"]
    with pytest.raises(InputError, match=r"A0 does not read x a, only \( \) \[ \] \{ \}: write without"):
        check_prompt(model, "([ x{a x}")
    assert check_prompt(model, "([{}").tolist() == [0, 1, 3, 5, 6]


def test_special_tokens_are_few(tokenizer: Any) -> None:
    model, special = tiny.model("llama", tokenizer), special_tokens(tokenizer)
    most = f"fox {END}" * MAX_SPECIAL_TOKENS
    ids = check_prompt(model, most)
    assert (ids == tokenizer.eos_token_id).sum() == MAX_SPECIAL_TOKENS == len(spelled(special, most))
    with pytest.raises(InputError, match=f"{MAX_SPECIAL_TOKENS + 1} special tokens, at most {MAX_SPECIAL_TOKENS}"):
        check_prompt(model, most + END)


def test_special_tokens_are_outlined_and_text_stays_text(tokenizer: Any) -> None:
    special = special_tokens(tokenizer)
    shown = outlined(f"<b>fox</b>{END} end", special)
    assert shown.startswith("&lt;b&gt;fox&lt;/b&gt;<span class='chip special'")
    assert shown.endswith("&lt;|endoftext|&gt;</span> end") and "<b>" not in shown
    from explorer.jobs import JobState
    from explorer.steering.lane_job import Snapshot

    snapshot = Snapshot(JobState.DONE, f"fox{END}", {"source": "then <i>x</i>"})
    titles = {"source": ("seed0", "A, left alone")}
    html = _lane("source", titles, snapshot, LIGHT, "raw", LaneMarks(special=special))
    assert html.count("chip special") == 1 and "<i>" not in html
    assert "then &lt;i&gt;x&lt;/i&gt;" in html.replace("<span>", "").replace("</span>", "")
