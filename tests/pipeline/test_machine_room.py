"""A check that the machine has no room for is refused before anything is loaded, with the largest that fits."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from explorer.cli import command_line
from explorer.errors import InputError
from explorer.models import ModelShape
from explorer.models.sites import all_sites, parse_sites
from explorer.pipeline.check_options import CheckOptions
from explorer.pipeline.estimate import disk_needed, memory_needed
from explorer.pipeline.machine_room import MachineRoom, check_room, machine_room

LARGE = ModelShape(8192, 80, 70_000_000_000, 128_000, 72_000_000_000, 4096)
SMALL = ModelShape(512, 48, 150_000_000, 50_304, 200_000_000, 2048)
SITES = all_sites(48)


def refusal(shape: ModelShape, room: MachineRoom, **options: object) -> str:
    sites = all_sites(shape.n_layers)
    with pytest.raises(InputError) as caught:
        check_room(shape, shape, CheckOptions(**options), sites, room)  # type: ignore[arg-type]
    check_room(shape, shape, CheckOptions(**options, force=True), sites, room)  # type: ignore[arg-type]
    return str(caught.value)


def test_what_is_named_as_the_largest_fits() -> None:
    half = MachineRoom(memory_needed(SMALL, SMALL, CheckOptions(), 49) / 2, None)
    said = refusal(SMALL, half)
    sites = re.search(r"at most (\d+) of its 49 sites fit \(--sites ([\d,]+)\)", said)
    assert sites, said
    chosen = parse_sites(sites[2], 48)
    assert len(chosen) == int(sites[1])
    check_room(SMALL, SMALL, CheckOptions(), chosen, half)
    with pytest.raises(InputError):
        check_room(SMALL, SMALL, CheckOptions(), SITES[: len(chosen) + 1], half)


def test_too_much_text_is_answered_with_how_much_fits() -> None:
    room = MachineRoom(60e9, None)
    said = refusal(SMALL, room, tokens=900_000_000)
    fits = re.search(r"--tokens (\d+)\)", said)
    assert fits, said
    tokens = int(fits[1])
    check_room(SMALL, SMALL, CheckOptions(tokens=tokens), SITES, room)
    assert memory_needed(SMALL, SMALL, CheckOptions(tokens=int(tokens * 1.05)), 49) > 60e9


def test_a_pair_of_which_nothing_fits() -> None:
    said = refusal(LARGE, MachineRoom(25e9, 1e15))
    assert "of memory, and there are 25.0 GB" in said and "not even one site of this pair fits" in said
    assert "--force" in said


def test_the_disk_counts_too() -> None:
    options = CheckOptions(copy_models=True)
    need = disk_needed(SMALL, SMALL, options, 49)
    assert (
        need
        > disk_needed(SMALL, SMALL, replace(options, copy_models=False), 49)
        > disk_needed(SMALL, SMALL, replace(options, copy_models=False), 9)
    )
    assert "of disk" in refusal(SMALL, MachineRoom(None, need * 0.99), copy_models=True)
    check_room(SMALL, SMALL, options, SITES, MachineRoom(None, need))
    check_room(SMALL, SMALL, options, SITES, MachineRoom(None, None))


def test_this_machine_has_room_for_something() -> None:
    room = machine_room()
    assert room.memory is None or room.memory > 1e8
    assert room.disk is None or room.disk > 0


def test_more_tokens_than_anybody_has_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["check", "a", "b", "--out", "x", "--tokens", str(10**15)]) == 2
    assert "--tokens 1000000000000000: give 1 to 1000000000" in capsys.readouterr().err
