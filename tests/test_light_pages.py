"""What only shows results is imported without torch, whose second and a half a first page would wait for."""

import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
ROTATION = (
    "import explorer.ui.rotation.questions, explorer.ui.rotation.reasons, explorer.presentation.rotation.captions"
)


def loads(code: str, library: str) -> bool:
    """Whether a process that runs some code, and nothing else, has loaded a library by then."""
    program = f"{code}\nimport sys\nprint({library!r} in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=False)
    said = ran.stdout.strip().splitlines()[-1:]
    assert said in (["True"], ["False"]), ran.stderr[-400:]
    return said == ["True"]


@pytest.mark.parametrize("imports", [ROTATION, "from explorer.study import open_study; open_study('tales').sites"])
def test_results_are_shown_without_torch(imports: str) -> None:
    assert not loads(imports, "torch")
