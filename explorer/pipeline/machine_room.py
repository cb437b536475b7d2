"""Whether this machine has room for a check: its memory and its disk against the estimate, before anything is loaded."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from explorer.alignment import LEAST_ROWS_PER_DIMENSION
from explorer.cache import cache_folder
from explorer.errors import InputError
from explorer.models import ModelShape, Site, choose_device, parse_sites, read_shape
from explorer.number_text import size
from explorer.pipeline.check_form import CheckRequest
from explorer.pipeline.check_options import CheckOptions
from explorer.pipeline.estimate import disk_needed, memory_needed
from explorer.pipeline.plan import FIT

FORCED = "or --force to try it all the same"
_LIMIT = Path("/sys/fs/cgroup/memory.max")
"""What a container may take of its machine's memory, where there is such a limit."""


@dataclass(frozen=True)
class MachineRoom:
    """What there is."""

    memory: float | None
    """Bytes of memory, of the GPU where one computes; None where the system does not say."""
    disk: float | None
    """Bytes that are free where results are kept."""


def machine_room(device: str = "cpu") -> MachineRoom:
    """The room of this machine for a check on a device."""
    if device == "cuda":
        import torch

        return MachineRoom(float(torch.cuda.get_device_properties(0).total_memory), free_disk(cache_folder()))
    return MachineRoom(machine_memory(), free_disk(cache_folder()))


def machine_memory() -> float | None:
    """Bytes of memory of this machine or container, None where the system does not say."""
    try:
        whole = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (ValueError, OSError, AttributeError):
        return None
    try:
        return min(whole, float(_LIMIT.read_text(encoding="ascii")))
    except (OSError, ValueError):  # none, or "max"
        return whole


def free_disk(folder: Path) -> float | None:
    """Bytes that are free where a folder lies or would."""
    there = next((place for place in (folder, *folder.parents) if place.exists()), None)
    try:
        return None if there is None else float(shutil.disk_usage(there).free)
    except OSError:
        return None


def check_request(request: CheckRequest) -> None:
    """Raise InputError for a request that this machine has no room for, as far as its models are known."""
    _check([read_shape(c.place, c.revision) for c in (request.source, request.target)], request.options)


def check_folders(places: Sequence[Path], options: CheckOptions) -> None:
    """The same for models in their folders."""
    _check([read_shape(str(place)) for place in places], options)


def _check(shapes: Sequence[ModelShape | None], options: CheckOptions) -> None:
    source, target = shapes
    if source is not None and target is not None:
        sites = parse_sites(options.sites, source.n_layers)
        check_room(source, target, options, sites, machine_room(choose_device(options.device)))


def check_room(
    source: ModelShape, target: ModelShape, options: CheckOptions, sites: Sequence[Site], room: MachineRoom
) -> None:
    """Raise InputError, with the largest check that fits, for one that needs more than there is, unless forced."""
    if options.force:
        return
    memory, disk = memory_needed(source, target, options, len(sites)), disk_needed(source, target, options, len(sites))
    short = []
    if room.memory is not None and memory > room.memory:
        short.append(f"{size(memory)} of memory, and there are {size(room.memory)}")
    if room.disk is not None and disk > room.disk:
        short.append(f"{size(disk)} of disk, and {size(room.disk)} are free")
    if short:
        raise InputError(
            f"this check needs about {'; '.join(short)}: {_largest(source, target, options, sites, room)}, {FORCED}"
        )


def _largest(
    source: ModelShape, target: ModelShape, options: CheckOptions, sites: Sequence[Site], room: MachineRoom
) -> str:
    """The largest check of the same pair that fits: by its tokens if that is enough, else by its sites."""

    def fits(count: int, chosen: CheckOptions) -> bool:
        memory, disk = (needed(source, target, chosen, count) for needed in (memory_needed, disk_needed))
        return (room.memory is None or memory <= room.memory) and (room.disk is None or disk <= room.disk)

    least = int(LEAST_ROWS_PER_DIMENSION * source.d_model / FIT) + 1
    if least < options.budget and fits(len(sites), replace(options, tokens=least)):
        low, high = least, options.budget
        while high - low > max(1, low // 100):
            middle = (low + high) // 2
            low, high = (middle, high) if fits(len(sites), replace(options, tokens=middle)) else (low, middle)
        return f"at most {low:,} tokens fit (--tokens {low})"
    count = next((n for n in range(len(sites) - 1, 0, -1) if fits(n, options)), 0)
    if count:
        step = (len(sites) - 1) / max(1, count - 1)
        kept = sorted({sites[round(i * step)].index for i in range(count)}) if count > 1 else [sites[-1].index // 2]
        return f"at most {count} of its {len(sites)} sites fit (--sites {','.join(map(str, kept))})"
    without = replace(options, sae="none", sae_target="none", tokens=min(options.budget, least))
    if fits(1, without):
        return f"at most one site without dictionaries fits (--sites 0 --sae none --tokens {without.budget})"
    return "not even one site of this pair fits: give smaller models, or take a larger machine"
