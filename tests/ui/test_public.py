"""Public mode: no path and no file is taken, and nobody sees, exports, renames or deletes what another has made."""

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from streamlit.testing.v1 import AppTest

from explorer.errors import InputError
from explorer.pipeline import Fields, examine
from explorer.pipeline.allowed_paths import allowed_path
from explorer.pipeline.check_queue import CheckQueue
from explorer.policy import PUBLIC
from explorer.study import SHIPPED, acting_for, library, open_study, shipped_pair
from explorer.ui.notices import verbatim, without_places

APP = str(Path(__file__).resolve().parents[2] / "explorer" / "app.py")
ONE, OTHER = "visitor-one", "visitor-two"


@pytest.fixture(autouse=True)
def public(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPLORER_PUBLIC", "1")
    monkeypatch.setenv("EXPLORER_CACHE", str(tmp_path / "cache"))


def keep(owner: str, name: str) -> None:
    """A study of one visitor."""
    with acting_for(owner):
        folder = library.unfinished_folder() / "study"
        folder.mkdir()
        file = replace(open_study("dyck3").file, name=name)
        (folder / "study.json").write_bytes(msgspec.json.encode(file))
        library.adopt(folder.parent, name)


def page(models: str = "", monkeypatch: pytest.MonkeyPatch | None = None) -> AppTest:
    if monkeypatch is not None:
        monkeypatch.setenv("EXPLORER_MODELS", models)
    return AppTest.from_file(APP, default_timeout=120).switch_page("../pages/check.py").run()


def test_a_visitor_sees_and_touches_only_studies_of_their_own() -> None:
    keep(ONE, "mine"), keep(OTHER, "theirs")
    with acting_for(ONE):
        assert library.own_names() == ["mine"] and [s.name for s in library.own_studies()] == ["mine"]
        for act in (library.delete, library.own_study, lambda name: library.rename(name, "stolen"), open_study):
            with pytest.raises(InputError, match="there is no study"):
                act("theirs")
        for path in ("../visitor-two/studies/theirs", "../../visitors/visitor-two/studies/theirs/study"):
            with pytest.raises(InputError):
                library.own_study(path)
    with acting_for(OTHER):
        assert library.own_names() == ["theirs"]
    assert library.own_names() == []


def test_an_owner_is_a_word() -> None:
    for name in ("../up", "a/b", "short", "x" * 65):
        with acting_for(name), pytest.raises(ValueError, match="owner"):
            library.studies_folder()


def test_a_shelf_has_room_for_so_many() -> None:
    for number in range(PUBLIC.studies or 0):
        keep(ONE, f"study-{number}")
    with acting_for(ONE), pytest.raises(InputError, match="may keep no more"):
        library.check_room()
    with acting_for(ONE), pytest.raises(InputError, match="may keep no more"):
        CheckQueue().submit(ONE, "a check", lambda folder, progress: None, "wish")
    with acting_for(OTHER):
        library.check_room()


def test_without_a_list_no_pair_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    app = page()
    assert not app.exception and not app.error and not app.text_input
    assert any("checks no pairs" in html.proto.body for html in app.get("html"))
    with pytest.raises(InputError, match="checks no pairs"):
        examine(Fields(*map(str, shipped_pair()), ""))


def test_listed_models_are_chosen_and_nothing_is_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = map(str, shipped_pair())
    app = page(f"{source},{target}", monkeypatch)
    assert not app.exception and not app.error
    assert app.selectbox(key="check_source").options == ["seed0", "seed1"]
    assert {field.key for field in app.text_input} <= {"check_sites"}
    assert not app.get("file_uploader") and app.selectbox(key="check_sae").options == ["train", "none"]
    assert examine(Fields(source, target, "")).source.place == source


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ({"source": "/etc"}, "is not checked here"),
        ({"source": "gpt2"}, "is not checked here"),
        ({"text": "/etc/hostname"}, "is not read here"),
        ({"sae": "file", "sae_path": str(SHIPPED)}, "choose train"),
        ({"tokens": PUBLIC.most_tokens + 1}, "give 2,000 to"),
        ({"context": PUBLIC.most_context + 1}, "give 16 to"),
        ({"revision_source": "main"}, "is not checked here"),
    ],
)
def test_what_a_crafted_form_asks_for_is_refused(
    changed: dict[str, object], match: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = map(str, shipped_pair())
    monkeypatch.setenv("EXPLORER_MODELS", f"{source},{target}")
    with pytest.raises(InputError, match=match):
        examine(replace(Fields(source, target, ""), **changed))  # type: ignore[arg-type]


def test_no_folder_is_read_because_somebody_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPLORER_ROOTS", "/")
    with pytest.raises(InputError, match=r"\(none\)"):
        allowed_path("/etc/hostname")


def test_errors_name_no_folder_of_the_server(tmp_path: Path) -> None:
    told = without_places(f"'{tmp_path}/cache/visitors/x/study.json' is damaged; '{SHIPPED}' is not")
    assert str(tmp_path) not in told and str(SHIPPED.parent) not in told and "is damaged" in told


@pytest.mark.parametrize("text", ["plain", "`tick`", "``", "![a](http://b)", "$$x$$ :red[y]", "a\n\n# b", "` "])
def test_words_are_kept_in_a_code_span(text: str) -> None:
    from markdown_it import MarkdownIt

    (token,) = [t for t in MarkdownIt().parse(verbatim(text)) if t.type == "inline"]
    assert [(t.type, t.content) for t in token.children or []] == [("code_inline", " ".join(text.split()))]
