"""Several processes that measure one pair: `torchrun --nproc-per-node N -m explorer check …`, or `check --processes N`.

Each process, a rank, holds both models and reads every N-th batch of the text; what a pass sums is added up over the
ranks when it ends (gloo between CPUs, nccl between GPUs). All ranks run the same code and have the same sums; only the
first writes, speaks and keeps the cache. Models that are too large for one GPU are split between the ranks instead. A
program that nobody started so is the only rank, and nothing here does anything.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar, Union, cast

from explorer.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor
    from torch.distributed import Store

T = TypeVar("T")

PATIENCE = timedelta(days=2)
"""How long a rank waits for the others: the first works alone for a while, and who starts the ranks ends them all when
one is gone.
"""
LARGE = 2**20
"""Entries from which a tensor travels alone."""
ASKING = 5.0
"""Seconds that the rank with the store waits at the most for the others to ask who failed first."""
QUIET = "EXPLORER_QUIET_RANKS"
"""Set in the environment where whoever started the ranks says itself that one of them is gone."""
LOST_CODE = 3
"""Exit code, where that is set, of a rank that ends because another one is gone."""
LOST = "another process of this run ended before its work was done: nothing was written; start it again"


class RankLostError(RuntimeError):
    """Another rank is gone, or has failed and said so: this one has nothing to say."""


class _Group:
    """The ranks as this process sees them."""

    def __init__(self) -> None:
        self.rank, self.count = 0, 1
        self.number, self.together, self.slices = 0, 1, 1
        self.store: Store | None = None


_group = _Group()


def rank() -> int:
    """Which share of the text this process reads; 0 where all read all of it."""
    return _group.rank


def count() -> int:
    """Into how many shares the text is split."""
    return _group.count


def first() -> bool:
    """Whether this process is the one that writes and speaks."""
    return _group.number == 0


def slices() -> int:
    """Between how many processes each model is split."""
    return _group.slices


@contextmanager
def joined(cuda: bool, split: bool = False) -> Iterator[None]:
    """Meet the other ranks, if this process was started as one of several (RANK and WORLD_SIZE in the environment).

    They share the text; with `split` they share each model, and all do the same with the whole text. Of ranks that
    fail, the first raises its error, the others RankLostError.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    import torch
    from torch import distributed

    store, number, together = next(iter(distributed.rendezvous("env://", timeout=timedelta(minutes=10))))
    _group.store, _group.number, _group.together = distributed.PrefixStore("explorer", store), number, together
    _group.rank, _group.count, _group.slices = (0, 1, together) if split else (number, together, 1)
    if cuda:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
    distributed.init_process_group(
        "cpu:gloo,cuda:nccl" if cuda else "gloo",
        store=distributed.PrefixStore("group", store),
        rank=number,
        world_size=together,
        timeout=PATIENCE,
    )
    try:
        yield
        # Who leaves first takes the others' connections with it.
        _together(distributed.barrier)
        distributed.destroy_process_group()
    except Exception as error:
        if isinstance(error, RankLostError) and QUIET in os.environ:
            raise
        if not _first_to_fail():
            raise RankLostError(LOST) from error
        if isinstance(error, RankLostError):
            raise InputError(LOST) from error
        raise
    finally:
        _group.__init__()  # type: ignore[misc]


def _first_to_fail() -> bool:
    assert _group.store is not None
    try:
        found = int(_group.store.add("failed", 1))
        if _group.number == 0:
            _let_go(_group.store)
        return found == 1
    except Exception:  # the store is gone with whoever held it
        return _group.number == 1


def _let_go(store: Store) -> None:
    """Of the rank that holds the store: the others fail in their turn, and it stays until all have asked."""
    from torch import distributed

    with suppress(Exception):
        distributed.destroy_process_group()
    until = time.monotonic() + ASKING
    while time.monotonic() < until and store.add("failed", 0) < _group.together:
        time.sleep(0.02)


@contextmanager
def alone() -> Iterator[None]:
    """While open, a rank works as if there were no others; of models that are split, all ranks go on together."""
    if _group.slices > 1:
        yield
        return
    was = _group.rank, _group.count, _group.together
    _group.rank, _group.count, _group.together = 0, 1, 1
    try:
        yield
    finally:
        _group.rank, _group.count, _group.together = was


def share(items: Iterable[T]) -> Iterator[T]:
    """Every N-th of some items, from this rank's number on."""
    return islice(iter(items), _group.rank, None, _group.count)


def rounds(items: Iterable[T]) -> Iterator[T | None]:
    """This rank's items, one in each round of N; None where the last round has none for it."""
    every = iter(items)
    while taken := list(islice(every, _group.count)):
        yield taken[_group.rank] if _group.rank < len(taken) else None


Part = Union["Tensor", tuple[object, str]]
"""A sum: a tensor, or a field of an object that holds a tensor or a number."""


def fields(thing: object, *names: str) -> list[Part]:
    """Some sums that an object holds."""
    return [(thing, name) for name in names]


def add_up(parts: Iterable[Part]) -> None:
    """Put the sum over all ranks into every part, in place. Small ones travel together."""
    if _group.count == 1:
        return
    import torch
    from torch import distributed

    tensors: list[Tensor] = []
    numbers: list[tuple[object, str]] = []
    for part in parts:
        value = getattr(*part) if isinstance(part, tuple) else part
        if isinstance(value, torch.Tensor):
            tensors.append(value)
        elif isinstance(part, tuple):
            numbers.append(part)
    values = torch.tensor([getattr(*part) for part in numbers], dtype=torch.float64)
    small: dict[tuple[torch.dtype, torch.device], list[Tensor]] = {}
    for tensor in [*tensors, values]:
        if tensor.numel() > LARGE:
            _together(lambda t=tensor: distributed.all_reduce(t))  # type: ignore[misc]
        elif tensor.numel():
            small.setdefault((tensor.dtype, tensor.device), []).append(tensor)
    for together in small.values():
        flat = torch.cat([tensor.reshape(-1) for tensor in together])
        _together(lambda t=flat: distributed.all_reduce(t))  # type: ignore[misc]
        for tensor, total in zip(together, flat.split([t.numel() for t in together]), strict=True):
            tensor.copy_(total.view_as(tensor))
    for (thing, name), total in zip(numbers, values.tolist(), strict=True):
        setattr(thing, name, type(getattr(thing, name))(total))


def leave_to_first(parts: Iterable[Part]) -> None:
    """Go on with sums that were added up before: the first rank keeps them, those of the others begin at 0 again."""
    import torch

    for part in parts if _group.rank else ():
        value = getattr(*part) if isinstance(part, tuple) else part
        if isinstance(value, torch.Tensor):
            value.zero_()
        elif isinstance(part, tuple):
            setattr(*part, type(value)(0))


def agreed(value: T) -> T:
    """Rank 0's value, on every rank. It travels as a pickle: for small things that are not on a GPU."""
    if _group.together == 1:
        return value
    from torch import distributed

    box: list[Any] = [value if first() else None]
    _together(lambda: distributed.broadcast_object_list(box, src=0))
    return cast(T, box[0])


def by_first(make: Callable[[], T]) -> T:
    """What rank 0 alone makes, on every rank: nothing within it waits for the others, not even a look into the cache.

    Of models that are split, all ranks make it together.
    """
    if _group.slices > 1:
        return make()
    box: list[T] = []
    if first():
        with alone():
            box.append(make())
    return agreed(box)[0]


def gathered(value: T) -> list[T]:
    """Every rank's value, in order. It travels as a pickle."""
    if _group.count == 1:
        return [value]
    from torch import distributed

    found: list[Any] = [None] * _group.count
    _together(lambda: distributed.all_gather_object(found, value))
    return found


def _together(work: Callable[[], object]) -> None:
    """Work in which all ranks take part. Raises RankLostError where one of them is gone."""
    try:
        work()
    except RuntimeError as error:
        raise RankLostError(LOST) from error
