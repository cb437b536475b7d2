"""Every test is seeded, offline and on one thread."""

import atexit
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator

os.environ["HF_HUB_OFFLINE"] = "1"
# Nothing of a person's cache is read, and nothing is left in it. The workers of one run share theirs.
if "PYTEST_XDIST_WORKER" not in os.environ:
    os.environ["EXPLORER_CACHE"] = tempfile.mkdtemp(prefix="explorer-tests-")
    atexit.register(shutil.rmtree, os.environ["EXPLORER_CACHE"], ignore_errors=True)
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# Threads that spin beside another worker's cost more than they save; torch's own number is set below, test by test.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import random
from typing import Any

import jaxtyping

SHAPED = [f"explorer.alignment.{name}" for name in ("geodesic", "maps", "moments", "orthogonal", "ridge", "similarity")]
SHAPED += ["explorer.sae", "explorer.models", "explorer.features", "explorer.steering"]
SHAPED += [f"explorer.text.dyck.{name}" for name in ("contrasts", "heads", "label_ids", "language")]
"""The modules whose arguments and results are checked at every call: types by beartype, shapes by jaxtyping."""
# The tower: a whole number is a float to beartype, as it is to mypy.
TOWER = "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"
jaxtyping.install_import_hook(SHAPED, TOWER)

import pytest
from hypothesis import settings
from playwright.sync_api import expect
from xdist.scheduler import LoadScopeScheduling

# What is slow to import is imported where it is used: the process that hands out the tests needs none of it.

settings.register_profile("explorer", deadline=None, derandomize=True, max_examples=25)
settings.load_profile("explorer")
# A page that is right but late on a busy machine is right.
expect.set_options(timeout=90_000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take longest come first, so that no worker is left with one at the end. A file stays whole.

    A test in a browser that fails is run once more, and the summary counts it as rerun: on a busy machine a browser
    now and then loses a frame. What fails twice fails.
    """
    for item in items:
        if "browser" in item.keywords:
            item.add_marker(pytest.mark.flaky(reruns=1))
    slow = {item.path for item in items if "slow" in item.keywords}
    items.sort(key=lambda item: ("browser" not in item.keywords, item.path not in slow))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """A worker gets whole files, so that no fixture of a module is built twice, and one of them all browser tests."""
    return Files(config, log)


class Files(LoadScopeScheduling):
    """Hands out tests by file; those of the browser together, so that one browser and one server work at a time."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "browser" if "browser" in file else file


@pytest.fixture(autouse=True)
def seeded() -> None:
    """The same random numbers in every test, whatever ran before it."""
    import numpy as np
    import torch

    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def own_main() -> Iterator[None]:
    """A test of a page makes the app the process' main module, which every process started later would run first."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main


@pytest.fixture(scope="session", autouse=True)
def no_components() -> Iterator[None]:
    """Streamlit finds no components: it would read the metadata of every package, a quarter of a second an app."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("streamlit.components.v2.manifest_scanner.scan_component_manifests", list)
        yield


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A byte-level BPE tokenizer of `tiny.VOCABULARY` tokens, trained on a few tales."""
    import tiny
    from transformers import AutoTokenizer

    from explorer.text.tales import stories as tales
    from explorer.training.tokenizer import train_tokenizer

    folder = tmp_path_factory.mktemp("tokenizer")
    train_tokenizer((d.text for d in tales.documents("example", 40)), tiny.VOCABULARY, folder)
    return AutoTokenizer.from_pretrained(folder)
