"""A real check of two tiny models on a small text, in a child process that something can be taken from."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1])]  # tests/, for tiny

_LISTENERS: dict[int, subprocess.Popen[bytes]] = {}
OPTIONS = ("--context", "32", "--device", "cpu", "--tokens", "9000", "--sae", "none", "--sites", "1")


@dataclass(frozen=True)
class Place:
    """A folder with two models a and b, and a text."""

    root: Path
    """The folder."""

    def arguments(self, source: str, target: str, out: Path) -> list[str]:
        """The words of the command."""
        pair = (str(self.root / source), str(self.root / target))
        return ["check", *pair, "--out", str(out), "--text", str(self.root / "tales.jsonl"), *OPTIONS]


@contextmanager
def place() -> Iterator[Place]:
    """Make the models and the text, and import all that a check needs, so that a child is quick."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import tiny
    import torch
    from transformers import AutoTokenizer

    import explorer.pipeline.run_check
    import explorer.pipeline.study_measurement  # noqa: F401
    from explorer.text.tales import stories as tales
    from explorer.training.tokenizer import train_tokenizer

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        root = Path(folder)
        train_tokenizer((d.text for d in tales.documents("example", 40)), tiny.VOCABULARY, root / "tokenizer")
        tokenizer = AutoTokenizer.from_pretrained(root / "tokenizer")
        for name, seed in (("a", 0), ("b", 1)):
            tiny.save("llama", tokenizer, root / name, seed)
        lines = [json.dumps({"text": text}) for text in tiny.stories(9000)]
        (root / "tales.jsonl").write_text("\n".join(lines))
        yield Place(root)


def begin(arguments: Sequence[str], cache: Path, log: Path, before: Callable[[], None] = lambda: None) -> int:
    """Start the command in a fork of this process, which has its imports done; the child's number.

    `before` runs in the child first, and may take something away from it.
    """
    # Through another process, which nothing is taken from: what a child says is heard on a full disk, too.
    listener = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=log.open("wb"))
    assert listener.stdin is not None
    child = os.fork()
    if child:
        listener.stdin.close()
        _LISTENERS[child] = listener
        return child
    code = 99
    try:
        os.environ["EXPLORER_CACHE"] = str(cache)
        os.dup2(listener.stdin.fileno(), 1)
        os.dup2(listener.stdin.fileno(), 2)
        from explorer.cli import main

        before()
        code = main(list(arguments))
        sys.stdout.flush()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def ended(child: int) -> int:
    """Wait for a child; its exit code, negative for a signal."""
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if (listener := _LISTENERS.pop(child, None)) is not None:
        listener.wait()
    return code


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a report by its name, without the time at which it was made and how long that took."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            data = path.read_bytes()
            if path.name in ("report.json", "result.json"):
                told = json.loads(data)
                data = json.dumps({k: v for k, v in told.items() if k not in ("seconds", "date", "command")}).encode()
            elif path.suffix == ".html":
                # The line with the time, the command, and how long it took.
                data = re.sub(rb'(?s)<p class="quiet">[^<]*</p>|<pre>.*?</pre>|Took \d+ s', b"", data)
            found[str(path.relative_to(folder))] = data
    return found
