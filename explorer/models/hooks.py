"""Read the residual stream with hooks that live in context managers; stop the forward pass at the last site needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from explorer.models.language_model import LanguageModel
from explorer.models.sites import Site


class _ForwardDone(Exception):
    """Every site that was asked for has been read: nothing after it needs to run."""


Edit = Callable[[Float[Tensor, "b t d"]], Float[Tensor, "b t d"] | None]


@contextmanager
def edit_residual(model: LanguageModel, site: Site, edit: Edit) -> Iterator[None]:
    """While open, `edit` sees the residual stream at a site and may return another in its place (None keeps it), which
    is brought to the stream's device and precision.

    Other threads that want to run the model wait until it is closed: a thread must not wait for another within it.
    """
    last = site.index == site.n_layers

    def before(
        _module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        hidden = args[0] if args else kwargs["hidden_states"]
        changed = edit(hidden)
        if changed is None:
            return None
        changed = changed.to(hidden)
        return ((changed, *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": changed})

    def after(_module: nn.Module, _args: tuple[Any, ...], output: Any) -> Any:
        # transformers 5 returns a tensor from most blocks, a tuple from some.
        hidden = output[0] if isinstance(output, tuple) else output
        changed = edit(hidden)
        if changed is None:
            return None
        changed = changed.to(hidden)
        return (changed, *output[1:]) if isinstance(output, tuple) else changed

    with model.forward_lock:
        if last:
            handle = model.blocks[-1].register_forward_hook(after)
        else:
            handle = model.blocks[site.index].register_forward_pre_hook(before, with_kwargs=True)
        try:
            yield
        finally:
            handle.remove()


@contextmanager
def start_at(model: LanguageModel, site: Site, hidden: Float[Tensor, "b t d"]) -> Iterator[None]:
    """While open, a forward pass begins at the site with `hidden`: the blocks before it do nothing.

    The token ids of the pass give its shape only. Other threads wait as for `edit_residual`.
    """
    skipped = model.blocks[: site.index]
    with model.forward_lock:
        tuples = len(skipped) > 0 and _returns_tuples(model)

        def pass_on(states: Tensor, *_: Any, **__: Any) -> Any:
            return (states,) if tuples else states

        for block in skipped:
            block.forward = pass_on
        try:
            with edit_residual(model, site, lambda _: hidden):
                yield
        finally:
            for block in skipped:
                del block.forward


def _returns_tuples(model: LanguageModel) -> bool:
    found: list[bool] = []

    def first(_module: nn.Module, _args: tuple[Any, ...], output: Any) -> None:
        found.append(isinstance(output, tuple))
        raise _ForwardDone

    handle = model.blocks[0].register_forward_hook(first)
    try:
        with suppress(_ForwardDone):
            model.run_blocks(torch.zeros(1, 1, dtype=torch.long))
    finally:
        handle.remove()
    return found[0]


@torch.inference_mode()
def residuals(
    model: LanguageModel, ids: Int[Tensor, "b t"], sites: Sequence[Site]
) -> dict[Site, Float[Tensor, "b t d"]]:
    """Residual-stream rows of a batch at each site, float32 on the model's device.

    The blocks after the last site and the unembedding do not run.
    """
    found: dict[Site, Tensor] = {}
    last = max(sites)

    def reader(site: Site) -> Edit:
        def read(hidden: Tensor) -> None:
            found[site] = hidden.detach().to(torch.float32, copy=True)
            if site == last:
                raise _ForwardDone

        return read

    with ExitStack() as stack:
        for site in sites:
            stack.enter_context(edit_residual(model, site, reader(site)))
        with suppress(_ForwardDone):
            model.run_blocks(ids)
    return found
