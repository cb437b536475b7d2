"""The command line: which commands there are, and what happens when one is called wrongly."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from explorer import __version__
from explorer.errors import InputError, in_words
from explorer.ranks import LOST_CODE, QUIET as QUIET_RANKS, RankLostError

COMMANDS = ("app", "check", "compare", "transfer", "steer", "train", "studies", "preflight", "claims")
"""Each is the module explorer/cli/NAME.py with HELP (one line), add_options(parser) and run(options) → exit code.

These modules are imported for every call: what is slow to import belongs inside their functions.
"""

QUIET = {
    "TRANSFORMERS_VERBOSITY": "error",
    "HF_HUB_VERBOSITY": "error",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TQDM_DISABLE": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
"""Stdout and stderr are for results and for people: libraries keep their notes to themselves."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line, where argparse would print the usage too."""
        raise InputError(f"{message} (see {self.prog} --help)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; its exit code, or 2 for bad input or a fault of this program (one line on stderr)."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        given = sys.argv[1:] if arguments is None else arguments
        _check_utf8(given)
        options = _parser().parse_args(given)
        options.arguments = given
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            code: int = import_module(f"explorer.cli.{options.command or 'app'}").run(options)
    except RankLostError:  # of several processes another one has said what happened, or who started them says it
        return LOST_CODE if QUIET_RANKS in os.environ else 2
    except KeyboardInterrupt:
        if QUIET_RANKS not in os.environ:
            print("stopped", file=sys.stderr)
        return 130
    except Exception as error:  # whatever it was, a person gets one line
        print(f"error: {in_words(error)}", file=sys.stderr)
        return 2
    return code


def _check_utf8(arguments: Sequence[str]) -> None:
    """Raise InputError for an argument of bytes that are no UTF-8: no report could hold the command."""
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError as error:
            raise InputError(f"the argument {argument[:60]!r} is not UTF-8: write or rename it in UTF-8") from error


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m explorer", description="Two transformers, one function, rotated coordinates.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", metavar="{" + ",".join(COMMANDS) + "}")
    for name in COMMANDS:
        module = import_module(f"explorer.cli.{name}")
        module.add_options(commands.add_parser(name, help=module.HELP, description=module.__doc__))
    return parser
