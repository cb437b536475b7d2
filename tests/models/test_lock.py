"""One copy of a model serves many threads: none sees another's hooks, and only the model's own methods run it."""

import ast
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from torch import Tensor

from explorer.alignment.pair import measure_function
from explorer.models.hooks import edit_residual, residuals, start_at
from explorer.models.language_model import LanguageModel
from explorer.models.sites import Site
from explorer.steering.decoding import Batch

ROOT = Path(__file__).resolve().parents[2]
WAIT = 60.0
SITE = Site(1, 3)
RUN_THE_NETWORK = (
    "explorer/models/language_model.py",
    "explorer/models/hooks.py",
    "explorer/models/branches.py",  # within `start_at`, which holds the lock
    "explorer/alignment/weight_space.py",  # reads weights of modules, and runs none
)
READ = ("config", "parameters", "named_parameters")
"""What other modules may read of a model's network."""


class WatchedLock:
    """A lock that says when a thread other than the one that made it asks for it."""

    def __init__(self, asked: threading.Event) -> None:
        self.lock, self.asked, self.maker = threading.RLock(), asked, threading.get_ident()

    def __enter__(self) -> None:
        if threading.get_ident() != self.maker:
            self.asked.set()
        self.lock.acquire()

    def __exit__(self, *_: object) -> None:
        self.lock.release()


def beside(model: LanguageModel, held: AbstractContextManager[None], work: Callable[[], Any]) -> Any:
    """What `work` gives in a second thread that begins while this one holds something on the model.

    This thread lets go as soon as the other one waits for the lock; a `work` that does not wait ends before that.
    """
    waits_or_ended = threading.Event()
    model.forward_lock = WatchedLock(waits_or_ended)  # type: ignore[assignment]
    found: list[Any] = []

    def run() -> None:
        try:
            found.append(work())
        finally:
            waits_or_ended.set()

    other = threading.Thread(target=run, daemon=True)
    with held:
        other.start()
        assert waits_or_ended.wait(WAIT)
    other.join(WAIT)
    assert not other.is_alive() and found
    return found[0]


@pytest.fixture
def llama(tokenizer: Any) -> LanguageModel:
    return tiny.model("llama", tokenizer)


def function(model: LanguageModel) -> Any:
    return measure_function(model, tiny.model("llama", model.tokenizer, 1), tiny.chunks(8), lambda *_: None)


def logits(model: LanguageModel) -> Tensor:
    return model.logits(tiny.chunks(2).ids)


def rows(model: LanguageModel) -> Tensor:
    return torch.stack(list(residuals(model, tiny.chunks(2).ids, model.sites).values()))


def token(model: LanguageModel) -> Tensor:
    return Batch(model, [SITE], tiny.chunks(2).ids, torch.ones(1, 4, model.d_model)).logits()


def copied(model: LanguageModel) -> Tensor:
    with torch.inference_mode():
        return model.copy_network()(input_ids=tiny.chunks(2).ids).logits


@pytest.mark.parametrize("work", [function, logits, rows, token, copied])
def test_another_threads_edit_is_not_seen(llama: LanguageModel, work: Callable[[LanguageModel], Any]) -> None:
    alone = work(llama)
    found = beside(llama, edit_residual(llama, SITE, lambda x: x + 3), lambda: work(llama))
    assert torch.equal(found, alone) if isinstance(alone, Tensor) else found == alone
    assert tiny.hooks(llama) == 0


@pytest.mark.parametrize("work", [function, logits, rows])
def test_a_pass_that_begins_at_a_site_is_not_seen(llama: LanguageModel, work: Callable[[LanguageModel], Any]) -> None:
    alone = work(llama)
    found = beside(llama, start_at(llama, SITE, torch.zeros(4, 24, llama.d_model)), lambda: work(llama))
    assert torch.equal(found, alone) if isinstance(alone, Tensor) else found == alone
    assert not any("forward" in vars(block) for block in llama.blocks)


def test_a_thread_runs_the_model_under_its_own_edits(llama: LanguageModel) -> None:
    ids = tiny.chunks(2).ids
    with edit_residual(llama, SITE, lambda x: x + 1), edit_residual(llama, SITE, lambda x: x + 2):
        once, read = llama.logits(ids), residuals(llama, ids, [SITE])[SITE]
    with edit_residual(llama, SITE, lambda x: x + 3):
        torch.testing.assert_close(llama.logits(ids), once)
    torch.testing.assert_close(read, residuals(llama, ids, [SITE])[SITE] + 3)


def runs(source: str) -> list[str]:
    """What a module does with a model's network or lock that is left to the modules that hold the lock."""
    tree = ast.parse(source)
    read = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Attribute) and n.attr in READ}
    of_type = (n for n in ast.walk(tree) if isinstance(n, ast.Call) and ast.unparse(n.func) == "type")
    read |= {id(argument) for n in of_type for argument in n.args}
    forbidden = ("forward_lock", "register_forward_hook", "register_forward_pre_hook")
    return [
        ast.unparse(n)
        for n in ast.walk(tree)
        if isinstance(n, ast.Attribute) and (n.attr in forbidden or (n.attr == "network" and id(n) not in read))
    ]


def test_only_the_models_own_methods_run_its_network() -> None:
    found = {}
    for folder in ("explorer", "pages"):
        for path in (ROOT / folder).rglob("*.py"):
            name = path.relative_to(ROOT).as_posix()
            if name not in RUN_THE_NETWORK and (uses := runs(path.read_text(encoding="utf-8"))):
                found[name] = uses
    assert found == {}


@pytest.mark.parametrize(
    "line",
    [
        "model.network(ids)",
        "model.network.base_model(ids)",
        "loss(model.network, rows)",
        "network = self.model.network",
        "with model.forward_lock: pass",
        "model.blocks[0].register_forward_hook(hook)",
    ],
)
def test_the_rule_can_fail(line: str) -> None:
    assert runs(line)
    assert not runs("type(like.network)(like.network.config)\nsum(p.numel() for p in model.network.parameters())")
