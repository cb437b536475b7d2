"""Files are whole or not there, and no number in them is NaN or infinite."""

from dataclasses import dataclass
from math import inf, nan
from pathlib import Path

import msgspec
import pytest
import torch
from hypothesis import given, strategies as st

from explorer.cache import Cache
from explorer.errors import InputError
from explorer.files import encode, encode_line, write_json, write_tensors


@dataclass(frozen=True)
class Found:
    value: float
    bounds: tuple[float, ...]


@pytest.mark.parametrize(
    ("result", "place"),
    [
        (Found(nan, ()), "value is nan"),
        (Found(1, (0.5, inf)), "bounds.1 is inf"),
        ({"sites": [{"rho": 1.0}, {"rho": -inf}]}, "sites.1.rho is -inf"),
    ],
)
def test_a_number_that_is_none_is_refused_by_name(result: object, place: str, tmp_path: Path) -> None:
    for write in (encode, encode_line, lambda r: write_json(tmp_path / "a.json", r)):
        with pytest.raises(InputError, match=f"not assessable: {place}, no number"):
            write(result)
    cache = Cache(tmp_path / "cache")
    with pytest.raises(InputError, match="no number"):
        cache.value("found", {}, Found, lambda: Found(1, (nan,)))
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


@given(st.recursive(st.none() | st.text() | st.floats(allow_nan=False, allow_infinity=False), st.lists, max_leaves=9))
def test_what_is_finite_is_written_as_it_was(result: object) -> None:
    assert encode_line([result]) == msgspec.json.encode([result])
    assert msgspec.json.decode(encode(result)) == result


def test_tensors_that_are_not_finite_are_refused_by_name(tmp_path: Path) -> None:
    for bad in (nan, inf):
        with pytest.raises(InputError, match=r"'W_dec' of sae.safetensors is not finite"):
            write_tensors(tmp_path / "sae.safetensors", {"n": torch.arange(3), "W_dec": torch.tensor([1.0, bad])})
    assert list(tmp_path.iterdir()) == []
