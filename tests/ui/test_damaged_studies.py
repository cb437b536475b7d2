"""One damaged study of one's own, on every page: a sentence with the file and what helps, and a way to delete it.

No page breaks, for nobody; the list of studies says what is damaged, and another study never takes its place silently.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path

import pytest
from faults.loaders import SOURCE, TARGET, small_study
from streamlit.testing.v1 import AppTest
from test_rotation_page import APP

from explorer.study import library

NAME = "mine"
PAIR = f"pairs/{SOURCE}-{TARGET}"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole study, as a check leaves it."""
    return small_study(tmp_path_factory.mktemp("small")).parent


@pytest.fixture
def study(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of it among one's own studies."""
    monkeypatch.setenv("EXPLORER_CACHE", str(tmp_path))
    folder = library.studies_folder() / NAME
    shutil.copytree(made, folder)
    yield folder / "study"


def halved(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def not_utf8(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"title"', b'"t\xe9tle"', 1))


def opened(page: str, study: str = NAME) -> AppTest:
    app = AppTest.from_file(APP, default_timeout=180)
    app.query_params["study"] = study
    app.switch_page(f"../pages/{page}.py")
    return app.run()


def words(app: AppTest) -> str:
    return unescape(" ".join(h.proto.body for h in app.get("html")))


def overwritten(path: Path) -> None:
    """Damaged in its middle: its head and its end are whole."""
    data = path.read_bytes()
    middle = len(data) // 3
    path.write_bytes(data[:middle] + b"\xff" * 200 + data[middle + 200 :])


def test_a_table_that_is_damaged_in_its_middle_is_listed(study: Path) -> None:
    overwritten(study / f"features/{SOURCE}.parquet")
    (entry,) = library.own_studies()
    assert f"{SOURCE}.parquet" in entry.damage


def test_what_a_killed_process_left_is_gone_with_the_next_look(study: Path) -> None:
    left = study.parents[1] / ".unfinished-0123456789ab"
    left.mkdir()
    assert [entry.name for entry in library.own_studies()] == [NAME] and not left.exists()


def test_a_study_without_its_file_says_so(study: Path) -> None:
    (study / "study.json").unlink()
    (entry,) = library.own_studies()
    assert entry.damage.startswith("it has no study.json")


DAMAGE: dict[str, tuple[Callable[[Path], None], tuple[str, ...]]] = {
    "study.json": (not_utf8, ("rotation", "story", "features", "steering", "claims")),
    f"{PAIR}/result.json": (halved, ("rotation", "story", "claims")),
    f"{PAIR}/maps.safetensors": (halved, ("rotation", "story", "features", "steering", "claims")),
    f"{PAIR}/clouds.safetensors": (halved, ("story",)),
    f"{PAIR}/steering.json": (halved, ("story", "steering")),
    f"{PAIR}/features.parquet": (halved, ("features",)),
    f"features/{SOURCE}.parquet": (halved, ("features",)),
}
"""A file of the study, how it is damaged, and the pages that cannot do without it."""
PAGES = ("rotation", "story", "features", "steering", "claims")


@pytest.mark.slow
@pytest.mark.parametrize("file", DAMAGE)
def test_every_page_says_which_file_is_damaged_and_what_to_do(file: str, study: Path) -> None:
    damage, broken = DAMAGE[file]
    damage(study / file)
    for page in PAGES:
        app = opened(page)
        assert not app.exception, (page, app.exception)
        if page not in broken:
            continue
        said = [e.value for e in app.error]
        assert len(said) == 1 and file in said[0] and "delete this study" in said[0], (page, said)
        assert app.button(key="delete_shown").label.startswith("Delete"), page


@pytest.mark.parametrize("file", DAMAGE)
def test_the_list_names_a_damaged_study_and_deletes_it(file: str, study: Path) -> None:
    damage, _ = DAMAGE[file]
    damage(study / file)
    (listed,) = library.own_studies()
    assert listed.damage and Path(file).name in listed.damage
    app = opened("check", "dyck3")
    assert not app.exception and not app.error
    assert "Damaged:" in words(app) and Path(file).name in words(app)
    app.button(key=f"delete-{NAME}").click().run()
    app.button(key="delete_really").click().run()
    assert not app.exception and not study.exists() and "was deleted" in words(app)


@pytest.mark.parametrize("file", ["study.json", f"{PAIR}/result.json"])
def test_the_check_page_opens_on_a_damaged_study(file: str, study: Path) -> None:
    DAMAGE[file][0](study / file)
    app = opened("check")
    assert not app.exception
    assert len(app.error) == 1 and file in app.error[0].value
    assert app.button(key=f"delete-{NAME}") and "Damaged:" in words(app)
    if file == "study.json":
        assert app.text_input(key="check_source"), "the form is there"


def test_a_study_that_is_gone_does_not_become_another_silently(study: Path) -> None:
    app = opened("rotation")
    assert not app.exception and not app.error
    library.delete(NAME)
    app.run()
    assert not app.exception
    assert f"The study “{NAME}” is not here any more; you see “" in words(app)
