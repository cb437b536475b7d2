"""What only shows results is imported without torch, whose second and a half a first page would wait for."""

import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
ROTATION = (
    "import explorer.ui.rotation.questions, explorer.ui.rotation.reasons, explorer.presentation.rotation.captions"
)


@pytest.mark.parametrize("imports", [ROTATION, "from explorer.study import open_study; open_study('tales').sites"])
def test_results_are_shown_without_torch(imports: str) -> None:
    program = f"{imports}\nimport sys\nprint('torch' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert ran.stdout.strip().splitlines()[-1:] == ["False"], ran.stderr[-400:]
