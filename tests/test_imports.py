"""The direction of imports: each module may import what stands before it, never back."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
LAYERS = (("sites",), ("models",), ("activations",), ("maps", "sae"), ("steering",))
LIBRARY_WITHOUT_OURS = ("metrics",)
WITHOUT_MODEL = (
    "figures",
    "figures_dial",
    "figures_features",
    "figures_match",
    "figures_stage",
    "figures_stage_dial",
    "figures_story",
    "figures_twin_maps",
)
MODEL = ("transformers", "explorer.models", "explorer.activations", "explorer.generation", "explorer.steering")
STREAMLIT_ALLOWED = ("explorer.app", "explorer.ui", "pages")
PAGE_LINES = 60


def inside(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def sources(root: Path) -> dict[str, Path]:
    """Dotted name → file of every module in explorer/ and pages/."""
    found = {}
    for folder in ("explorer", "pages"):
        for path in sorted((root / folder).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def is_for_typing(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def running(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes below `node` that run, those inside functions included, `if TYPE_CHECKING:` bodies not."""
    children = node.orelse if isinstance(node, ast.If) and is_for_typing(node) else ast.iter_child_nodes(node)
    for child in children:
        yield child
        yield from running(child)


def imports(module: str, path: Path, known: dict[str, Path]) -> set[str]:
    """What `module` imports, as dotted names; `from explorer import maps` counts as explorer.maps."""
    package = module if path.stem == "__init__" else module.rpartition(".")[0]
    names = set()
    for node in running(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            deeper = {f"{base}.{alias.name}" for alias in node.names}
            names |= {name if name in known else base for name in deeper}
    return names - {module}


def violations(root: Path) -> list[str]:
    """One sentence for each import, name or page that breaks a rule of the tables above."""
    known = sources(root)
    direct = {module: imports(module, path, known) for module, path in known.items()}
    rank = {f"explorer.{name}": i for i, layer in enumerate(LAYERS) for name in layer}

    def layer_of(module: str) -> int | None:
        return next((i for name, i in rank.items() if inside(module, name)), None)

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = [start]
        while waiting:
            for name in direct.get(waiting.pop(), set()) - seen:
                seen.add(name)
                waiting.append(name)
        return seen

    found = []
    for module, names in direct.items():
        for name in sorted(names):
            if inside(name, "pages"):
                found.append(f"{module} imports {name}: nothing imports pages")
            if inside(name, "streamlit") and not any(inside(module, allowed) for allowed in STREAMLIT_ALLOWED):
                found.append(f"{module} imports {name}: only {', '.join(STREAMLIT_ALLOWED)} may")
            if any(inside(module, f"explorer.{m}") for m in LIBRARY_WITHOUT_OURS) and inside(name, "explorer"):
                found.append(f"{module} imports {name}: it may import nothing of ours")
            if any(inside(module, f"explorer.{m}") for m in WITHOUT_MODEL) and any(inside(name, m) for m in MODEL):
                found.append(f"{module} imports {name}: it may import no model")
        own = layer_of(module)
        for name in sorted(reached(module)) if own is not None else ():
            other = layer_of(name)
            same_module = any(inside(module, r) and inside(name, r) for r in rank)
            if own is not None and other is not None and other >= own and not same_module:
                found.append(f"{module} reaches {name}: imports go from right to left in {LAYERS}")
        if module.startswith("explorer.") and module.count(".") == 1:
            name = module.removeprefix("explorer.")
            if name in sys.stdlib_module_names and name != "__main__":
                found.append(f"{module} hides Python's own {name}: Streamlit puts explorer/ on the path")
    for module, path in known.items():
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if inside(module, "pages") and lines > PAGE_LINES:
            found.append(f"{module} has {lines} lines: a page has at most {PAGE_LINES}")
    return found


def test_imports_go_one_way() -> None:
    assert "explorer" in sources(ROOT)
    assert violations(ROOT) == []


def test_each_rule_can_fail(tmp_path: Path) -> None:
    planted = {
        "explorer/__init__.py": "",
        "explorer/sites.py": "",
        "explorer/models.py": "def load():\n    from explorer import study\n",
        "explorer/study.py": "from .steering import steer\n",
        "explorer/steering.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import streamlit\n",
        "explorer/sae.py": "from explorer.maps import fit\nfrom explorer.models import load\n",
        "explorer/maps.py": "import explorer.sites\n",
        "explorer/metrics.py": "from . import sites\n",
        "explorer/figures.py": "import transformers\n",
        "explorer/statistics.py": "import streamlit as st\n",
        "explorer/ui/bar.py": "import streamlit as st\nimport pages.rotation\n",
        "pages/rotation.py": "import streamlit as st\n" + "\n" * PAGE_LINES,
    }
    for name, text in planted.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    told = [sentence.partition(":")[0] for sentence in violations(tmp_path)]
    assert sorted(told) == [
        "explorer.figures imports transformers",
        "explorer.metrics imports explorer.sites",
        "explorer.models reaches explorer.steering",
        "explorer.sae reaches explorer.maps",
        "explorer.sae reaches explorer.steering",
        "explorer.statistics hides Python's own statistics",
        "explorer.statistics imports streamlit",
        "explorer.ui.bar imports pages.rotation",
        "pages.rotation has 61 lines",
    ]
