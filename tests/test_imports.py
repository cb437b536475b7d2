"""The law of the house: one table of rooms, and what follows from it for every module of explorer/ and pages/."""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from test_light_pages import loads

PROJECT = Path(__file__).parent.parent

ROOMS: dict[str, tuple[str, ...]] = {
    "models": (),
    "text": ("models",),
    "sae": ("models", "text"),
    "alignment": ("models", "text", "sae"),
    "steering": ("models", "text", "sae", "alignment"),
    "study": ("models", "text", "sae", "alignment", "steering"),
    "features": ("models", "text", "sae", "alignment", "study"),
    "report": ("models", "alignment", "steering", "study"),
    "pipeline": ("models", "text", "sae", "alignment", "steering", "study", "features", "report"),
    "narrative": ("models", "text", "alignment", "steering", "study", "features", "pipeline"),
    "training": ("models", "text", "sae", "alignment", "steering", "study", "features", "pipeline"),
    "presentation": ("models", "text", "alignment", "steering", "study", "features", "pipeline", "narrative"),
    "cli": (
        *("models", "text", "sae", "alignment", "steering", "study", "features", "report", "pipeline", "narrative"),
        "training",
    ),
    "ui": (
        *("models", "text", "sae", "alignment", "steering", "study", "features", "report", "pipeline", "narrative"),
        "presentation",
    ),
    "pages": ("study", "presentation", "ui"),
}
"""Each room of explorer/, and pages/, with the rooms that it may import; every room may import the root."""

ROOT_MODULES = (
    *("explorer", "explorer.app", "explorer.__main__", "explorer.errors", "explorer.files", "explorer.cache"),
    "explorer.intake",
    *("explorer.progress", "explorer.estimates", "explorer.metrics", "explorer.number_text", "explorer.palette"),
    *("explorer.cores", "explorer.jobs", "explorer.job_progress"),
    *("explorer.ranks", "explorer.policy", "explorer.unfinished"),
)
"""The modules beside the rooms. They import no room; the app imports `ui` and the command line's entry `cli`."""

ENTRIES = {"explorer.app": "ui", "explorer.__main__": "cli"}
DYNAMIC = ("import_module", "__import__")
"""Functions that import what they are given."""
STREAMLIT = ("explorer.app", "explorer.ui", "pages")
"""Who may import Streamlit."""
PAGE_LINES, MODULE_LINES, FUNCTION_LINES = 60, 300, 60
REASON = "Long because"
"""A module or function that is longer says why in its docstring, in a sentence that begins so."""


@dataclass(frozen=True)
class Import:
    """One name that a module takes from another of ours, or a foreign module that it imports."""

    by: str
    """The module that imports."""
    written: str
    """The module or package that the statement names."""
    name: str
    """The name taken from it; empty where the module itself is imported."""
    module: str
    """The module that defines the name, behind the room's face."""
    runs: bool
    """False for imports under `if TYPE_CHECKING:`."""


class House:
    """All modules below a folder, parsed."""

    def __init__(self, root: Path) -> None:
        self.files: dict[str, Path] = {}
        for folder in ("explorer", "pages"):
            for path in sorted((root / folder).rglob("*.py")):
                parts = path.relative_to(root).with_suffix("").parts
                self.files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
        self.trees = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in self.files.items()}
        self.faces = {name: self._face(path) for name, path in self.files.items() if path.stem == "__init__"}
        self.imports = [found for name in self.files for found in self._imports(name)]

    @staticmethod
    def _face(path: Path) -> dict[str, str]:
        """What a package shows: name → the module inside it that defines the name ('' for a module that it shows)."""
        stub = path.with_suffix(".pyi")
        if not stub.is_file():
            return {}
        shown = {}
        for node in ast.parse(stub.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ImportFrom):
                shown |= {alias.name: node.module or "" for alias in node.names}
        return shown

    def _imports(self, by: str) -> Iterator[Import]:
        typed = {
            inner
            for node in ast.walk(self.trees[by])
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
            for statement in node.body
            for inner in ast.walk(statement)
        }
        for node in ast.walk(self.trees[by]):
            runs = node not in typed
            if isinstance(node, ast.Import):
                yield from (Import(by, alias.name, "", alias.name, runs) for alias in node.names)
            elif isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in DYNAMIC:
                name = ast.literal_eval(node.args[0]) if isinstance(node.args[0], ast.Constant) else ""
                yield Import(by, name, "", name, runs)
            elif isinstance(node, ast.ImportFrom):
                base = self._absolute(by, node)
                for alias in node.names:
                    yield Import(by, base, alias.name, self._behind(base, alias.name), runs)

    def _absolute(self, by: str, node: ast.ImportFrom) -> str:
        package = by if self.files[by].stem == "__init__" else by.rpartition(".")[0]
        above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
        return ".".join([*above, *([node.module] if node.module else [])])

    def _behind(self, base: str, name: str) -> str:
        inside = self.faces.get(base, {}).get(name, "")
        if inside:
            return f"{base}.{inside}"
        return f"{base}.{name}" if f"{base}.{name}" in self.files else base


def room_of(module: str) -> str:
    """The room of a module; '' for the root, 'pages' for a page."""
    parts = module.split(".")
    if parts[0] != "explorer":
        return parts[0]
    return parts[1] if len(parts) > 1 and parts[1] in ROOMS else ""


def inside(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def broken_walls(house: House) -> list[str]:
    """Imports that the table of rooms does not allow, and modules that stand beside the rooms."""
    found = []
    for module in house.files:
        if room_of(module) == "" and module not in ROOT_MODULES:
            found.append(f"{module} stands in no room")
        last = module.rpartition(".")[2]
        if module.count(".") == 1 and last in sys.stdlib_module_names and last != "__main__":
            found.append(f"{module} hides Python's own {last}: Streamlit puts explorer/ on the path")
    for i in house.imports:
        ours, theirs = room_of(i.by), room_of(i.module)
        if inside(i.module, "pages") or i.module in ENTRIES:
            found.append(f"{i.by} imports {i.module}: nothing imports pages and entries")
            continue
        if inside(i.module, "streamlit") and not any(inside(i.by, allowed) for allowed in STREAMLIT):
            found.append(f"{i.by} imports {i.module}: only {', '.join(STREAMLIT)} may")
        if theirs not in ROOMS or ours == theirs:
            continue
        if theirs not in ((ENTRIES.get(i.by, ""),) if ours == "" else ROOMS[ours]):
            found.append(f"{i.by} imports {i.module}: {ours or 'the root'} may not import {theirs}")
    return found


def reached_past(house: House) -> list[str]:
    """Imports that go past the face of another package, and names that a face should not show."""
    found = []
    taken: dict[str, set[str]] = defaultdict(set)
    for i in house.imports:
        package = i.written if i.written in house.faces else i.written.rpartition(".")[0]
        if f"{i.written}.{i.name}" in house.faces and not inside(i.by, f"{i.written}.{i.name}"):
            found.append(f"{i.by} takes {i.module} whole, and with it what it does not show")
            continue
        if package in ("", "explorer") or package not in house.faces or inside(i.by, package):
            continue
        if i.written != package:
            found.append(f"{i.by} reaches past {package} into {i.written}")
        elif i.name not in house.faces[package]:
            found.append(f"{i.by} takes {i.name} from {package}, which does not show it")
        taken[package].add(i.name)
    for package, shown in house.faces.items():
        for name, module in shown.items():
            if module and f"{package}.{name}" in house.files:
                found.append(f"{package} shows {name}, which is the name of one of its modules, too")
            if name.startswith("_"):
                found.append(f"{package} shows {name}, which is private")
            if name not in taken[package]:
                found.append(f"{package} shows {name}, which no other room takes")
    return found


def circles(house: House) -> list[list[str]]:
    """Groups of modules that import each other, in functions and behind faces too."""
    edges: dict[str, set[str]] = defaultdict(set)
    for i in house.imports:
        if i.runs and i.module in house.files and i.module != i.by:
            edges[i.by].add(i.module)
    reach: dict[str, set[str]] = {}
    for start in house.files:
        seen: set[str] = set()
        waiting = [start]
        while waiting:
            for name in edges[waiting.pop()] - seen:
                seen.add(name)
                waiting.append(name)
        reach[start] = seen
    groups = {tuple(sorted(m for m in reach[name] if name in reach[m])) for name in house.files if name in reach[name]}
    return [list(group) for group in sorted(groups)]


def too_long(house: House) -> list[str]:
    """Pages, modules and functions over their length that give no reason."""
    found = []
    for module, tree in house.trees.items():
        lines = len(house.files[module].read_text(encoding="utf-8").splitlines())
        limit = PAGE_LINES if inside(module, "pages") else MODULE_LINES
        if lines > limit and REASON not in (ast.get_docstring(tree) or ""):
            found.append(f"{module} has {lines} lines, over {limit}")
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
                length = node.end_lineno - node.lineno + 1
                if length > FUNCTION_LINES and REASON not in (ast.get_docstring(node) or ""):
                    found.append(f"{module}.{node.name} has {length} lines, over {FUNCTION_LINES}")
    return found


def repeated_classes(house: House) -> dict[str, list[str]]:
    """Names of classes that are defined more than once, and where."""
    where: dict[str, list[str]] = defaultdict(list)
    for module, tree in house.trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                where[node.name].append(module)
    return {name: modules for name, modules in where.items() if len(modules) > 1}


@pytest.fixture(scope="module")
def house() -> House:
    return House(PROJECT)


def test_rooms_import_what_the_table_allows(house: House) -> None:
    assert "explorer.alignment" in house.files
    assert broken_walls(house) == []


def test_nothing_reaches_past_the_face_of_a_room(house: House) -> None:
    assert reached_past(house) == []


def test_every_name_that_a_face_shows_is_there(house: House) -> None:
    for package, shown in house.faces.items():
        for name, module in shown.items():
            assert f"{package}.{module or name}" in house.files, f"{package} shows {name} of {module}"
            if module:
                tree = house.trees[f"{package}.{module}"]
                defined = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
                defined |= {n.name for n in tree.body if isinstance(n, ast.ClassDef | ast.FunctionDef)}
                defined |= (
                    {n.name.id for n in tree.body if isinstance(n, ast.TypeAlias)}
                    if sys.version_info >= (3, 12)
                    else set()
                )
                assert name in defined, f"{package} shows {name}, which {module} does not define"


def test_no_circle_of_imports(house: House) -> None:
    assert circles(house) == []


def test_modules_and_functions_are_short_or_say_why(house: House) -> None:
    assert too_long(house) == []


def test_no_class_name_twice(house: House) -> None:
    assert repeated_classes(house) == {}


def test_figures_and_captions_load_no_model_library(house: House) -> None:
    modules = [name for name in house.files if inside(name, "explorer.presentation")]
    assert not loads(f"for name in {modules}:\n    __import__(name)", "transformers")


def test_each_rule_can_fail(tmp_path: Path) -> None:
    planted = {
        "explorer/__init__.py": "",
        "explorer/errors.py": "",
        "explorer/metrics.py": "from explorer.models import load\n",
        "explorer/statistics.py": "import streamlit as st\n",
        "explorer/app.py": "from explorer.ui import shown\n",
        "explorer/models/__init__.py": "",
        "explorer/models/__init__.pyi": "from .loading import load as load, spare as spare\n",
        "explorer/models/loading.py": "def load():\n    from explorer.models import sites\n",
        "explorer/models/sites.py": "from explorer.models.loading import load\nclass Site: pass\n",
        "explorer/study/__init__.py": "",
        "explorer/study/__init__.pyi": "from .store import store as store\n",
        "explorer/study/store.py": "from explorer.models.loading import load\n"
        + "from explorer.models import hidden\nclass Site: pass\n",
        "explorer/ui/__init__.py": "",
        "explorer/ui/__init__.pyi": "from .bar import shown as shown\n",
        "explorer/ui/bar.py": "import streamlit as st\nimport pages.rotation\nfrom explorer import app, models\n",
        "explorer/training/__init__.py": "",
        "explorer/training/recipe.py": "",
        "pages/rotation.py": "import streamlit as st\nimport explorer.training.recipe\n" + "\n" * PAGE_LINES,
        "explorer/text/__init__.py": "",
        "explorer/text/words.py": "from explorer.study import store\n"
        + "from importlib import import_module\nimport_module('explorer.ui.bar')\n__import__('streamlit')\n"
        + "async def long():\n"
        + "    x = 1\n" * FUNCTION_LINES,
    }
    for name, text in planted.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    planted_house = House(tmp_path)
    assert sorted(sentence.partition(":")[0] for sentence in broken_walls(planted_house)) == [
        "explorer.metrics imports explorer.models.loading",
        "explorer.statistics hides Python's own statistics",
        "explorer.statistics imports streamlit",
        "explorer.statistics stands in no room",
        "explorer.text.words imports explorer.study.store",
        "explorer.text.words imports explorer.ui.bar",
        "explorer.text.words imports streamlit",
        "explorer.ui.bar imports explorer.app",
        "explorer.ui.bar imports pages.rotation",
        "pages.rotation imports explorer.training.recipe",
    ]
    assert sorted(reached_past(planted_house)) == [
        "explorer.models shows spare, which no other room takes",
        "explorer.study shows store, which is the name of one of its modules, too",
        "explorer.study.store reaches past explorer.models into explorer.models.loading",
        "explorer.study.store takes hidden from explorer.models, which does not show it",
        "explorer.text.words reaches past explorer.ui into explorer.ui.bar",
        "explorer.ui.bar takes explorer.models whole, and with it what it does not show",
        "pages.rotation reaches past explorer.training into explorer.training.recipe",
    ]
    assert circles(planted_house) == [
        ["explorer.app", "explorer.ui.bar"],
        ["explorer.models.loading", "explorer.models.sites"],
    ]
    assert too_long(planted_house) == [
        "explorer.text.words.long has 61 lines, over 60",
        "pages.rotation has 62 lines, over 60",
    ]
    assert repeated_classes(planted_house) == {"Site": ["explorer.models.sites", "explorer.study.store"]}
