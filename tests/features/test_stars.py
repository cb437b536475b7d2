"""The starred list: a round trip, and what is refused."""

import pytest

from explorer.errors import InputError
from explorer.features.stars import MOST, NOTE, Star, export_stars, import_stars

LIST = (
    Star("tales", "seed0", "blocks.2.hook_resid_pre", 417, "ships & <b>", ("Gull", "“Swift”"), "slot=log_ships"),
    Star("tales", "seed1", "blocks.0.hook_resid_pre", 3),
)


def test_what_is_exported_comes_back() -> None:
    assert import_stars(export_stars(LIST)) == LIST
    assert import_stars(export_stars(())) == ()
    assert len({s.place for s in LIST}) == 2


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00\xff",
        b"[1, 2]",
        b'{"schema": 1}',
        b'{"schema": 1, "stars": [{"study": "tales", "source": "a", "site": "b", "feature": "x"}]}',
        b'{"schema": 2, "stars": []}',
        export_stars([Star("t", "a", "s", 1, "x" * (NOTE + 1))]),
        export_stars([LIST[0]] * (MOST + 1)),
    ],
)
def test_anything_else_is_refused_in_one_line(data: bytes) -> None:
    with pytest.raises(InputError) as told:
        import_stars(data)
    assert "\n" not in str(told.value)
